"""What the events of a room add up to: its state, now and as of any position before.

Only keeps what it is given. What each piece of state was at an earlier position can
always be had.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import copy

from matrix_presence.homeserver.events import Event, StateKey
from matrix_presence.ids import server_of

Moves = dict[str, str | None]
"""The membership before, of each user whose membership has changed."""


class RoomState:
    """The state of a room, and the events that are known of it."""

    def __init__(self) -> None:
        #: Every event that members see, and the state from before the first of them.
        self.events: dict[str, Event] = {}
        #: The rest of what is known: what others rest on, and what is not shown.
        self.others: dict[str, Event] = {}
        #: The current state.
        self.state: dict[StateKey, Event] = {}
        self.joined: set[str] = set()
        self.invited: set[str] = set()
        #: How many members each server has.
        self.servers: Counter[str] = Counter()
        #: For state that ever changed: each value with the position it came at.
        self._turns: dict[StateKey, list[tuple[int, Event | None]]] = {}
        #: Position and key of each change of state, and of those that were not made by
        #: the event that has the position.
        self._changes: list[tuple[int, StateKey]] = []
        self._reverted: list[tuple[int, StateKey]] = []

    def find(self, event_id: str) -> Event | None:
        """The event of this id, however it stands here."""
        return self.events.get(event_id) or self.others.get(event_id)

    def hold(self, event: Event) -> None:
        """Remember an event that is not in the timeline."""
        self.others[event.event_id] = event

    def aside(self) -> RoomState:
        """The same, to have its state turned a part at a time; see `take`."""
        other = RoomState()
        for name in vars(other):
            setattr(other, name, copy(getattr(self, name)))
        other._turns = {key: [*turns] for key, turns in self._turns.items()}
        return other

    def take(self, other: RoomState) -> None:
        """Have the state of what was `aside`; nothing was put in here meanwhile."""
        vars(self).update(vars(other))

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

    def reverted_between(self, after: int, up_to: int) -> list[StateKey]:
        """What changed at these positions, but not by the event that has it."""
        first = bisect_right(self._reverted, after, key=_turned_at)
        last = bisect_right(self._reverted, up_to, key=_turned_at)
        return [key for _, key in self._reverted[first:last]]

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


def _turned_at(turn: tuple[int, object]) -> int:
    return turn[0]
