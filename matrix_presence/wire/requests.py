"""What clients say about presence: the body of a status, `set_presence` of a sync.

Source: client-server API, `PUT /presence/{userId}/status` and `GET /sync` (A-21…A-26,
A-80, A-81).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from matrix_presence.errors import BadJson, InvalidParam, TooLarge
from matrix_presence.rules.states import BY_NAME, NAMES, Presence

_MODERN = (
    NAMES[Presence.OFFLINE],
    NAMES[Presence.UNAVAILABLE],
    NAMES[Presence.ONLINE],
)


def modern_states(*, busy: bool) -> tuple[str, ...]:
    """The values that a modern client may set; busy is MSC3026."""
    return (*_MODERN, NAMES[Presence.BUSY]) if busy else _MODERN


def old_states(*, busy: bool) -> tuple[str, ...]:
    """The values that a client on an older path may set: free for chat too (X-1)."""
    return (*modern_states(busy=busy), NAMES[Presence.FREE_FOR_CHAT])


def parse_status(
    body: Mapping[str, Any], states: Collection[str], limit: int
) -> tuple[int, str | None]:
    """The presence and the status message of a `PUT`; None clears the message.

    Other keys are ignored (A-24).

    Args:
        states: the values `presence` may have.
        limit: of the status message, in bytes of UTF-8 (A-26).

    Raises:
        BadJson: a key is missing or has a wrong value (A-23).
        TooLarge: the status message is longer than the limit.
    """
    name = body.get("presence")
    if not isinstance(name, str) or name not in states:
        raise BadJson(f"'presence' must be one of {', '.join(states)}")
    status_msg = body.get("status_msg")
    if status_msg is not None and not isinstance(status_msg, str):
        raise BadJson("'status_msg' must be a string")
    return BY_NAME[name], checked_status_msg(status_msg, limit) or None


def checked_status_msg(status_msg: str | None, limit: int) -> str | None:
    """The same message, known to be storable everywhere.

    Raises:
        BadJson: it holds a NUL or half of a surrogate pair, which no database takes.
        TooLarge: it has more than `limit` bytes of UTF-8.
    """
    if status_msg is None:
        return None
    try:
        length = len(status_msg.encode())
    except UnicodeEncodeError:
        raise BadJson("'status_msg' is not valid Unicode") from None
    if "\0" in status_msg:
        raise BadJson("'status_msg' must not contain a NUL")
    if length > limit:
        raise TooLarge(f"'status_msg' must not be longer than {limit} bytes")
    return status_msg


def parse_set_presence(value: str | None, states: Collection[str]) -> int | None:
    """What a sync states; None where it states nothing.

    Args:
        states: the values it may have; see `modern_states` and `old_states`.

    Raises:
        InvalidParam: it has none of them (A-81).
    """
    if value is None:
        return None
    if value not in states:
        raise InvalidParam(f"'set_presence' must be one of {', '.join(states)}")
    return BY_NAME[value]
