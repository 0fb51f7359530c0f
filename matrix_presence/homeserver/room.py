"""One room: its events in their order, and the state they add up to.

Only keeps what it is given; whether an event may stand here is decided before. The
state is nothing but the fold of the state events, so any earlier state can be had by
following each one back to what it replaced.
"""

from __future__ import annotations

from bisect import bisect_right

from matrix_presence.homeserver.events import Event, StateKey
from matrix_presence.homeserver.unread import Unread
from matrix_presence.wire.room_versions import RoomVersion


class Room:
    """A room, with all of its events in memory."""

    def __init__(self, room_id: str, version: RoomVersion) -> None:
        self.room_id = room_id
        self.version = version
        #: Every event, in the order of positions.
        self.timeline: list[Event] = []
        self.events: dict[str, Event] = {}
        #: The current state.
        self.state: dict[StateKey, Event] = {}
        self.joined: set[str] = set()
        self.invited: set[str] = set()
        self.depth = 0
        #: The position of the newest thing here: event, receipt or typing notice.
        self.changed = 0
        self.unread = Unread()

    def add(self, event: Event) -> None:
        """Put the event, which has its position, at the end."""
        self.timeline.append(event)
        self.events[event.event_id] = event
        self.depth = max(self.depth, event.pdu["depth"])
        self.changed = max(self.changed, event.position)
        self.unread.add(event)
        key = event.key
        if key is None:
            return
        event.replaces = self.state.get(key)
        self.state[key] = event
        if event.type == "m.room.member":
            user_id, membership = key[1], event.membership
            self.joined.discard(user_id)
            self.invited.discard(user_id)
            if membership == "join":
                self.joined.add(user_id)
            elif membership == "invite":
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

    def index(self, position: int) -> int:
        """How many events have this position or an earlier one."""
        return bisect_right(self.timeline, position, key=_position)

    def value_at(self, key: StateKey, position: int) -> Event | None:
        """The state event of this key as of that position."""
        event = self.state.get(key)
        while event is not None and event.position > position:
            event = event.replaces
        return event

    def state_at(self, position: int) -> dict[StateKey, Event]:
        """The whole state as of that position."""
        return {
            key: event
            for key in self.state
            if (event := self.value_at(key, position)) is not None
        }

    def membership_at(self, user_id: str, position: int) -> str | None:
        """The membership of a user as of that position; None if there was none."""
        event = self.value_at(("m.room.member", user_id), position)
        return None if event is None else event.membership


def _position(event: Event) -> int:
    return event.position
