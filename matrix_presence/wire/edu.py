"""The `m.presence` EDU: what other servers are told, and what they tell.

Source: server-server API, "Presence"; MSC4514 for the size. What is sent is strictly
typed, because one wrong type makes some servers refuse the whole transaction (C-5), and
all keys that the schema requires are there, because others refuse it without. What is
received is read entry by entry: one that cannot be read is left out alone (C-4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from canonicaljson import encode_canonical_json

from matrix_presence.ids import is_user_id, server_of
from matrix_presence.rules.profiles import NO_PROFILE, Profile
from matrix_presence.rules.states import NAMES, Presence

EDU_TYPE = "m.presence"
#: Users in one EDU, EDUs in one transaction (C-10, C-40), bytes of one EDU (MSC4514).
MOST_USERS = 50
MOST_EDUS = 100
MOST_BYTES = 65536

#: What a status of another server is cut to, in characters.
LONGEST_STATUS = 8192
#: What a name may have, in characters (D-9).
LONGEST_NAME = 256
#: As long as ids may be, with room for those who count differently.
LONGEST_URL = 1000
_LONGEST = {
    "status_msg": LONGEST_STATUS,
    "displayname": LONGEST_NAME,
    "avatar_url": LONGEST_URL,
}
_PICTURES = ("mxc://", "http://", "https://")

_LARGEST = 2**53 - 1
_HEAD, _TAIL = b'{"content":{"push":[', b']},"edu_type":"m.presence"}'

_UNAVAILABLE = NAMES[Presence.UNAVAILABLE]

#: States of others, by name (C-6). Names that nobody has settled on claim the least.
_MEANINGS = {name: Presence(number) for number, name in enumerate(NAMES)}
_MEANINGS["busy"] = Presence.BUSY
_MEANINGS["hidden"] = Presence.OFFLINE


class Edus(tuple[dict[str, Any], ...]):
    """The EDUs of one transaction, with their canonical JSON as one list.

    The same object goes to every destination that is told of the same users, so that
    who signs needs to encode and hash it once.
    """

    canonical: bytes


def entry(
    user_id: str,
    presence: int,
    status_msg: str | None,
    last_active_ago: int,
    currently_active: bool,
    profile: Profile = NO_PROFILE,
    *,
    busy: bool = True,
    free_for_chat: bool = False,
) -> dict[str, Any]:
    """What a push says of one user.

    Args:
        last_active_ago: ms.
        profile: goes along (D-8).
        busy: say busy; else unavailable, as MSC3026 has it for those who do not know.
        free_for_chat: say free for chat; else online.
    """
    if presence == Presence.BUSY and not busy:
        name = _UNAVAILABLE
    else:
        # Some servers refuse what the schema does not list.
        online = presence == Presence.FREE_FOR_CHAT and not free_for_chat
        name = NAMES[Presence.ONLINE] if online else NAMES[presence]
    said: dict[str, Any] = {
        "user_id": user_id,
        "presence": name,
        "last_active_ago": min(max(0, last_active_ago), _LARGEST),
    }
    if name == "online" or name == "free_for_chat":
        said["currently_active"] = bool(currently_active)
    for key, text in (
        ("status_msg", status_msg),
        ("displayname", profile.displayname),
        ("avatar_url", profile.avatar_url),
    ):
        # An empty status is none; an empty name is one that was taken away.
        if text if key == "status_msg" else text is not None:
            said[key] = text
    return said


def packed(entries: Iterable[dict[str, Any]]) -> tuple[Edus, int]:
    """The EDUs of one transaction, and how many of the entries are in it."""
    edus: list[dict[str, Any]] = []
    texts: list[bytes] = []
    pushed = 0
    for push, text in _pushes(entries):
        if len(edus) == MOST_EDUS:
            break
        edus.append({"edu_type": EDU_TYPE, "content": {"push": push}})
        texts.append(text)
        pushed += len(push)
    packed = Edus(edus)
    packed.canonical = b"[" + b",".join(texts) + b"]"
    return packed, pushed


def _pushes(
    entries: Iterable[dict[str, Any]],
) -> Iterator[tuple[list[dict[str, Any]], bytes]]:
    """The entries in portions that fit into one EDU, with the EDU's canonical JSON."""
    push: list[dict[str, Any]] = []
    texts: list[bytes] = []
    room = free = MOST_BYTES - len(_HEAD) - len(_TAIL)
    for said in entries:
        text = _encoded(said, room)
        if push and (len(push) == MOST_USERS or len(text) + 1 > free):
            yield push, _HEAD + b",".join(texts) + _TAIL
            push, texts, free = [], [], room
        push.append(said)
        texts.append(text)
        free -= len(text) + 1
    if push:
        yield push, _HEAD + b",".join(texts) + _TAIL


