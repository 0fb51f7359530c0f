"""One room: its events in their order, and what they follow.

Only keeps what it is given; whether an event may stand here, and what the state is
where histories branch, is decided before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from matrix_presence.homeserver.events import Event, Standing, StateKey
from matrix_presence.homeserver.room_state import Moves, RoomState
from matrix_presence.homeserver.unread import Unread
from matrix_presence.wire.room_versions import RoomVersion

#: Branches at a time; of more, the one that nobody has followed for longest is given
#: up.
MOST_HEADS = 50


class EarlyRedaction(NamedTuple):
    """A redaction that came before what it redacts."""

    event: Event
    #: Whether its sender had the right to redact what anybody had sent.
    of_all: bool


class Room(RoomState):
    """A room, with all of its events in memory."""

    def __init__(self, room_id: str, version: RoomVersion) -> None:
        super().__init__()
        self.room_id = room_id
        self.version = version
        #: Every event that members see, in the order of positions.
        self.timeline: list[Event] = []
        #: By the id of what they redact, which has not come yet.
        self.early_redactions: dict[str, list[EarlyRedaction]] = {}
        #: The events that no other follows yet (forward extremities), by id.
        self.heads: dict[str, Event] = {}
        #: The event with which the stretch of history begins that we know.
        self.root: Event | None = None
        #: The position of the newest thing here: event, receipt or typing notice.
        self.changed = 0
        self.unread = Unread()

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

    def between(self, after: int, up_to: int) -> list[Event]:
        """The events with these positions: `after < position <= up_to`."""
        return self.timeline[self.index(after) : self.index(up_to)]

    def index(self, position: int) -> int:
        """How many events have this position or an earlier one."""
        return bisect_right(self.timeline, position, key=_position)


def _position(event: Event) -> int:
    return event.position
