"""All rooms: where an event is made, allowed, placed, told of and written down.

This is the only writer of rooms. It decides nothing about what clients may ask for
(that is in the files that answer them) and everything about what may stand in a room.
Whatever it does it does at once, in memory; `journal.stored` waits for the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import orjson

from matrix_presence.errors import Forbidden, NotFound
from matrix_presence.homeserver.auth_rules import authorize
from matrix_presence.homeserver.drafts import Draft, Signer
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.journal import Journal
from matrix_presence.homeserver.positions import Positions
from matrix_presence.homeserver.power_levels import PowerLevels
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.transactions import Transactions
from matrix_presence.homeserver.user_rooms import NOWHERE, UserRooms
from matrix_presence.homeserver.waiting import Waiting
from matrix_presence.ids import server_of
from matrix_presence.wire.room_versions import ROOM_VERSIONS, RoomVersion

logger = logging.getLogger(__name__)


class MembershipListener(Protocol):
    """Who wants to know who is in which room."""

    def joined(self, room_id: str, user_id: str) -> None:
        """The user has become a member of the room."""

    def left(self, room_id: str, user_id: str) -> None:
        """The user is a member of the room no more."""


class Rooms:
    """Every room that this server has events of."""

    def __init__(
        self, signer: Signer, journal: Journal, positions: Positions, waiting: Waiting
    ) -> None:
        self.server_name = signer.server_name
        self.journal = journal
        self.positions = positions
        self.waiting = waiting
        self.transactions = Transactions()
        self._signer = signer
        self._rooms: dict[str, Room] = {}
        self._users: dict[str, UserRooms] = {}
        self._listeners: list[MembershipListener] = []

    def __iter__(self) -> Iterator[Room]:
        return iter(self._rooms.values())

    def get(self, room_id: str) -> Room | None:
        """The room of this id; None if we have no events of it."""
        return self._rooms.get(room_id)

    def of(self, user_id: str) -> UserRooms:
        """The rooms of this user."""
        return self._users.get(user_id, NOWHERE)

    def share_a_room(self, user_id: str, other: str) -> bool:
        """Whether both are members of one room."""
        mine, theirs = self.of(user_id).joined, self.of(other).joined
        return not mine.keys().isdisjoint(theirs)

    def tell(self, listener: MembershipListener) -> None:
        """Tell this one of every join and leave from now on, not of those loaded."""
        self._listeners.append(listener)

    def neighbours(self, user_id: str) -> set[str]:
        """Everybody else who shares a room with this user."""
        rooms = self.of(user_id).joined.values()
        return set().union(*(room.joined for room in rooms)) - {user_id}

    def now(self) -> int:
        """Epoch milliseconds."""
        return self._signer.now()

    def create(self, drafts: Sequence[Draft], version: RoomVersion) -> Room:
        """A new room of these events, the create event first: all of them or none.

        Raises:
            Forbidden, BadJson, TooLarge: one of them is not allowed.
        """
        first = self._signer.first_event(drafts[0], version)
        room = Room(first.room_id, version)
        for draft in drafts:
            event = first if not room.timeline else self._signer.next_event(draft, room)
            authorize(event, version, room.state)
            event.position = self.positions.next()
            room.add(event)
        self._rooms[room.room_id] = room
        memberships: dict[str, str | None] = {}
        for event in room.timeline:
            self._index(room, event)
            self._write(event)
        for event in room.timeline:
            before = memberships.get(event.state_key or "")
            if event.type == "m.room.member" and event.state_key:
                memberships[event.state_key] = event.membership
            self._tell(room, event, before)
        return room

    def append(
        self, room: Room, draft: Draft, transaction: tuple[str, str] | None = None
    ) -> Event:
        """Put what the draft says at the end of the room.

        Args:
            transaction: the device and transaction id that a client sent it with.

        Raises:
            Forbidden: the authorization rules do not allow it, or it redacts what the
                sender may not redact.
            BadJson, TooLarge: it cannot be an event.
        """
        event = self._signer.next_event(draft, room)
        authorize(event, room.version, room.state)
        self._check_redaction(room, event)
        event.transaction = transaction
        self._add(room, event)
        return event

    def forget(self, user_id: str, room: Room) -> None:
        """Show this room to the user no more.

        Raises:
            Forbidden: the user is still in it, or was never.
        """
        own = self.of(user_id).others.get(room.room_id)
        if own is None or own.membership not in ("leave", "ban"):
            raise Forbidden("Only a room that was left can be forgotten")
        self.of(user_id).forget(own)
        self.journal.write(
            "INSERT INTO rooms_forgotten (user_id, room_id, event_id)"
            " VALUES (?, ?, ?) ON CONFLICT (user_id, room_id)"
            " DO UPDATE SET event_id = excluded.event_id",
            user_id,
            room.room_id,
            own.event_id,
        )

    def mark(self, room: Room) -> int:
        """A position for something new in the room that is no event.

        Call `wake` once it is in memory.
        """
        room.changed = self.positions.next()
        return room.changed

    def wake(self, room: Room) -> None:
        """Let the members see what is new, at once if they wait, and who looks in."""
        self.waiting.wake_all(room.joined)
        self.waiting.wake(room.room_id)

    async def load(self) -> None:
        """Read every room from the database, in slices."""
        sql = (
            "SELECT position, event_id, room_id, pdu, device_id, txn_id"
            " FROM room_events WHERE position > ? ORDER BY position LIMIT ?"
        )
        async for (
            position,
            event_id,
            room_id,
            pdu,
            device_id,
            txn_id,
        ) in self.journal.rows(sql):
            room = self._restored_room(room_id, fields := orjson.loads(pdu))
            if room is None:
                logger.error("Left out %s: its room is not there", event_id)
                continue
            event = Event(event_id, room_id, fields, room.version, position)
            if txn_id is not None:
                event.transaction = (device_id, txn_id)
            self.positions.seen(position)
            self._place(room, event)
        for user_id, room_id, event_id in await self.journal.all_rows(
            "SELECT user_id, room_id, event_id FROM rooms_forgotten"
        ):
            self._users.setdefault(user_id, UserRooms()).forgotten[room_id] = event_id

    def _restored_room(self, room_id: str, pdu: dict[str, Any]) -> Room | None:
        """The room of a stored event; new if this creates it, None if nothing did."""
        room = self._rooms.get(room_id)
        if room is None and pdu["type"] == "m.room.create":
            version = ROOM_VERSIONS.get(pdu["content"].get("room_version", "1"))
            if version is not None:
                room = self._rooms[room_id] = Room(room_id, version)
        return room

    def _add(self, room: Room, event: Event) -> None:
        """Place a new event, write it down, and tell those it concerns."""
        event.position = self.positions.next()
        before = room.membership(event.state_key) if event.state_key else None
        target = self._place(room, event)
        self._write(event)
        if target is not None:
            self.journal.write(
                "UPDATE room_events SET pdu = ? WHERE position = ?",
                orjson.dumps(target.pdu).decode(),
                target.position,
            )
        self._tell(room, event, before)

    def _place(self, room: Room, event: Event) -> Event | None:
        """Make the event part of the room; the event that it redacted, if it did."""
        target = room.events.get(event.redacts) if event.redacts else None
        if target is not None and not _takes_effect(room, event.sender, target):
            target = None
        room.add(event)
        self._index(room, event)
        if target is not None:
            target.redact(event)
        return target

    def _check_redaction(self, room: Room, event: Event) -> None:
        """What the authorization rules leave to the server of who redacts.

        Other servers apply what we send, as long as both senders are ours.
        """
        if event.type != "m.room.redaction":
            return
        target = room.events.get(event.redacts or "")
        if target is None:
            raise NotFound("There is no such event in this room")
        if target.sender != event.sender:
            levels = PowerLevels(room.version, room.state)
            if levels.of_user(event.sender) < levels.to("redact"):
                raise Forbidden("You may not redact what others have sent")

    def _index(self, room: Room, event: Event) -> None:
        """Make the event findable by its user or its transaction."""
        if event.type == "m.room.member" and event.state_key is not None:
            user = self._users.setdefault(event.state_key, UserRooms())
            user.moved(room, event)
        if event.transaction is not None:
            self.transactions.add(event)

    def _write(self, event: Event) -> None:
        device_id, txn_id = event.transaction or (None, None)
        self.journal.write(
            "INSERT INTO room_events"
            " (position, event_id, room_id, pdu, device_id, txn_id)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            event.position,
            event.event_id,
            event.room_id,
            orjson.dumps(event.pdu).decode(),
            device_id,
            txn_id,
        )

    def _tell(self, room: Room, event: Event, before: str | None) -> None:
        """Report a join or leave, then wake who is concerned.

        A woken /sync is answered within this call, so everybody else has to know first.
        """
        user_id = event.state_key if event.type == "m.room.member" else None
        if user_id is not None and (before == "join") != (event.membership == "join"):
            for listener in self._listeners:
                if event.membership == "join":
                    listener.joined(room.room_id, user_id)
                else:
                    listener.left(room.room_id, user_id)
        self.wake(room)
        if user_id is not None and user_id not in room.joined:
            self.waiting.wake(user_id)


def _takes_effect(room: Room, user_id: str, target: Event) -> bool:
    """Whether a redaction by this user takes anything away.

    Any user of the sender's server can redact: that server answers for its users.
    Source: room versions, "Handling redactions".
    """
    levels = PowerLevels(room.version, room.state)
    return levels.of_user(user_id) >= levels.to("redact") or (
        server_of(user_id) == server_of(target.sender)
    )
