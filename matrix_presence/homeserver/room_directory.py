"""Aliases, and the list of public rooms.

Source: client-server API, "Room aliases" and "Listing rooms".
"""

from __future__ import annotations

from typing import Any

from matrix_presence.errors import Forbidden, InvalidParam, NotFound
from matrix_presence.homeserver.power_levels import PowerLevels
from matrix_presence.homeserver.refusals import RoomInUse
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.ids import MAX_ID_BYTES, server_of

_CANONICAL_ALIAS = "m.room.canonical_alias"


class RoomDirectory:
    """The aliases of this server, and which rooms it lists."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        #: The room of each alias, and who made the alias.
        self._aliases: dict[str, tuple[str, str]] = {}
        self._published: set[str] = set()

    def room_of(self, alias: str) -> Room:
        """The room that the alias points to.

        Raises:
            InvalidParam: this is no alias.
            NotFound: it points nowhere.
        """
        self._check(alias)
        room_id, _creator = self._aliases.get(alias, ("", ""))
        room = self._rooms.get(room_id)
        if room is None:
            raise NotFound("There is no room of this alias")
        return room

    def check_free(self, alias: str) -> None:
        """Make sure that the alias can be given to a room.

        Raises:
            InvalidParam: this is no alias of ours.
            RoomInUse: another room has it.
        """
        self._check(alias)
        if server_of(alias) != self._rooms.server_name:
            raise InvalidParam("The alias belongs to another server")
        if alias in self._aliases:
            raise RoomInUse("Another room has this alias")

    def add(self, alias: str, room: Room, creator: str) -> None:
        """Give the alias to this room.

        Raises:
            InvalidParam, RoomInUse: it cannot be given.
        """
        self.check_free(alias)
        self._aliases[alias] = (room.room_id, creator)
        self._rooms.journal.write(
            "INSERT INTO room_aliases (alias, room_id, creator) VALUES (?, ?, ?)",
            alias,
            room.room_id,
            creator,
        )

    def remove(self, alias: str, user_id: str) -> None:
        """Take the alias away.

        Raises:
            NotFound, InvalidParam: there is no such alias.
            Forbidden: someone else made it, and the user does not run the room.
        """
        room = self.room_of(alias)
        if self._aliases[alias][1] != user_id:
            self.check_runs(room, user_id)
        del self._aliases[alias]
        self._rooms.journal.write("DELETE FROM room_aliases WHERE alias = ?", alias)

    def aliases_of(self, room: Room) -> list[str]:
        """All aliases of the room, in order."""
        return sorted(
            alias
            for alias, (room_id, _) in self._aliases.items()
            if room_id == room.room_id
        )

    def is_published(self, room: Room) -> bool:
        """Whether the room is in the list."""
        return room.room_id in self._published

    def publish(self, room: Room, listed: bool) -> None:
        """Put the room in the list, or take it out."""
        if listed == self.is_published(room):
            return
        if listed:
            self._published.add(room.room_id)
            sql = "INSERT INTO rooms_published (room_id) VALUES (?)"
        else:
            self._published.discard(room.room_id)
            sql = "DELETE FROM rooms_published WHERE room_id = ?"
        self._rooms.journal.write(sql, room.room_id)

    def check_runs(self, room: Room, user_id: str) -> None:
        """Refuse who has no say in how the room is found.

        Raises:
            Forbidden: they are no member, or may not set the main alias.
        """
        levels = PowerLevels(room.version, room.state)
        required = levels.to_send(_CANONICAL_ALIAS, state=True)
        if user_id not in room.joined or levels.of_user(user_id) < required:
            raise Forbidden("You do not decide how this room is found")

    def search(self, term: str, room_types: list[Any] | None) -> list[dict[str, Any]]:
        """The listed rooms that fit, the largest first.

        Args:
            term: part of the name, the topic or an alias; empty fits all.
            room_types: fits the rooms of these types only, None being an ordinary one.
        """
        rooms = (self._rooms.get(room_id) for room_id in sorted(self._published))
        found = [summary(room) for room in rooms if room is not None]
        wanted = term.casefold()
        return sorted(
            (
                room
                for room in found
                if (room_types is None or room.get("room_type") in room_types)
                and any(
                    wanted in room.get(key, "").casefold()
                    for key in ("name", "topic", "canonical_alias")
                )
            ),
            key=lambda room: -int(room["num_joined_members"]),
        )

    async def load(self) -> None:
        """Read aliases and the list; the rooms are there already."""
        rows = self._rooms.journal.all_rows
        for alias, room_id, creator in await rows(
            "SELECT alias, room_id, creator FROM room_aliases"
        ):
            self._aliases[alias] = (room_id, creator)
        for (room_id,) in await rows("SELECT room_id FROM rooms_published"):
            if self._rooms.get(room_id) is not None:
                self._published.add(room_id)

    def _check(self, alias: str) -> None:
        localpart, colon, server_name = alias[1:].partition(":")
        if not (alias.startswith("#") and localpart and colon and server_name):
            raise InvalidParam("Expected an alias of the form '#name:server.name'")
        if "\0" in alias or len(alias.encode()) > MAX_ID_BYTES:
            raise InvalidParam("The alias is too long, or holds a NUL")


def summary(room: Room) -> dict[str, Any]:
    """What the list says of a room."""
    visibility = room.value("m.room.history_visibility", "history_visibility")
    guests = room.value("m.room.guest_access", "guest_access")
    shown: dict[str, Any] = {
        "room_id": room.room_id,
        "num_joined_members": len(room.joined),
        "world_readable": visibility == "world_readable",
        "guest_can_join": guests == "can_join",
    }
    for name, event_type, key in (
        ("name", "m.room.name", "name"),
        ("topic", "m.room.topic", "topic"),
        ("canonical_alias", _CANONICAL_ALIAS, "alias"),
        ("avatar_url", "m.room.avatar", "url"),
        ("join_rule", "m.room.join_rules", "join_rule"),
        ("room_type", "m.room.create", "type"),
    ):
        text = room.text(event_type, key)
        if text is not None:
            shown[name] = text
    return shown
