"""What those outside a room are shown of it: who is invited, and who knocks.

Source: client-server API, "Stripped state".
"""

from __future__ import annotations

from typing import Any

from matrix_presence.homeserver.events import Event, stripped_event
from matrix_presence.homeserver.known_rooms import KnownRooms
from matrix_presence.homeserver.room import Room

_STRIPPED = (
    "m.room.create",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.avatar",
    "m.room.name",
    "m.room.topic",
    "m.room.encryption",
)


def stripped_state(room: Room, own: Event) -> list[dict[str, Any]]:
    """What somebody outside this room is shown of it, their own membership last."""
    keys = [(event_type, "") for event_type in _STRIPPED]
    keys.append(("m.room.member", own.sender))
    events = [room.state[key] for key in keys if key in room.state]
    if own not in events:
        events.append(own)
    return [stripped_event(event) for event in events]


def told_of_room(rooms: KnownRooms, own: Event) -> list[dict[str, Any]]:
    """The same of any room: of one that we are not in, what its server has told."""
    user_id = own.state_key or ""
    outside = rooms.outside.get(user_id, own.room_id)
    if outside is not None:
        return [*outside.room_state, stripped_event(own)]
    room = rooms.get(own.room_id)
    return [] if room is None else stripped_state(room, own)
