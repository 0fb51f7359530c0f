"""Presence lists on the wire: the body of a request, the invite event, the EDUs.

Source: r0.1.0 of both APIs, `POST /presence/list/{userId}`, `m.presence_invite`,
`m.presence_accept`, `m.presence_deny`, `poll` and `unpoll` of `m.presence`
(A-63, A-66, A-69, C-20…C-28).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from matrix_presence.errors import BadJson
from matrix_presence.ids import is_user_id, server_of

INVITE, ACCEPT, DENY = "m.presence_invite", "m.presence_accept", "m.presence_deny"
#: Users in one `poll` or `unpoll` (C-30).
MOST_POLLED = 100


class ListUpdate(NamedTuple):
    """What a client does to its list, and to the lists it is invited to."""

    invite: tuple[str, ...]
    drop: tuple[str, ...]
    #: Observers.
    accept: tuple[str, ...]
    deny: tuple[str, ...]


def parse_list_update(body: Mapping[str, Any]) -> ListUpdate:
    """The body of a `POST`; other keys are ignored (A-66).

    Raises:
        BadJson: a key is not a list of user ids. Empty texts in it are passed over.
    """
    return ListUpdate(*(_user_ids(body, key) for key in ListUpdate._fields))


def _user_ids(body: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = body.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadJson(f"{key!r} must be an array of user ids")
    # Each once, in the order in which they came.
    user_ids = dict.fromkeys(item for item in value if _is_item(key, item))
    return tuple(user_ids)


def _is_item(key: str, item: object) -> bool:
    if item == "":
        return False
    if not is_user_id(item):
        raise BadJson(f"{key!r} must hold user ids and nothing else")
    return True


def listed(event: Mapping[str, Any]) -> dict[str, Any]:
    """An accepted entry: an old `m.presence` event and its content in one (A-63)."""
    return {**event["content"], **event, "accepted": True}


def pending(observer_id: str, observed_id: str, other_id: str) -> dict[str, Any]:
    """A pending entry; `other_id` is the one of the two who does not ask."""
    return {**_pair(observer_id, observed_id), "user_id": other_id, "accepted": False}


def observing(observer_id: str, observed_id: str) -> dict[str, Any]:
    """An accepted entry of somebody else's list, as the observed user sees it."""
    return {
        **_pair(observer_id, observed_id),
        "user_id": observer_id,
        "accepted": True,
    }


def invite_event(observer_id: str, observed_id: str) -> dict[str, Any]:
    """What tells a client that its user is invited (A-69)."""
    content = _pair(observer_id, observed_id)
    return {"type": INVITE, "sender": observer_id, "content": content}


def list_edu(edu_type: str, observer_id: str, observed_id: str) -> dict[str, Any]:
    """An invite, or a reply to one."""
    return {"edu_type": edu_type, "content": _pair(observer_id, observed_id)}


def poll_edu(key: str, user_ids: Iterable[str]) -> dict[str, Any]:
    """A `poll` or `unpoll`; `push` is there because some require it (X-9)."""
    return {"edu_type": "m.presence", "content": {"push": [], key: list(user_ids)}}


def _pair(observer_id: str, observed_id: str) -> dict[str, Any]:
    return {"observer_user": observer_id, "observed_user": observed_id}


class Letter(NamedTuple):
    """An invite or a reply as another server sends it."""

    edu_type: str
    observer_id: str
    observed_id: str


def is_about_lists(edu: object) -> bool:
    """Whether there may be anything about presence lists in this EDU: a quick look."""
    if type(edu) is not dict:
        return False
    content = edu.get("content")
    if type(content) is not dict:
        return False
    return (
        edu.get("edu_type") != "m.presence" or "poll" in content or "unpoll" in content
    )


def parse_letter(edu: object, origin: str) -> Letter | None:
    """None if it is something else, or not this origin's to say (C-26).

    The observer's server invites; the observed user's accepts and denies.
    """
    if type(edu) is not dict:
        return None
    edu_type, content = edu.get("edu_type"), edu.get("content")
    if edu_type not in (INVITE, ACCEPT, DENY) or type(content) is not dict:
        return None
    observer_id = content.get("observer_user")
    observed_id = content.get("observed_user")
    if type(observer_id) is not str or type(observed_id) is not str:
        return None
    if not (is_user_id(observer_id) and is_user_id(observed_id)):
        return None
    author_id = observer_id if edu_type == INVITE else observed_id
    if server_of(author_id) != origin:
        return None
    return Letter(edu_type, observer_id, observed_id)


def polled(edu: object, key: str) -> list[str]:
    """The user ids of `poll` or `unpoll`, the first of too many."""
    content = edu.get("content") if type(edu) is dict else None
    value = content.get(key) if type(content) is dict else None
    if type(value) is not list or type(edu) is not dict:
        return []
    if edu.get("edu_type") != "m.presence":
        return []
    return [item for item in value[:MOST_POLLED] if is_user_id(item)]
