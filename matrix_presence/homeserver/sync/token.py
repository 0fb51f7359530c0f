"""The tokens that clients hand back: of /sync, and of a place in a room's history."""

from __future__ import annotations

from typing import NamedTuple

from matrix_presence.errors import InvalidParam

#: Longer numbers are none of ours, and no database takes them.
_MAX_DIGITS = 18


class SyncToken(NamedTuple):
    """How far a client has seen each of the streams."""

    #: Events, receipts and typing notices.
    rooms: int
    #: Account data and device lists.
    account: int
    to_device: int
    presence: int

    def __str__(self) -> str:
        return f"s{self.rooms}_{self.account}_{self.to_device}_{self.presence}"


def parse_sync_token(text: str) -> SyncToken:
    """The positions in a `next_batch` of ours.

    Raises:
        InvalidParam: it is not one.
    """
    numbers = [_number(part) for part in text[1:].split("_")]
    if text[:1] != "s" or len(numbers) != 4 or None in numbers:
        raise InvalidParam("This is not a token of a /sync of this server")
    return SyncToken._make(number for number in numbers if number is not None)


def history_token(position: int) -> str:
    """The place in a room's history right after this position."""
    return f"t{position}"


def parse_history_token(text: str) -> int:
    """The position after which a place in a room's history is.

    A `next_batch` of /sync names a place as well.

    Raises:
        InvalidParam: it is no token of ours.
    """
    if text.startswith("s"):
        return parse_sync_token(text).rooms
    number = _number(text[1:])
    if text[:1] != "t" or number is None:
        raise InvalidParam("This is not a token of this server")
    return number


def _number(text: str) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS:
        return int(text)
    return None
