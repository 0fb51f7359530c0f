"""All rooms as they are known: who is in which, who is told of it, how they are loaded.

What changes a room, and writes that down, is in `rooms`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from matrix_presence.homeserver.drafts import Signer
from matrix_presence.homeserver.events import Event, Standing, StateKey
from matrix_presence.homeserver.forks import state_before, state_with
from matrix_presence.homeserver.journal import Journal
from matrix_presence.homeserver.outside import OutsideMemberships
from matrix_presence.homeserver.positions import Positions
from matrix_presence.homeserver.redactions import (
    redact_late,
    redacted_by,
    redacted_late,
    wait_for_target,
)
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_rows import EventRow, RoomRows
from matrix_presence.homeserver.room_state import Moves, RoomState
from matrix_presence.homeserver.slices import Slices
from matrix_presence.homeserver.transactions import Transactions
from matrix_presence.homeserver.user_rooms import NOWHERE, UserRooms
from matrix_presence.homeserver.waiting import Waiting
from matrix_presence.wire.room_versions import ROOM_VERSIONS

logger = logging.getLogger(__name__)

_ACL = ("m.room.server_acl", "")
#: Events, or pieces of state, taken up in a step: less than a millisecond's work.
AT_ONCE = 50
#: Events that are not to be restored on top of what a turn of the reactor has done.
_MANY = 250

AclListener = Callable[[str, Mapping[str, Any] | None], None]
"""Takes a room and the content of its `m.room.server_acl` event, None without one."""


class MembershipListener(Protocol):
    """Who wants to know who is in which room."""

    def joined(self, room_id: str, user_id: str) -> None:
        """The user has become a member of the room."""

    def left(self, room_id: str, user_id: str) -> None:
        """The user is a member of the room no more."""

    def restore_room(self, room_id: str, user_ids: Sequence[str]) -> None:
        """These were members of the room before we knew of it, and none is ours."""


class KnownRooms:
    """Every room that this server has events of."""

    def __init__(
        self, signer: Signer, journal: Journal, positions: Positions, waiting: Waiting
    ) -> None:
        self.server_name = signer.server_name
        self.journal = journal
        self.positions = positions
        self.waiting = waiting
        self.transactions = Transactions()
        self.signer = signer
        self._rows = RoomRows(journal)
        self._rooms: dict[str, Room] = {}
        self._users: dict[str, UserRooms] = {}
        self.outside = OutsideMemberships(journal, positions, waiting, self._user)
        self._listeners: list[MembershipListener] = []
        self._acl_changed: AclListener = lambda room_id, content: None
        #: By room: the ACL that was told last.
        self._acls: dict[str, Event | None] = {}

    def __iter__(self) -> Iterator[Room]:
        return iter(self._rooms.values())

    def get(self, room_id: str) -> Room | None:
        """The room of this id; None if we have no events of it."""
        return self._rooms.get(room_id)

    def of(self, user_id: str) -> UserRooms:
        """The rooms of this user."""
        return self._users.get(user_id, NOWHERE)

    def is_in(self, room_id: str) -> bool:
        """Whether a user of ours is in this room, so that others tell us of it."""
        room = self._rooms.get(room_id)
        return room is not None and self.server_name in room.servers

    def share_a_room(self, user_id: str, other: str) -> bool:
        """Whether both are members of one room."""
        mine, theirs = self.of(user_id).joined, self.of(other).joined
        return not mine.keys().isdisjoint(theirs)

    def neighbours(self, user_id: str) -> set[str]:
        """Everybody else who shares a room with this user."""
        rooms = self.of(user_id).joined.values()
        return set().union(*(room.joined for room in rooms)) - {user_id}

    def now(self) -> int:
        """Epoch milliseconds."""
        return self.signer.now()

    def tell(self, listener: MembershipListener) -> None:
        """Tell this one of every join and leave from now on, not of those loaded."""
        self._listeners.append(listener)

    def tell_acls(self, listener: AclListener) -> None:
        """Tell this one which servers each room lets in, and of each change."""
        self._acl_changed = listener
        self._acls.clear()
        for room in self:
            self._tell_acl(room.room_id, room)

    def _tell_acl(self, room_id: str, state: RoomState) -> None:
        acl = state.state.get(_ACL)
        if acl is not self._acls.get(room_id):
            self._acls[room_id] = acl
            content = None if acl is None else acl.content
            self._acl_changed(room_id, content)

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

    async def load(self, slices: Slices) -> None:
        """Read every room from the database, in slices."""
        async for row in self._rows.load():
            self.positions.seen(row.position)
            room = self._restored_room(row)
            if room is None:
                logger.error("Left out %s: its room is not there", row.event_id)
            elif row.state_ids is None:
                self._restore(room, row)
            else:
                if len(row.state_ids) > _MANY:
                    await slices.pause()
                await slices.done(self._restoring_entry(room, row, row.state_ids))
        await self.outside.load()
        for user_id, room_id, event_id in await self.journal.all_rows(
            "SELECT user_id, room_id, event_id FROM rooms_forgotten"
        ):
            self._users.setdefault(user_id, UserRooms()).forgotten[room_id] = event_id

    def _restored_room(self, row: EventRow) -> Room | None:
        """The room of a stored event; new if this creates it, None if nothing did."""
        room = self._rooms.get(row.room_id)
        if room is None and row.pdu["type"] == "m.room.create":
            version = ROOM_VERSIONS.get(row.pdu["content"].get("room_version", "1"))
            if version is not None:
                room = self._rooms[row.room_id] = Room(row.room_id, version)
        return room

    def _restoring_entry(
        self, room: Room, row: EventRow, state_ids: Sequence[str]
    ) -> Iterator[None]:
        """Have the room begin, or begin anew, as it did; pause between."""
        event = _stored(room, row)
        found = [each for each in map(room.find, state_ids) if each]
        state = {each.key: each for each in found if each.key}
        keys = room.state.keys() | state.keys()
        yield from self._turning(room, room, keys, state, event.position)
        self._index(room, event, room.begin_with(event, {}))
        redacted_late(room, state.values(), event)

    def _turning(
        self,
        room: Room,
        aside: RoomState,
        keys: Collection[StateKey],
        state: Mapping[StateKey, Event],
        position: int,
    ) -> Iterator[None]:
        """Have these keys of a state turned to what it is, and users found by it.

        Args:
            aside: where it is turned; may be the room itself.
        """
        for number, key in enumerate(keys, 1):
            moves: Moves = {}
            aside.turn(key, state.get(key), position, moves)
            for user_id in moves:
                own = aside.state.get(key)
                self._user(user_id).moved(room, own, position)
            if number % AT_ONCE == 0:
                yield

    def _restore(self, room: Room, row: EventRow) -> None:
        event = _stored(room, row)
        if event.standing is Standing.OUTLIER:
            room.hold(event)
            return
        event.parents = room.follow(event)
        if event.standing is Standing.PLACED:
            self._place(room, event)
        else:
            room.hold(event)

    def _place(self, room: Room, event: Event) -> tuple[Event | None, Moves]:
        """Make the event part of the room; the event that it redacted, if it did."""
        target = redacted_by(room, event)
        wait_for_target(room, event)
        state = state_with(room, event, state_before(room, event))
        moves = room.add(event, state)
        self._index(room, event, moves)
        if target is not None:
            target.redact(event)
        redact_late(room, event)
        return target, moves

    def _index(self, room: Room, event: Event, moves: Moves) -> None:
        """Make the event findable by its transaction, and rooms by their users."""
        for user_id in moves:
            own = room.state.get(("m.room.member", user_id))
            self._user(user_id).moved(room, own, event.position)
            self.outside.drop(user_id, room.room_id)
        if event.transaction is not None:
            self.transactions.add(event)

    def _tell(self, room: Room, moves: Moves) -> None:
        """Report joins, leaves and a new ACL, then wake who is concerned.

        A woken /sync is answered within this call, so everybody else has to know first.
        """
        for user_id, before in moves.items():
            joined = user_id in room.joined
            if joined is not (before == "join"):
                for listener in self._listeners:
                    if joined:
                        listener.joined(room.room_id, user_id)
                    else:
                        listener.left(room.room_id, user_id)
        self._tell_acl(room.room_id, room)
        self.wake(room)
        for user_id in moves:
            if user_id not in room.joined:
                self.waiting.wake(user_id)

    def _user(self, user_id: str) -> UserRooms:
        return self._users.setdefault(user_id, UserRooms())


def _stored(room: Room, row: EventRow) -> Event:
    event = Event(
        row.event_id, row.room_id, row.pdu, room.version, row.position, row.standing
    )
    event.transaction = row.transaction
    return event
