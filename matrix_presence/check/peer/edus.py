"""What is wrong with an EDU of presence, by the schema that it should have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canonicaljson import encode_canonical_json

from matrix_presence.ids import is_user_id, server_of
from matrix_presence.wire.edu import EDU_TYPE, MOST_BYTES, MOST_USERS

# Not sets: what is looked up in them may be anything, and need not be hashable.
_STATES = ("online", "offline", "unavailable")
_LISTS = ("m.presence_invite", "m.presence_accept", "m.presence_deny")
_KEYS = {"observed_user", "observer_user"}


def faults(edu: Any, origin: str) -> Iterator[str]:
    """A sentence for everything that is wrong; nothing for EDUs of other kinds."""
    edu_type = edu.get("edu_type") if isinstance(edu, dict) else None
    if edu_type not in (*_LISTS, EDU_TYPE):
        return
    content = edu.get("content")
    if not isinstance(content, dict):
        yield f"an EDU {edu_type} has no content"
    elif edu_type != EDU_TYPE:
        if content.keys() != _KEYS or not all(map(is_user_id, content.values())):
            yield f"an EDU {edu_type} has the content {content}"
    else:
        size = len(encode_canonical_json(edu))
        if size > MOST_BYTES:
            yield f"an EDU has {size} bytes, more than {MOST_BYTES}"
        yield from _content_faults(content, origin)


def _content_faults(content: dict[str, Any], origin: str) -> Iterator[str]:
    for key in ("poll", "unpoll"):
        users = content.get(key, [])
        if not isinstance(users, list) or not all(map(is_user_id, users)):
            yield f"{key} of an EDU is no list of user ids"
    if "push" not in content and not content.keys() & {"poll", "unpoll"}:
        yield "an EDU has no push"
    push = content.get("push", [])
    if not isinstance(push, list):
        yield "push of an EDU is no list"
        return
    if len(push) > MOST_USERS:
        yield f"an EDU pushes {len(push)} users, more than {MOST_USERS}"
    for said in push:
        yield from _entry_faults(said, origin)


def _entry_faults(said: Any, origin: str) -> Iterator[str]:
    if not isinstance(said, dict):
        yield "an entry of a push is no object"
        return
    user_id = said.get("user_id")
    if not isinstance(user_id, str) or not is_user_id(user_id):
        yield f"an entry has the user_id {user_id!r}"
    elif server_of(user_id) != origin:
        yield f"an entry is about {user_id}, no user of {origin}"
    if said.get("presence") not in _STATES:
        yield f"an entry has the presence {said.get('presence')!r}"
    ago = said.get("last_active_ago")
    if type(ago) is not int or ago < 0:
        yield f"an entry has the last_active_ago {ago!r}"
    for key, kind in (("currently_active", bool), ("status_msg", str)):
        if key in said and type(said[key]) is not kind:
            yield f"an entry has the {key} {said[key]!r}"
