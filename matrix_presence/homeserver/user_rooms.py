"""The rooms of one user, by membership.

This is what /sync walks over: what concerns a user is found here without looking at
rooms that do not.
"""

from __future__ import annotations

import attrs

from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.room import Room


@attrs.define(eq=False)
class UserRooms:
    """Where a user is, was, or is asked to be."""

    #: Rooms the user is in.
    joined: dict[str, Room] = attrs.field(factory=dict)
    #: The user's own member event in every other room that has one.
    others: dict[str, Event] = attrs.field(factory=dict)
    #: Rooms left for good: the member event that was current when they were forgotten.
    forgotten: dict[str, str] = attrs.field(factory=dict)
    #: The position of the newest change of any membership.
    changed: int = 0

    def moved(self, room: Room, event: Event | None, position: int) -> None:
        """The user's membership in this room is now what the event says.

        Args:
            event: None if there is none any more.
        """
        room_id = room.room_id
        self.joined.pop(room_id, None)
        self.others.pop(room_id, None)
        if event is not None and event.membership == "join":
            self.joined[room_id] = room
        elif event is not None:
            self.others[room_id] = event
        self.changed = position

    def forget(self, event: Event) -> None:
        """Show the room of this member event no more, until the user is back."""
        self.forgotten[event.room_id] = event.event_id

    def is_forgotten(self, event: Event) -> bool:
        """Whether this member event is of a room that was forgotten with it."""
        return self.forgotten.get(event.room_id) == event.event_id


NOWHERE = UserRooms()
"""Of a user who was never in any room; not to be changed."""
