"""The `m.presence` event and the body of a status, as clients of each era read them.

Modern clients are those of v3. Old ones come by r0, api/v1 or unstable: they know one
more state and look for the user inside the content (X-1, X-8, A-110).

Source: client-server API, "m.presence" and `GET /presence/{userId}/status` (A-41, A-85,
A-112, A-113); the same of r0.1.0.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from matrix_presence.rules.profiles import Profile
from matrix_presence.rules.states import (
    CURRENTLY_ACTIVE,
    FREE_FOR_CHAT,
    NAMES,
    ONLINE,
    Presence,
)

#: Modern clients know three states, and busy where it is switched on. Free for chat is
#: a kind of online to them (X-1).
MODERN_NAMES = tuple(
    NAMES[Presence.ONLINE] if state is Presence.FREE_FOR_CHAT else NAMES[state]
    for state in Presence
)

#: Says the real state where `presence` has to say another (X-1).
STATE_KEY = "org.matrix_presence.state"


def _contents(names: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """By what others are told (`rules.states.CURRENTLY_ACTIVE`): what every content of
    it begins with. `currently_active` is there only where it can be true (A-112).
    """
    contents: list[dict[str, Any]] = [{} for _ in range(2 * CURRENTLY_ACTIVE)]
    for state in Presence:
        for active in (False, True):
            content: dict[str, Any] = {"presence": names[state]}
            if state in (ONLINE, FREE_FOR_CHAT):
                content["currently_active"] = active
            if state is FREE_FOR_CHAT and names[state] != NAMES[state]:
                content[STATE_KEY] = NAMES[state]
            contents[state + active * CURRENTLY_ACTIVE] = content
    return tuple(contents)


class Era(NamedTuple):
    """How those who come by one version of the API are spoken to."""

    #: By what others are told: the keys that follow from it; to be copied.
    contents: tuple[dict[str, Any], ...]
    #: Knows free for chat, and looks for `user_id` in the content of an event.
    is_old: bool
    #: Knows presence lists, and what an invite is.
    has_lists: bool
    #: Looks for an `event_id` in an event, which nobody but r0.1.0 ever asked for.
    has_event_ids: bool = False


MODERN = Era(_contents(MODERN_NAMES), is_old=False, has_lists=False)
OLD = Era(_contents(NAMES), is_old=True, has_lists=True)
#: Old paths, but clients that know three states only: those of r0.2.0 to r0.6.1.
OLD_WITH_THREE_STATES = Era(_contents(MODERN_NAMES), is_old=True, has_lists=True)


def era_of(
    version: str,
    *,
    raw_on_r0: bool = True,
    event_ids: bool = False,
    lists_on_v3: bool = False,
) -> Era:
    """The era of a version of the client API as it stands in a path: `r0`, `v3`.

    Args:
        raw_on_r0: the option `free_for_chat_on_r0`: r0 itself went from four states to
            three.
        event_ids: the option `synthetic_event_id` (A-110).
        lists_on_v3: the option `presence_lists_on_v3` (A-5).
    """
    if version not in ("r0", "api/v1", "unstable"):
        return MODERN._replace(has_lists=True) if lists_on_v3 else MODERN
    era = OLD if raw_on_r0 or version != "r0" else OLD_WITH_THREE_STATES
    return era._replace(has_event_ids=True) if event_ids else era


#: The largest integer that JSON carries everywhere (A-111).
_LARGEST = 2**53 - 1


def status_content(
    presence: int,
    status_msg: str | None,
    last_active_ago: int | None,
    currently_active: bool,
    era: Era = MODERN,
) -> dict[str, Any]:
    """What a status says; keys that say nothing are left out.

    Args:
        last_active_ago: ms; None where nothing is known or to be told.
        currently_active: rendered only where it can be true (A-112).
    """
    told = presence + CURRENTLY_ACTIVE if currently_active else presence
    content = era.contents[told].copy()
    if last_active_ago is not None:
        if not 0 <= last_active_ago <= _LARGEST:
            last_active_ago = 0 if last_active_ago < 0 else _LARGEST
        content["last_active_ago"] = last_active_ago
    if status_msg:
        content["status_msg"] = status_msg
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


def old_event(user_id: str, content: dict[str, Any]) -> dict[str, Any]:
    """The event for old clients: a superset of both shapes (A-102, A-110)."""
    content["user_id"] = user_id
    return event(user_id, content)


def event_id(user_id: str, position: int, server_name: str) -> str:
    """An id for an event that has none: the same wherever this change is told.

    Args:
        position: of the change in the stream.
    """
    said = hashlib.sha256(f"{position}|{user_id}".encode("utf-8", "replace"))
    return f"$presence_{said.hexdigest()[:32]}:{server_name}"
