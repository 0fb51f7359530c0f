"""Which events of a room a user may see.

Source: client-server API, "Room History Visibility". Decided for each event from the
history visibility and the user's own membership as they were before it and after it,
whichever lets more be seen. Where the specification says "from any point at which they
joined later", the last membership decides: who has left sees what was shared up to
then.
"""

from __future__ import annotations

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.room import Room

_VISIBILITY = ("m.room.history_visibility", "")


def horizon(room: Room, user_id: str) -> int | None:
    """Up to which position a user sees the room at all.

    None: up to its end, for members and for all if the room is world-readable now.

    Raises:
        Forbidden: nothing of it, the user was never in this room.
    """
    if user_id in room.joined or _visibility(room, room.changed) == "world_readable":
        return None
    own = room.state.get(("m.room.member", user_id))
    if own is not None and was_member(room, user_id):
        return own.position
    raise Forbidden("You are not in this room")


def was_member(room: Room, user_id: str) -> bool:
    """Whether the user is or ever was joined to the room."""
    return any(
        event is not None and event.membership == "join"
        for _, event in room.values(("m.room.member", user_id))
    )


def may_see(room: Room, user_id: str, event: Event) -> bool:
    """Whether this user may see this event; always, if it is their membership."""
    if event.key == ("m.room.member", user_id):
        return True
    # No two events have the same position, so this is the state just before it.
    return _may_see_at(room, user_id, event.position) or _may_see_at(
        room, user_id, event.position - 1
    )


def _may_see_at(room: Room, user_id: str, position: int) -> bool:
    visibility = _visibility(room, position)
    if visibility == "world_readable":
        return True
    membership = room.membership_at(user_id, position)
    if membership == "join":
        return True
    if visibility == "invited":
        return membership == "invite"
    if visibility == "shared":
        return _joined_after(room, user_id, position)
    return False


def _joined_after(room: Room, user_id: str, position: int) -> bool:
    """Whether the user was a member at some time after this position."""
    for since, event in room.values(("m.room.member", user_id)):
        if event is not None and event.membership == "join":
            return True
        if since <= position:
            break
    return False


def _visibility(room: Room, position: int) -> object:
    event = room.value_at(_VISIBILITY, position)
    return "shared" if event is None else event.content.get("history_visibility")
