"""Reading what clients send, one typed field at a time.

JSON that is well-formed can still be anything anywhere. Whatever has another type than
the endpoint expects is refused here, before any of it is used.
"""

from __future__ import annotations

from typing import Any, TypeVar

from matrix_presence.errors import BadJson, InvalidParam, MissingParam
from matrix_presence.ids import MAX_ID_BYTES

_T = TypeVar("_T")
_REQUIRED: Any = object()

#: Characters of a text that people read: names of devices, users, rooms.
LONGEST_NAME = 256


def text(body: dict[str, Any], key: str) -> str:
    """The text of this key.

    Raises:
        MissingParam: there is none.
        BadJson: it is not a text, or not one that every database keeps.
    """
    value: str = _typed(body, key, str, _REQUIRED)
    if "\0" in value:
        raise BadJson(f"{key!r} has a NUL in it")
    return value


def optional_text(body: dict[str, Any], key: str) -> str | None:
    """Like `text`, but None where there is none, or null."""
    return None if body.get(key) is None else text(body, key)


def optional_name(body: dict[str, Any], key: str) -> str | None:
    """A text that people read, or None.

    Raises:
        InvalidParam: it is longer than anybody reads.
    """
    value = optional_text(body, key)
    if value is not None and len(value) > LONGEST_NAME:
        raise InvalidParam(f"{key!r} has more than {LONGEST_NAME} characters")
    return value


def optional_id(body: dict[str, Any], key: str) -> str | None:
    """The id of something, chosen by the client, or None.

    Raises:
        InvalidParam: it is empty or too long.
    """
    value = optional_text(body, key)
    return None if value is None else checked_id(value, key)


def flag(body: dict[str, Any], key: str, default: bool) -> bool:
    """True or false; the default where there is none.

    Raises:
        BadJson: it is anything else.
    """
    return _typed(body, key, bool, default)


def whole_number(body: dict[str, Any], key: str, default: int) -> int:
    """An integer of this key; the default where there is none.

    Raises:
        BadJson: it is not an integer.
    """
    return _typed(body, key, int, default)


def mapping(
    body: dict[str, Any], key: str, default: dict[str, Any] = _REQUIRED
) -> dict[str, Any]:
    """The object of this key.

    Raises:
        MissingParam: there is none and no default.
        BadJson: it is no object.
    """
    return _typed(body, key, dict, default)


def listing(
    body: dict[str, Any], key: str, default: list[Any] = _REQUIRED
) -> list[Any]:
    """The array of this key.

    Raises:
        MissingParam: there is none and no default.
        BadJson: it is no array.
    """
    return _typed(body, key, list, default)


def checked_id(value: str, what: str) -> str:
    """The same id, which came in a path or body, fit to be stored.

    Raises:
        InvalidParam: it is empty, too long, or has a NUL in it.
    """
    if not value or "\0" in value or len(value.encode()) > MAX_ID_BYTES:
        raise InvalidParam(f"{what!r} is not an id of at most {MAX_ID_BYTES} bytes")
    return value


def _typed(body: dict[str, Any], key: str, kind: type[_T], default: _T) -> _T:
    value = body.get(key, default)
    if value is _REQUIRED:
        raise MissingParam(f"{key!r} is missing")
    # True is an int too, but not to a client.
    if type(value) is not kind:
        raise BadJson(f"{key!r} must be {_NAMES[kind]}")
    return value


_NAMES: dict[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "an integer",
    dict: "an object",
    list: "an array",
}
