"""Events of rooms as clients of r0 and before read them.

Source: r0.1.0, "Room Events" and `GET /events` (A-100 to A-102).
"""

from __future__ import annotations

from typing import Any

from matrix_presence.homeserver.events import Event, client_event

#: What is found in `unsigned` today was a key of the event itself.
_LIFTED = (
    "age",
    "prev_content",
    "replaces_state",
    "redacted_because",
    "invite_room_state",
)


def old_client_event(
    event: Event,
    now: int,
    device_id: str | None = None,
    room_state: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The event with `user_id` beside `sender`, and `age` beside `unsigned`.

    Args:
        now: epoch milliseconds.
        device_id: the device that asks, if the sender does.
        room_state: what the user is shown of the room, if this invites them to it.
    """
    shown = client_event(event, now, device_id)
    shown["user_id"] = event.sender
    unsigned = shown["unsigned"]
    if room_state is not None:
        unsigned["invite_room_state"] = room_state
    shown |= {key: unsigned[key] for key in _LIFTED if key in unsigned}
    return shown


def in_room(room_id: str, event: dict[str, Any]) -> dict[str, Any]:
    """A receipt, a typing notice or account data, with the room that it is of."""
    return {**event, "room_id": room_id}
