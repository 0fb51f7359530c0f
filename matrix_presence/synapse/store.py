"""Presence in Synapse's database: the store of the core, and the ids of ticks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from typing import Any, TypeVar

from synapse.server import HomeServer
from synapse.storage.engines._base import IsolationLevel
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from matrix_presence.errors import NotStored
from matrix_presence.interfaces import (
    Batch,
    DestinationRow,
    DeviceRow,
    IPresenceStore,
    ListRow,
    StoreHead,
    UserRow,
)
from matrix_presence.rules.devices import NOT_HELD
from matrix_presence.synapse import tables
from matrix_presence.synapse.background import in_background
from matrix_presence.synapse.tables import StoredUser

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: The device of somebody who was present when the life before this one ended. It holds
#: until their clients come back, or ends when they do not. No client calls itself so.
RESTORED = "\0"


@implementer(IPresenceStore)
class SynapseStore:
    """`presence_stream`, and our own table for what it has no column for.

    Visible changes are written by `write_tick`, with a stream id of their own; by
    `write`, only what others need not be told.
    """

    def __init__(self, homeserver: HomeServer) -> None:
        self._homeserver = homeserver
        store = homeserver.get_datastores().main
        self._pool = store.db_pool
        self._ids = store.get_presence_stream_id_gen()
        self._instance = homeserver.get_instance_name()
        self._now = homeserver.get_clock().time_msec
        #: By user: what our own table holds.
        self._held: dict[str, tuple[DeviceRow, ...]] = {}

    def open(self) -> Deferred[StoreHead]:
        """Create our own table; positions go on where Synapse's generator is."""
        return in_background(self._homeserver, "presence_open", self._open)

    async def _open(self) -> StoreHead:
        await self._run("presence_create", tables.create)
        await self._run("presence_create", tables.create_lists)
        self._held = await self._run("presence_held", tables.load_held)
        return StoreHead(reserved=self._ids.get_current_token(), clean=True)

    def load(self, after: str, limit: int) -> Deferred[Sequence[UserRow]]:
        """The stored users; those who are present have a device `RESTORED`."""

        async def load() -> Sequence[UserRow]:
            rows = await self._run("presence_load", tables.load_users, after, limit)
            return [self._restored(row) for row in rows]

        return in_background(self._homeserver, "presence_load", load)

    def _restored(self, row: StoredUser) -> UserRow:
        state = row.state or "offline"
        last_active_ts = row.last_active_ts or 0
        devices = self._held.get(row.user_id, ())
        if state != "offline":
            stated = DeviceRow(RESTORED, state, NOT_HELD, last_active_ts)
            devices = (stated, *devices)
        return UserRow(
            row.user_id,
            state,
            row.status_msg,
            last_active_ts,
            bool(row.currently_active),
            row.stream_id,
            devices=devices,
        )

    def only_held(self, known: Container[str]) -> Iterator[UserRow]:
        """The users who are not among the known ones, and of whom a device is held."""
        for user_id, devices in self._held.items():
            if user_id not in known:
                yield UserRow(user_id, "offline", None, 0, False, 0, devices=devices)

    def write_tick(self, rows: Sequence[UserRow]) -> Deferred[int]:
        """Give these users a new stream id, at which they changed; fires with it."""

        async def write() -> int:
            try:
                return await self._tick(rows)
            except Exception:
                if len(rows) == 1:
                    raise
                logger.exception("Presence is stored row by row")
            return await self._tick_by_rows(rows)

        return in_background(self._homeserver, "presence_tick", write)

    async def _tick_by_rows(self, rows: Sequence[UserRow]) -> int:
        """The highest of their stream ids. A row that is refused harms no other."""
        position, refused = 0, 0
        for row in rows:
            try:
                position = await self._tick([row])
            except Exception:
                refused += 1
        if not position:
            raise NotStored("Nothing could be stored")
        logger.warning("The presence of %d users could not be stored", refused)
        return position

    async def _tick(self, rows: Sequence[UserRow]) -> int:
        position = await self._run("presence_tick", self._tick_txn, rows)
        self._wrote(rows)
        return position

    def _tick_txn(self, txn: Any, rows: Sequence[UserRow]) -> int:
        # It counts, and other processes are told, when this is committed.
        position: int = self._ids.get_next_txn(txn)
        tables.write_changes(txn, position, self._instance, self._now(), rows)
        tables.write_held(txn, self._newly_held(rows))
        return position

    def load_lists(
        self, after: tuple[str, str], limit: int
    ) -> Deferred[Sequence[ListRow]]:
        """The entries of presence lists."""

        async def load() -> Sequence[ListRow]:
            return await self._run("presence_lists", tables.load_lists, after, limit)

        return in_background(self._homeserver, "presence_load", load)

    def load_destinations(
        self, after: str, limit: int
    ) -> Deferred[Sequence[DestinationRow]]:
        """None: Synapse keeps for itself how it gets on with other servers."""
        return succeed(())

    def load_old_servers(self) -> Deferred[Sequence[str]]:
        """None: Synapse composes what is sent, for all servers alike."""
        return succeed(())

    def write(self, batch: Batch) -> Deferred[Collection[str]]:
        """When users were last active, in place; devices that are held; lists."""

        async def write() -> Collection[str]:
            if batch.users:
                await self._run("presence_activity", self._activity_txn, batch.users)
                self._wrote(batch.users)
            if batch.lists:
                await self._run("presence_lists", tables.write_lists, batch.lists)
            return ()

        return in_background(self._homeserver, "presence_activity", write)

    def _activity_txn(self, txn: Any, rows: Sequence[UserRow]) -> None:
        # In one order always, so that no two transactions wait for one another.
        tables.write_activity(txn, sorted(rows, key=lambda row: row.user_id))
        tables.write_held(txn, self._newly_held(rows))

    def owes(self, row: UserRow) -> bool:
        """Whether our own table has yet to learn of this user's devices."""
        return bool(self._newly_held([row]))

    def _newly_held(
        self, rows: Sequence[UserRow]
    ) -> list[tuple[str, tuple[DeviceRow, ...]]]:
        return [
            (row.user_id, held)
            for row in rows
            if (held := _held_of(row)) != self._held.get(row.user_id, ())
        ]

    def _wrote(self, rows: Sequence[UserRow]) -> None:
        for user_id, held in self._newly_held(rows):
            if held:
                self._held[user_id] = held
            else:
                del self._held[user_id]

    def close(self, position: int | None) -> Deferred[None]:
        """Nothing to note: the rows say all, and the database is Synapse's."""
        return succeed(None)

    async def _run(self, name: str, work: Callable[..., T], *args: Any) -> T:
        # Nobody else writes these rows, and a reader sees the old one or the new.
        return await self._pool.runInteraction(
            name, work, *args, isolation_level=IsolationLevel.READ_COMMITTED
        )


def _held_of(row: UserRow) -> tuple[DeviceRow, ...]:
    held = [device for device in row.devices if device.hold != NOT_HELD]
    return tuple(sorted(held, key=lambda device: device.device_id))