def _encoded(said: dict[str, Any], room: int) -> bytes:
    """The canonical JSON of an entry, without texts that cannot be sent."""
    try:
        text = encode_canonical_json(said)
        if len(text) <= room and rb"\u0000" not in text:
            return text
    except UnicodeEncodeError:
        pass
    # Lone surrogates cannot be encoded, NULs not be stored by many, and what is longer
    # than an EDU is no status.
    for key, longest in _LONGEST.items():
        if not _is_text(said.get(key)) or len(said[key]) > longest:
            said.pop(key, None)
    return encode_canonical_json(said)


class Update(NamedTuple):
    """What another server says of one of its users."""

    user_id: str
    presence: int
    #: None where there is none: what there was is no more (C-8).
    status_msg: str | None
    #: ms, not negative; None where it was not said: what is known stays (C-8).
    last_active_ago: int | None
    currently_active: bool
    #: By attribute of `Profile`: what was said of it. Not to be changed.
    profile: dict[str, str | None]


_NOTHING_SAID: dict[str, str | None] = {}


def entries_of(edu: object) -> Sequence[object]:
    """The entries of an EDU as received; none if it is not one of presence."""
    if not isinstance(edu, dict) or edu.get("edu_type") != EDU_TYPE:
        return ()
    content = edu.get("content")
    push = content.get("push") if isinstance(content, dict) else None
    return push if isinstance(push, list) else ()


def parse_entry(said: object, origin: str) -> Update | None:
    """One entry of a push; None if it cannot be read, or is not the origin's to say.

    The server of the user has to be the origin (C-3). Keys of null count as missing.
    """
    if type(said) is not dict:
        return None
    user_id, presence = said.get("user_id"), said.get("presence")
    if type(user_id) is not str or server_of(user_id) != origin:
        return None
    ago, active = said.get("last_active_ago"), said.get("currently_active")
    status_msg = said.get("status_msg")
    if (
        not is_user_id(user_id)
        or type(presence) is not str
        or (ago is not None and type(ago) is not int)
        or (active is not None and type(active) is not bool)
        or (status_msg is not None and not _is_text(status_msg))
    ):
        return None
    meaning = _MEANINGS.get(presence, Presence.UNAVAILABLE)
    return Update(
        user_id,
        meaning,
        status_msg[:LONGEST_STATUS] if status_msg else None,
        None if ago is None else max(0, ago),
        active is True
        and (meaning == Presence.ONLINE or meaning == Presence.FREE_FOR_CHAT),
        _profile(said),
    )


def _profile(said: dict[str, Any]) -> dict[str, str | None]:
    """What an entry says of name and picture, as far as it can be believed (D-9)."""
    if "displayname" not in said and "avatar_url" not in said:
        return _NOTHING_SAID
    profile = {}
    for key in ("displayname", "avatar_url"):
        text = said.get(key, 0)
        if text is None or (_is_text(text) and _is_fit(key, text)):
            # Taken away is None or empty, depending on who says it.
            profile[key] = text or None
    return profile


def _is_fit(key: str, text: str) -> bool:
    if key == "displayname":
        return len(text) <= LONGEST_NAME
    return not text or (text.startswith(_PICTURES) and len(text) <= LONGEST_URL)


def _is_text(value: object) -> bool:
    """Whether this is a text that can be stored and sent on."""
    if type(value) is not str or "\0" in value:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
