"""Which user ids this server gives out.

Source: Matrix appendices, "User Identifiers". Other servers' users, and those of
earlier times, may have other names; new ones here may not.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from matrix_presence.errors import InvalidParam
from matrix_presence.homeserver.account_refusals import InvalidUsername
from matrix_presence.homeserver.api.arguments import mapping, text
from matrix_presence.ids import MAX_ID_BYTES

_LOCALPART = re.compile(r"[a-z0-9._=/+-]+")


def new_user_id(localpart: str, server_name: str) -> str:
    """The user id of a new account with this localpart.

    Raises:
        InvalidUsername: there are other characters in it than `a-z0-9._=/+-`, or too
            many of them.
    """
    user_id = f"@{localpart}:{server_name}"
    if _LOCALPART.fullmatch(localpart) is None:
        raise InvalidUsername("A username is made of a-z, 0-9 and ._=-/+")
    if len(user_id) > MAX_ID_BYTES:
        raise InvalidUsername(f"A user id has at most {MAX_ID_BYTES} bytes")
    return user_id


def random_localpart(prefix: str) -> str:
    """A localpart that nobody has thought of."""
    return f"{prefix}{secrets.token_hex(6)}"


def named_user_id(body: dict[str, Any], server_name: str) -> str:
    """The user id that a login names: in an identifier, or as older clients do.

    Raises:
        MissingParam, BadJson: nobody is named, or not in a way we know.
    """
    if "identifier" in body:
        identifier = mapping(body, "identifier")
        if identifier.get("type") != "m.id.user":
            raise InvalidParam("Only identifiers of type m.id.user are known here")
        name = text(identifier, "user")
    else:
        name = text(body, "user")
    return name if name.startswith("@") else f"@{name}:{server_name}"
