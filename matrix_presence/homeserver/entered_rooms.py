"""Rooms that do not begin with us: what they were before is told by another server.

A large room is entered in steps, between which the reactor may do other things. Until
the last of them nobody is shown anything of it, and nothing of it is written down: the
room is put together aside, and those of other servers who are in it are made known
while nobody here could see them by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from matrix_presence.homeserver.auth_events import auth_state
from matrix_presence.homeserver.auth_rules import authorize
from matrix_presence.homeserver.events import Event, Standing, StateKey
from matrix_presence.homeserver.known_rooms import KnownRooms
from matrix_presence.homeserver.room import Moves, Room
from matrix_presence.homeserver.room_rows import insertion
from matrix_presence.homeserver.standing import caught_up, standing_of
from matrix_presence.ids import server_of
from matrix_presence.storage.connection import Statement
from matrix_presence.wire.room_versions import RoomVersion

#: Events taken up in a step: less than a millisecond's work.
_AT_ONCE = 32


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
        known = self._rooms.get(room_id)
        if known is not None:
            self._begin_anew(known, state, others, event)
            return
        room = Room(room_id, version)
        rows: list[Statement] = []
        #: Member events of our users. What is news for them is told by positions, so
        #: they come last.
        own: dict[str, Event] = {}
        for number, each in enumerate((*others, *state.values()), 1):
            if room.find(each.event_id) is None and each.event_id not in own:
                if not _is_in(state, each):
                    self._number(each)
                    room.hold(each)
                    rows.append(insertion(each))
                elif each.key is not None and self._is_of_ours(each.key):
                    own[each.event_id] = each
                else:
                    self._number(each)
                    self._index(room, each, room.take_up(each))
                    rows.append(insertion(each))
            if number % _AT_ONCE == 0:
                yield
        # Before the members: a server that the room denies is not to be told of (C-13).
        self._tell_acl(room)
        members = list(room.joined)
        for start in range(0, len(members), _AT_ONCE):
            for listener in self._listeners:
                listener.restore_room(room_id, members[start : start + _AT_ONCE])
            yield
        # From here on without a pause, which is the work of a join of one user.
        self._rooms[room_id] = room
        self.journal.write_all(rows)
        moves: Moves = {}
        for each in own.values():
            self._learn(room, each)
            moves |= room.take_up(each)
        event.parents = ()
        self._reposition(room, event)
        self._entered(room, event, state.values(), room.add(event) | moves)

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
        moves, redacted = self._begin(room, known, event)
        for each in redacted:
            self._rows.write_pdu(each)
        self._entered(room, event, known.values(), moves)

    def _entered(
        self, room: Room, event: Event, state: Iterable[Event], moves: Moves
    ) -> None:
        self._index(room, event, moves)
        self._rows.write(event)
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

    def _is_of_ours(self, key: StateKey) -> bool:
        """Whether this state is the membership of a user of ours."""
        return key[0] == "m.room.member" and server_of(key[1]) == self.server_name


def _is_in(state: Mapping[StateKey, Event], event: Event) -> bool:
    held = state.get(event.key) if event.key is not None else None
    return held is not None and held.event_id == event.event_id
