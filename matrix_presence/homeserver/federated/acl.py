"""Server ACLs: servers that a room wants nothing to do with (C-13).

Source: client-server API, "Server Access Control Lists (ACLs) for rooms".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.room import Room

_PORT = re.compile(r":[0-9]*\Z")


def check_acl(room: Room, server_name: str) -> None:
    """Refuse a server that the room denies.

    Raises:
        Forbidden: it does.
    """
    event = room.state.get(("m.room.server_acl", ""))
    if event is not None and not allows(event.content, server_name):
        raise Forbidden("This server is not allowed in this room")


def allows(content: Mapping[str, Any], server_name: str) -> bool:
    """Whether the ACL with this content allows a server; its port does not matter."""
    name = _PORT.sub("", server_name)
    # Whatever is no boolean says nothing, and the default is to allow addresses.
    if content.get("allow_ip_literals") is False and _is_address(name):
        return False
    if _matches(content.get("deny"), name):
        return False
    return _matches(content.get("allow"), name)


def _is_address(name: str) -> bool:
    if name.startswith("["):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _matches(globs: object, name: str) -> bool:
    """Whether one of these patterns fits the whole name; what is no text fits none."""
    return type(globs) is list and any(
        type(glob) is str and _fits(glob.lower(), name.lower()) for glob in globs
    )


def _fits(glob: str, name: str) -> bool:
    """Whether the pattern fits: `*` stands for any characters, `?` for one.

    A regular expression of many stars can take for ever on the wrong name. Here only
    the last star is tried again, which is enough, and takes length times length.
    """
    at = there = 0
    star, tried = -1, 0
    while there < len(name):
        if at < len(glob) and glob[at] == "*":
            star, tried = at, there
            at += 1
        elif at < len(glob) and glob[at] in ("?", name[there]):
            at += 1
            there += 1
        elif star >= 0:
            tried += 1
            at, there = star + 1, tried
        else:
            return False
    return not glob[at:].strip("*")
