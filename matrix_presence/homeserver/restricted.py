"""Rooms that are open to the members of other rooms.

Source: MSC3083; server-server API, "Restricted rooms".
"""

from __future__ import annotations

from matrix_presence.homeserver.auth_rules import join_rule
from matrix_presence.homeserver.power_levels import PowerLevels
from matrix_presence.homeserver.room import Room
from matrix_presence.ids import server_of


def takes_authorising(room: Room, user_id: str) -> bool:
    """Whether somebody has to vouch for this user's right to join."""
    restricted = ("restricted", "knock_restricted")
    return join_rule(room.version, room.state) in restricted and room.membership(
        user_id
    ) not in ("invite", "join", "ban")


def opening_rooms(room: Room) -> list[str]:
    """The ids of the rooms whose members may join this one."""
    allow = room.value("m.room.join_rules", "allow")
    return [
        rule["room_id"]
        for rule in (allow if type(allow) is list else ())
        if type(rule) is dict
        and rule.get("type") == "m.room_membership"
        and type(rule.get("room_id")) is str
    ]


def authorising_user(room: Room, server_name: str) -> str | None:
    """A member from this server who may let others in."""
    levels = PowerLevels(room.version, room.state)
    for member in room.joined:
        if server_of(member) == server_name:
            if levels.of_user(member) >= levels.to("invite"):
                return member
    return None
