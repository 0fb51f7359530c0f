"""User ids and server names: split, check, compare.

Knows nothing of who exists. Source: Matrix appendices, "Identifier grammar", read
leniently: historical user ids may hold any character but a NUL, and we are no judge
of what another server calls its users.
"""

from __future__ import annotations

import re

from matrix_presence.errors import InvalidParam

MAX_ID_BYTES = 255

_SERVER_NAME = re.compile(
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,255})(?::[0-9]{1,5})?"
)


def server_of(user_id: str) -> str:
    """The server name of a user id that has been checked before.

    Everything after the first colon: a server name may hold a port or an IPv6
    literal, a localpart never holds a colon.
    """
    return user_id.partition(":")[2]


def localpart_of(user_id: str) -> str:
    """The localpart of a user id that has been checked before."""
    return user_id[1:].partition(":")[0]


def is_server_name(value: object) -> bool:
    """Whether this is the text of a server name: a name or an address, perhaps a port.

    Stricter than for user ids, because we connect to what it names.
    """
    if type(value) is not str or len(value) > MAX_ID_BYTES:
        return False
    return _SERVER_NAME.fullmatch(value) is not None


def is_user_id(value: object) -> bool:
    """Whether this is the text of a user id we could store and send.

    `@`, a localpart, a colon, a server name; at most 255 bytes of UTF-8 and no
    character that a database or a peer would refuse (NUL, lone surrogates).
    """
    if type(value) is not str or not value.startswith("@"):
        return False
    localpart, colon, server_name = value[1:].partition(":")
    if not (localpart and colon and server_name) or "\0" in value:
        return False
    try:
        return len(value.encode()) <= MAX_ID_BYTES
    except UnicodeEncodeError:
        return False


def checked_user_id(value: str) -> str:
    """The same user id, known to be one.

    Raises:
        InvalidParam: it is not of the form `@localpart:server.name`.
    """
    if not is_user_id(value):
        raise InvalidParam("Expected a user id of the form '@localpart:server.name'")
    return value
