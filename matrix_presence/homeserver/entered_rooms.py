"""Rooms that do not begin with us: what they were before is told by another server.

A large room is entered in steps, between which the reactor may do other things. Until
the last of them nobody is shown anything of it, and nothing of it is written down: the
room is put together aside, and those of other servers who are in it are made known
while nobody here could see them by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from matrix_presence.homeserver.auth_events import auth_state
from matrix_presence.homeserver.auth_rules import authorize
from matrix_presence.homeserver.events import Event, Standing, StateKey
from matrix_presence.homeserver.known_rooms import AT_ONCE, KnownRooms
from matrix_presence.homeserver.redactions import redacted_late
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_rows import insertion
from matrix_presence.homeserver.room_state import Moves, RoomState
from matrix_presence.homeserver.standing import caught_up, standing_of
from matrix_presence.ids import server_of
from matrix_presence.storage.connection import Statement
from matrix_presence.wire.room_versions import RoomVersion


class EnteredRooms(KnownRooms):
    """Enters rooms, and goes on in them where events are missing."""

    def catch_up(self, room: Room, told: Iterable[Event], event: Event) -> None:
        """Take in an event when what comes before it could not be had.

        Args:
            told: the state before it, as another server says; what it rests on is
                known.
        """
        state = caught_up(room, told)
        event.standing = standing_of(room, event, state)
        if event.standing is Standing.PLACED:
            self._begin_anew(room, state, (), event)
        else:
            self._set_aside(room, event)

    def learn(self, room: Room, event: Event) -> None:
        """Keep an event that others rest on, where it is not known yet.

        Raises:
            Forbidden: its own auth events do not allow it.
        """
        if room.find(event.event_id) is None:
            create = room.state.get(("m.room.create", ""))
            state = auth_state(event, room.find, create)
            authorize(event, room.version, state)
            self._learn(room, event)

    def entering(
        self,
        room_id: str,
        version: RoomVersion,
        state: Mapping[StateKey, Event],
        others: Sequence[Event],
        event: Event,
    ) -> Iterator[None]:
        """Have the room begin for us with this event, or begin anew.

        It is there when all steps are taken. Meanwhile nobody else may enter it.

        Args:
            state: the state before the event; all of it is allowed.
            others: what that state rests on, the create event first.
        """
        room = self._rooms.get(room_id) or Room(room_id, version)
        size, aside = _size(room), room.aside()
        rows: list[Statement] = []
        #: Member events of our users. What is news for them is told by positions, so
        #: they come last.
        own: dict[str, Event] = {}
        for number, each in enumerate((*others, *state.values()), 1):
            if aside.find(each.event_id) is None and each.event_id not in own:
                if _is_in(state, each) and self._is_of_ours(each.key):
                    own[each.event_id] = each
                else:
                    self._number(each)
                    aside.hold(each)
                    rows.append(insertion(each))
            if number % AT_ONCE == 0:
                yield
        known = {key: aside.find(each.event_id) or each for key, each in state.items()}
        yield
        keys = aside.state.keys() | known.keys()
        yield
        ours = {key for key in keys if self._is_of_ours(key)}
        yield
        position = self.positions.next()
        yield from self._turning(room, aside, keys - ours, known, position)
        yield from self._telling_ahead(room, aside)
        # From here on without a pause, which is the work of a join of one user.
        if _size(room) != size:
            # Something that was under way was put into it after all.
            self._begin_anew(room, state, others, event)
            return
        room.take(aside)
        self._rooms[room_id] = room
        self.journal.write_all(rows)
        for each in own.values():
            self._learn(room, each)
            if each.key is not None:
                known[each.key] = each
        event.parents = ()
        self._reposition(room, event)
        moves: Moves = {}
        for key in ours:
            room.turn(key, known.get(key), event.position, moves)
        moves = room.begin_with(event, moves)
        self._entered(room, event, known.values(), moves)

    def _telling_ahead(self, room: Room, aside: RoomState) -> Iterator[None]:
        """Tell who of other servers is in a room that none of ours is in yet."""
        # A server that the room denies is not to be told of (C-13).
        self._tell_acl(room.room_id, aside)
        come, gone = aside.joined - room.joined, room.joined - aside.joined
        members = list(come)
        for start in range(0, len(members), AT_ONCE):
            for listener in self._listeners:
                listener.restore_room(room.room_id, members[start : start + AT_ONCE])
            yield
        for number, user_id in enumerate(gone, 1):
            for listener in self._listeners:
                listener.left(room.room_id, user_id)
            if number % AT_ONCE == 0:
                yield

    def _begin_anew(
        self,
        room: Room,
        state: Mapping[StateKey, Event],
        others: Sequence[Event],
        event: Event,
    ) -> None:
        for each in (*others, *state.values()):
            if room.find(each.event_id) is None:
                self._learn(room, each)
        known = {key: room.find(each.event_id) or each for key, each in state.items()}
        event.parents = ()
        self._reposition(room, event)
        self._entered(room, event, known.values(), room.begin(known, event))

    def _entered(
        self, room: Room, event: Event, state: Collection[Event], moves: Moves
    ) -> None:
        """Write down, and tell, that the room begins with this event."""
        redacted = redacted_late(room, state, event)
        self._index(room, event, moves)
        self._rows.write(event)
        for each in redacted:
            self._rows.write_pdu(each)
        self._rows.write_entry(event, state)
        self._tell(room, moves)

    def _set_aside(self, room: Room, event: Event) -> None:
        """Remember an event that nobody is shown."""
        self._reposition(room, event)
        room.hold(event)
        self._rows.write(event)

    def _learn(self, room: Room, event: Event) -> None:
        self._number(event)
        room.hold(event)
        self._rows.write(event)

    def _number(self, event: Event) -> None:
        event.standing = Standing.OUTLIER
        event.position = self.positions.next()

    def _reposition(self, room: Room, event: Event) -> None:
        """Give the event its position, which it may have had another of."""
        known = room.find(event.event_id)
        if known is not None:
            self._rows.erase(known)
        event.position = self.positions.next()

    def _is_of_ours(self, key: StateKey | None) -> bool:
        """Whether this state is the membership of a user of ours."""
        if key is None or key[0] != "m.room.member":
            return False
        return server_of(key[1]) == self.server_name


def _size(room: Room) -> tuple[int, int]:
    """What differs as soon as an event is put into the room."""
    return len(room.events), len(room.others)


def _is_in(state: Mapping[StateKey, Event], event: Event) -> bool:
    held = state.get(event.key) if event.key is not None else None
    return held is not None and held.event_id == event.event_id
