"""What the authorization rules leave to servers of who may redact what.

Source: room versions, "Handling redactions".
"""

from __future__ import annotations

from matrix_presence.errors import Forbidden, NotFound
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.power_levels import PowerLevels
from matrix_presence.homeserver.room import Room
from matrix_presence.ids import server_of


def check_redaction(room: Room, event: Event) -> None:
    """Refuse a redaction of our user that is not theirs to make.

    Other servers apply what we send, as long as both senders are ours.

    Raises:
        NotFound, Forbidden: there is no such event, or it is another's.
    """
    if event.type != "m.room.redaction":
        return
    target = room.events.get(event.redacts or "")
    if target is None:
        raise NotFound("There is no such event in this room")
    if target.sender != event.sender:
        levels = PowerLevels(room.version, room.state)
        if levels.of_user(event.sender) < levels.to("redact"):
            raise Forbidden("You may not redact what others have sent")


def redacted_by(room: Room, event: Event) -> Event | None:
    """The event that this one takes the content of away; None if it does not.

    Any user of the sender's server can redact: that server answers for its users.
    """
    target = room.events.get(event.redacts) if event.redacts else None
    if target is None or server_of(event.sender) == server_of(target.sender):
        return target
    levels = PowerLevels(room.version, room.state)
    return target if levels.of_user(event.sender) >= levels.to("redact") else None
