"""What the authorization rules leave to servers of who may redact what, and when.

A redaction may come before what it redacts. Then it waits, and it is for the state in
which it came to say whether its sender had the right.

Source: room versions, "Handling redactions".
"""

from __future__ import annotations

from collections.abc import Iterable

from matrix_presence.errors import Forbidden, NotFound
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.power_levels import PowerLevels
from matrix_presence.homeserver.room import EarlyRedaction, Room
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
    return target if _may_redact_all(room, event) else None


def wait_for_target(room: Room, event: Event) -> None:
    """Remember this event, about to be placed, if it redacts what has not come yet."""
    if event.redacts and event.redacts not in room.events:
        early = EarlyRedaction(event, _may_redact_all(room, event))
        room.early_redactions.setdefault(event.redacts, []).append(early)


def redact_late(room: Room, event: Event) -> bool:
    """Take the content of this event away, which is placed, if that was to be done."""
    redaction = redaction_before(room, event)
    room.early_redactions.pop(event.event_id, None)
    if redaction is not None:
        event.redact(redaction)
    return redaction is not None


def redacted_late(room: Room, state: Iterable[Event], event: Event) -> list[Event]:
    """What was to be redacted of the state with which the room begins anew.

    Args:
        event: the one that it begins with, which may be redacted too.
    """
    if not room.early_redactions:
        return []
    redact_late(room, event)
    return [each for each in state if redact_late(room, each)]


def redaction_before(room: Room, event: Event) -> Event | None:
    """The event that redacts this one, and has come before it."""
    for redaction, of_all in room.early_redactions.get(event.event_id, ()):
        if of_all or server_of(redaction.sender) == server_of(event.sender):
            return redaction
    return None


def _may_redact_all(room: Room, event: Event) -> bool:
    """Whether the sender of a redaction may redact the events of everybody."""
    levels = PowerLevels(room.version, room.state)
    return levels.of_user(event.sender) >= levels.to("redact")
