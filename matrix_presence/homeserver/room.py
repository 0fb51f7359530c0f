"""One room: its events in their order, and the state they add up to.

Only keeps what it is given; whether an event may stand here, and what the state is
where histories branch, is decided before. What each piece of state was at an earlier
position can always be had.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import copy
from typing import NamedTuple

from matrix_presence.homeserver.events import Event, Standing, StateKey
from matrix_presence.homeserver.unread import Unread
from matrix_presence.ids import server_of
from matrix_presence.wire.room_versions import RoomVersion

#: Branches at a time; of more, the one that nobody has followed for longest is given
#: up.
MOST_HEADS = 50

#: What makes up the state of a room, and what is known beside its timeline.
_STATE = (
    "events",
    "others",
    "state",
    "joined",
    "invited",
    "servers",
    "_turns",
    "_changes",
    "_reverted",
)

Moves = dict[str, str | None]
"""The membership before, of each user whose membership has changed."""


class EarlyRedaction(NamedTuple):
    """A redaction that came before what it redacts."""

    event: Event
    #: Whether its sender had the right to redact what anybody had sent.
    of_all: bool


class Room:
    """A room, with all of its events in memory."""

    def __init__(self, room_id: str, version: RoomVersion) -> None:
        self.room_id = room_id
        self.version = version
        #: Every event that members see, in the order of positions.
        self.timeline: list[Event] = []
        #: Those, and the state from before the first of them.
        self.events: dict[str, Event] = {}
        #: The rest of what is known: what others rest on, and what is not shown.
        self.others: dict[str, Event] = {}
        #: By the id of what they redact, which has not come yet.
        self.early_redactions: dict[str, list[EarlyRedaction]] = {}
        #: The current state.
        self.state: dict[StateKey, Event] = {}
        self.joined: set[str] = set()
        self.invited: set[str] = set()
        #: How many members each server has.
        self.servers: Counter[str] = Counter()
        #: The events that no other follows yet (forward extremities), by id.
        self.heads: dict[str, Event] = {}
        #: The event with which the stretch of history begins that we know.
        self.root: Event | None = None
        #: The position of the newest thing here: event, receipt or typing notice.
        self.changed = 0
        self.unread = Unread()
        #: For state that ever changed: each value with the position it came at.
        self._turns: dict[StateKey, list[tuple[int, Event | None]]] = {}
        #: Position and key of each change of state, and of those that were not made by
        #: the event that has the position.
        self._changes: list[tuple[int, StateKey]] = []
        self._reverted: list[tuple[int, StateKey]] = []

    def follow(self, event: Event) -> tuple[Event, ...]:
        """The events that this one follows, as far as they count here.

        What is unknown lies before what we know, or in a gap: the current heads stand
        for it. What is older than the root counts as the root.
        """
        if self.root is None:
            return ()
        found: dict[str, Event] = {}
        for event_id in event.prev_ids:
            parent = self.find(event_id)
            if parent is None or parent.standing is Standing.OUTLIER:
                found |= self.heads
            elif parent.position < self.root.position:
                found[self.root.event_id] = self.root
            else:
                found[event_id] = parent
        return tuple(found.values()) or (self.root,)

    def covered_by(self, event: Event) -> set[str]:
        """The ids of the events that are no heads with this one, as far as they were.

        Those that it follows, and what is before those that are not shown: these never
        took the place of what they follow.
        """
        covered: set[str] = set()
        parents = [*event.parents]
        while parents:
            parent = parents.pop()
            if parent.event_id not in covered:
                covered.add(parent.event_id)
                if parent.standing is not Standing.PLACED:
                    parents += parent.parents
        return covered

    def find(self, event_id: str) -> Event | None:
        """The event of this id, however it stands here."""
        return self.events.get(event_id) or self.others.get(event_id)

    def hold(self, event: Event) -> None:
        """Remember an event that is not in the timeline."""
        self.others[event.event_id] = event

    def aside(self) -> Room:
        """The same, to have its state turned a part at a time; see `take`."""
        other = Room(self.room_id, self.version)
        for name in _STATE:
            setattr(other, name, copy(getattr(self, name)))
        other._turns = {key: [*turns] for key, turns in self._turns.items()}
        return other

    def take(self, other: Room) -> None:
        """Have the state of what was `aside`; nothing was put in here meanwhile."""
        for name in _STATE:
            setattr(self, name, getattr(other, name))

    def begin(self, state: Mapping[StateKey, Event], event: Event) -> Moves:
        """This is the state, whatever it was before, and then comes this event.

        The event has its position; those of the state are known already.
        """
        moves: Moves = {}
        for key in self.state.keys() | state.keys():
            self.turn(key, state.get(key), event.position, moves)
        return self.begin_with(event, moves)

    def begin_with(self, event: Event, moves: Moves) -> Moves:
        """The state is what it is to be, and then comes this event.

        Args:
            moves: what moved when the state was turned to that.
        """
        self.heads, self.root = {}, None
        # Whoever moved with both was what they were before the first.
        return self.add(event) | moves

    def turn(
        self, key: StateKey, value: Event | None, position: int, moves: Moves
    ) -> None:
        """From that position on this is the state of that key; history begins anew.

        What came in with the state has held since its own position. For a large room
        this saves noting each of them.
        """
        if self.state.get(key) is value:
            return
        since = position
        if value is not None:
            if self.others.pop(value.event_id, None) is not None:
                self.events[value.event_id] = value
            if value.position > self._since(key):
                since = value.position
        self._changed_to(key, value, position, since, moves)

    def add(self, event: Event, state: Mapping[StateKey, Event] | None = None) -> Moves:
        """Put the event, which has its position, at the end.

        Args:
            state: the state with it; None if it only adds itself.
        """
        self.others.pop(event.event_id, None)
        self.timeline.append(event)
        self.events[event.event_id] = event
        if self.root is None:
            self.root = event
        for event_id in self.covered_by(event):
            self.heads.pop(event_id, None)
        self.heads[event.event_id] = event
        if len(self.heads) > MOST_HEADS:
            del self.heads[min(self.heads, key=lambda name: self.heads[name].position)]
        self.changed = max(self.changed, event.position)
        self.unread.add(event)
        if event.key is not None:
            event.replaces = self.state.get(event.key)
        if state is not None:
            return self._turn_to(state, event.position)
        moves: Moves = {}
        if event.key is not None:
            self._changes.append((event.position, event.key))
            self._turn(event.key, event, event.position, moves)
        return moves

    def _turn_to(self, state: Mapping[StateKey, Event], position: int) -> Moves:
        """Make this the state from that position on."""
        moves: Moves = {}
        for key in self.state.keys() | state.keys():
            value = state.get(key)
            if self.state.get(key) is not value:
                self._changed_to(key, value, position, position, moves)
        return moves

    def _changed_to(
        self,
        key: StateKey,
        value: Event | None,
        position: int,
        since: int,
        moves: Moves,
    ) -> None:
        self._changes.append((position, key))
        self._turn(key, value, since, moves)
        if value is None or value.position != position:
            self._reverted.append((position, key))

    def _since(self, key: StateKey) -> int:
        """The position at which this state became what it is; 0 if it is not set."""
        turns = self._turns.get(key)
        if turns is not None:
            return turns[-1][0]
        event = self.state.get(key)
        return 0 if event is None else event.position

    def _turn(
        self, key: StateKey, event: Event | None, position: int, moves: Moves
    ) -> None:
        before = self.state.get(key)
        if before is not None or event is None or event.position != position:
            turns = self._turns.setdefault(key, [])
            if not turns and before is not None:
                turns.append((before.position, before))
            turns.append((position, event))
        if event is None:
            del self.state[key]
        else:
            self.state[key] = event
        if key[0] == "m.room.member":
            self._moved(key[1], before, event, moves)

    def _moved(
        self, user_id: str, before: Event | None, after: Event | None, moves: Moves
    ) -> None:
        was = None if before is None else before.membership
        membership = None if after is None else after.membership
        moves.setdefault(user_id, was)
        if was == "join" and membership != "join":
            self.joined.discard(user_id)
            server = server_of(user_id)
            self.servers[server] -= 1
            if not self.servers[server]:
                del self.servers[server]
        elif membership == "join" and was != "join":
            self.joined.add(user_id)
            self.servers[server_of(user_id)] += 1
        self.invited.discard(user_id)
        if membership == "invite":
            self.invited.add(user_id)

    def membership(self, user_id: str) -> str | None:
        """The current membership of a user; None if there never was any."""
        event = self.state.get(("m.room.member", user_id))
        return None if event is None else event.membership

    def value(self, event_type: str, key: str) -> object:
        """One value of the state with an empty state key; None when it is not set."""
        event = self.state.get((event_type, ""))
        return None if event is None else event.content.get(key)

    def text(self, event_type: str, key: str) -> str | None:
        """The same, if it is text."""
        value = self.value(event_type, key)
        return value if type(value) is str else None

    def between(self, after: int, up_to: int) -> list[Event]:
        """The events with these positions: `after < position <= up_to`."""
        return self.timeline[self.index(after) : self.index(up_to)]

    def reverted_between(self, after: int, up_to: int) -> list[StateKey]:
        """What changed at these positions, but not by the event that has it."""
        first = bisect_right(self._reverted, after, key=_turned_at)
        last = bisect_right(self._reverted, up_to, key=_turned_at)
        return [key for _, key in self._reverted[first:last]]

    def index(self, position: int) -> int:
        """How many events have this position or an earlier one."""
        return bisect_right(self.timeline, position, key=_position)

    def values(self, key: StateKey) -> Iterator[tuple[int, Event | None]]:
        """Each value that this state ever had, the newest first, with when it came."""
        turns = self._turns.get(key)
        if turns is not None:
            yield from reversed(turns)
        elif (event := self.state.get(key)) is not None:
            yield event.position, event

    def value_at(self, key: StateKey, position: int) -> Event | None:
        """The state event of this key as of that position."""
        turns = self._turns.get(key)
        if turns is None:
            event = self.state.get(key)
            return event if event is not None and event.position <= position else None
        number = bisect_right(turns, position, key=_turned_at)
        return turns[number - 1][1] if number else None

    def state_at(self, position: int) -> dict[StateKey, Event]:
        """The whole state as of that position, the less work the later that is."""
        state = dict(self.state)
        changed = self._changes[bisect_right(self._changes, position, key=_turned_at) :]
        for key in {key for _, key in changed}:
            event = self.value_at(key, position)
            if event is not None:
                state[key] = event
            else:
                state.pop(key, None)
        return state

    def membership_at(self, user_id: str, position: int) -> str | None:
        """The membership of a user as of that position; None if there was none."""
        event = self.value_at(("m.room.member", user_id), position)
        return None if event is None else event.membership


def _position(event: Event) -> int:
    return event.position


def _turned_at(turn: tuple[int, object]) -> int:
    return turn[0]
