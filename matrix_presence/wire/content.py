"""The `m.presence` event as modern clients read it, and the body of a status.

Source: client-server API, "m.presence" and `GET /presence/{userId}/status` (A-41, A-85,
A-112, A-113).
"""

from __future__ import annotations

from typing import Any

from matrix_presence.rules.profiles import Profile
from matrix_presence.rules.states import NAMES, Presence

#: Modern clients know three states, and busy where it is switched on. Free for chat is
#: a kind of online to them (X-1).
MODERN_NAMES = tuple(
    NAMES[Presence.ONLINE] if state is Presence.FREE_FOR_CHAT else NAMES[state]
    for state in Presence
)

#: The largest integer that JSON carries everywhere (A-111).
_LARGEST = 2**53 - 1


def status_content(
    presence: int,
    status_msg: str | None,
    last_active_ago: int | None,
    currently_active: bool,
) -> dict[str, Any]:
    """What a status says; keys that say nothing are left out.

    Args:
        last_active_ago: ms; None where nothing is known or to be told.
        currently_active: rendered only where it can be true (A-112).
    """
    content: dict[str, Any] = {"presence": MODERN_NAMES[presence]}
    if last_active_ago is not None:
        content["last_active_ago"] = min(max(0, last_active_ago), _LARGEST)
    if status_msg:
        content["status_msg"] = status_msg
    if presence == Presence.ONLINE or presence == Presence.FREE_FOR_CHAT:
        content["currently_active"] = currently_active
    return content


def with_profile(content: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """The same content with the name and the picture, where set (D-3, A-113)."""
    if profile.displayname is not None:
        content["displayname"] = profile.displayname
    if profile.avatar_url is not None:
        content["avatar_url"] = profile.avatar_url
    return content


def event(user_id: str, content: dict[str, Any]) -> dict[str, Any]:
    """The event that carries this content: no id and no room (A-85)."""
    return {"type": "m.presence", "sender": user_id, "content": content}
