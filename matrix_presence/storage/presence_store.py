"""Presence in SQL: one transaction for each batch."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from matrix_presence.interfaces import (
    Batch,
    DestinationRow,
    IPresenceStore,
    ListRow,
    StoreHead,
    UserRow,
)
from matrix_presence.storage.connection import Cursor
from matrix_presence.storage.database import Database
from matrix_presence.storage.destinations import load_destinations, write_destinations
from matrix_presence.storage.lists import load_lists, write_lists
from matrix_presence.storage.rows import COLUMNS, from_columns, to_columns
from matrix_presence.storage.slices import Unreadable, read_slice

logger = logging.getLogger(__name__)

_UPSERT = f"""
INSERT INTO presence_users ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (user_id) DO UPDATE SET
    presence = excluded.presence,
    status_msg = excluded.status_msg,
    last_active_ts = excluded.last_active_ts,
    currently_active = excluded.currently_active,
    position = excluded.position,
    displayname = excluded.displayname,
    avatar_url = excluded.avatar_url,
    devices = excluded.devices
"""

_SLICE = f"""
SELECT {COLUMNS} FROM presence_users WHERE user_id > ? ORDER BY user_id LIMIT ?
"""


@implementer(IPresenceStore)
class SqlPresenceStore:
    """The presence store in a database, which may hold other tables too.

    The database is whoever's who made it: `close` does not close it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        #: Rows that have been complained about, by user id.
        self._unreadable: set[object] = set()
        #: What the database says of reserved positions, as far as we know: a batch
        #: that raises nothing need not touch that row.
        self._reserved = 0

    def open(self) -> Deferred[StoreHead]:
        """Bring the tables up to date, mark them as in use, say how they were left."""

        async def opened() -> StoreHead:
            await self._database.migrate("presence", "matrix_presence.storage")
            return await self._database.run(_open)

        return Deferred.fromCoroutine(opened())

    def load(self, after: str, limit: int) -> Deferred[Sequence[UserRow]]:
        """At most `limit` users in the order of their ids, those after `after`."""
        return self._database.run(partial(self._load, after, limit))

    def load_lists(
        self, after: tuple[str, str], limit: int
    ) -> Deferred[Sequence[ListRow]]:
        """At most `limit` entries in the order of their keys, those after `after`."""
        return self._database.run(partial(load_lists, after, limit))

    def load_destinations(
        self, after: str, limit: int
    ) -> Deferred[Sequence[DestinationRow]]:
        """At most `limit` servers in the order of their names, those after `after`."""
        return self._database.run(partial(load_destinations, after, limit))

    def load_old_servers(self) -> Deferred[Sequence[str]]:
        """The names of all of them."""
        return self._database.run(_load_old_servers)

    def write(self, batch: Batch) -> Deferred[Collection[str]]:
        """Store the batch in one transaction; the ids of the users left out.

        A user in `users` twice is stored as the last says, and one who is also in
        `forgotten` is forgotten.
        """
        raises = batch.reserved > self._reserved
        done = self._database.run(partial(_write, batch, raises))
        return done.addCallback(self._wrote, batch.reserved)

    def _wrote(self, refused: Collection[str], reserved: int) -> Collection[str]:
        self._reserved = max(self._reserved, reserved)
        return refused

    def close(self, position: int | None) -> Deferred[None]:
        """Note how this run ended; see `IPresenceStore`."""
        if position is None:
            return self._database.write("UPDATE presence_head SET clean = 0")
        return self._database.write(
            "UPDATE presence_head SET clean = 1, reserved = ?", (position,)
        )

    def _load(self, after: str, limit: int, cursor: Cursor) -> list[UserRow]:
        return read_slice(cursor, _SLICE, (after,), limit, from_columns, self._complain)

    def _complain(self, columns: Sequence[Any], error: Unreadable) -> None:
        user_id = columns[0]
        # Once: the rows at the end of a slice are read again with the next one.
        if user_id not in self._unreadable:
            self._unreadable.add(user_id)
            logger.warning("Left out the stored presence of %r: %s", user_id, error)


def _open(cursor: Cursor) -> StoreHead:
    cursor.execute("SELECT reserved, clean FROM presence_head")
    head = cursor.fetchone()
    if head is None:
        cursor.execute(
            "INSERT INTO presence_head (id, reserved, clean) VALUES (1, 0, 0)"
        )
        return StoreHead(reserved=0, clean=True)
    cursor.execute("UPDATE presence_head SET clean = 0")
    return StoreHead(reserved=head[0], clean=head[1] == 1)


def _write(batch: Batch, raises: bool, cursor: Cursor) -> Collection[str]:
    rows: dict[str, tuple[Any, ...]] = {}
    refused: set[str] = set()
    for user in batch.users:
        try:
            rows[user.user_id] = to_columns(user)
        except ValueError:
            refused.add(user.user_id)
    left_out = cursor.execute_each(_UPSERT, list(rows.values()))
    if left_out:
        user_ids = list(rows)
        refused.update(user_ids[index] for index in left_out)
    if batch.forgotten:
        cursor.execute_each(
            "DELETE FROM presence_users WHERE user_id = ?",
            [(user_id,) for user_id in batch.forgotten],
        )
    if batch.lists:
        refused |= write_lists(batch.lists, cursor)
    if batch.destinations:
        write_destinations(batch.destinations, cursor)
    if batch.old_servers:
        cursor.execute_each(
            "INSERT INTO presence_old_servers (server_name) VALUES (?)"
            " ON CONFLICT (server_name) DO NOTHING",
            [(name,) for name in batch.old_servers],
        )
    if raises:
        cursor.execute(
            "UPDATE presence_head SET reserved = ? WHERE reserved < ?",
            (batch.reserved, batch.reserved),
        )
    return refused


def _load_old_servers(cursor: Cursor) -> Sequence[str]:
    cursor.execute("SELECT server_name FROM presence_old_servers ORDER BY server_name")
    return [name for (name,) in cursor.fetchall()]
