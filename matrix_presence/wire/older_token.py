"""The token of a place in a room's history that lies before all that we have.

It names events, by which other servers are asked for those before them.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable

import orjson

from matrix_presence.errors import InvalidParam

#: As many references as an event may have.
MOST_IDS = 20
_PREFIX = "o"
#: Bytes of an event id.
_LONGEST_ID = 255


def older_token(ids: Iterable[str]) -> str:
    """The place right after these events."""
    return _PREFIX + urlsafe_b64encode(orjson.dumps(list(ids))).decode()


def parse_older_token(text: str | None) -> tuple[str, ...] | None:
    """The ids of the events; None if this is a token of another kind.

    Raises:
        InvalidParam: it is not as we write them.
    """
    if text is None or not text.startswith(_PREFIX):
        return None
    try:
        ids = orjson.loads(urlsafe_b64decode(text[1:]))
    except (binascii.Error, ValueError):
        ids = None
    if type(ids) is not list or not 0 < len(ids) <= MOST_IDS:
        raise InvalidParam("This is not a token of this server")
    if not all(type(one) is str and _is_event_id(one) for one in ids):
        raise InvalidParam("This is not a token of this server")
    return tuple(ids)


def _is_event_id(text: str) -> bool:
    return text.startswith("$") and len(text.encode()) <= _LONGEST_ID
