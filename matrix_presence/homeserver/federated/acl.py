"""Server ACLs: servers that a room wants nothing to do with (C-13).

Source: client-server API, "Server Access Control Lists (ACLs) for rooms".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.room import Room
from matrix_presence.rules.server_globs import room_acl


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
    return room_acl(content)(server_name)
