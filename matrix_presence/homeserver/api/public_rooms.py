"""Aliases of rooms, and the list of public rooms."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import Forbidden, InvalidParam, NotFound
from matrix_presence.homeserver.api.arguments import optional_text, text
from matrix_presence.homeserver.api.paths import serve_everywhere
from matrix_presence.homeserver.api.room_access import RoomAccess
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.homeserver.room_list import page_of, read_query, read_search
from matrix_presence.ids import is_server_name, server_of
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

#: Servers named that know a room.
_SERVERS = 20


@attrs.frozen
class PublicRoomsEndpoints:
    """How rooms are found."""

    access: RoomAccess
    directory: RoomDirectory

    async def resolve(self, call: Call) -> Answer:
        """The room of an alias; anybody may ask who wants one of this server."""
        alias, elsewhere = call.params["alias"], self.access.elsewhere
        own = self.access.rooms.server_name
        if elsewhere is not None and alias.startswith("#") and server_of(alias) != own:
            self.access.reader(call)
            room_id, known_by = await elsewhere.joining.resolve(alias)
            return 200, {"room_id": room_id, "servers": list(dict.fromkeys(known_by))}
        room = self.directory.room_of(alias)
        most = (name for name, _ in room.servers.most_common(_SERVERS))
        servers = dict.fromkeys([own, *most])
        return 200, {"room_id": room.room_id, "servers": list(servers)}

    async def add_alias(self, call: Call) -> Answer:
        """Give an alias to a room."""
        requester = self.access.writer(call)
        room = self.access.rooms.get(text(call.json(), "room_id"))
        if room is None or requester.user_id not in room.joined:
            raise Forbidden("You are not in this room")
        self.directory.add(call.params["alias"], room, requester.user_id)
        await self.access.rooms.journal.stored()
        return 200, {}

    async def remove_alias(self, call: Call) -> Answer:
        """Take an alias away."""
        requester = self.access.writer(call)
        self.directory.remove(call.params["alias"], requester.user_id)
        await self.access.rooms.journal.stored()
        return 200, {}

    async def listed(self, call: Call) -> Answer:
        """Whether a room is in the list; anybody may ask."""
        listed = self.directory.is_published(self._room(call))
        return 200, {"visibility": "public" if listed else "private"}

    async def list_room(self, call: Call) -> Answer:
        """Put a room in the list, or take it out."""
        requester = self.access.writer(call)
        visibility = optional_text(call.json(), "visibility") or "public"
        if visibility not in ("public", "private"):
            raise InvalidParam("'visibility' must be public or private")
        room = self._room(call)
        self.directory.check_runs(room, requester.user_id)
        self.directory.publish(room, visibility == "public")
        await self.access.rooms.journal.stored()
        return 200, {}

    async def public_rooms(self, call: Call) -> Answer:
        """The list, a page at a time; anybody may ask."""
        wish = read_query(call)
        if (server := self._other_server(call)) is not None:
            self.access.reader(call)
            asked = {"limit": wish.limit, "since": wish.since}
            return await self._page_of(server, asked)
        return 200, page_of(self.directory, wish)

    async def search(self, call: Call) -> Answer:
        """The rooms in the list that fit, a page at a time."""
        self.access.reader(call)
        wish = read_search(call.json_or_empty())
        if (server := self._other_server(call)) is not None:
            named = {
                "generic_search_term": wish.term or None,
                "room_types": wish.types,
            }
            asked = {
                "limit": wish.limit,
                "since": wish.since,
                "filter": _said(named),
            }
            return await self._page_of(server, asked)
        return 200, page_of(self.directory, wish)

    async def _page_of(self, server: str, wish: dict[str, Any]) -> Answer:
        """The same of another server, as it answers it."""
        elsewhere = self.access.elsewhere
        if elsewhere is None or not is_server_name(server):
            raise NotFound("The rooms of this server cannot be listed here")
        return 200, await elsewhere.people.public_rooms(server, _said(wish))

    def _other_server(self, call: Call) -> str | None:
        """The server whose list is wanted; None if it is ours."""
        server = call.query("server")
        return None if server == self.access.rooms.server_name else server or None

    def _room(self, call: Call) -> Room:
        room = self.access.rooms.get(call.params["room_id"])
        if room is None:
            raise NotFound("There is no such room")
        return room


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """What is not None."""
    return {key: value for key, value in values.items() if value is not None}


def add_routes(router: Router, access: RoomAccess, directory: RoomDirectory) -> None:
    """Serve the room directory."""
    endpoints = PublicRoomsEndpoints(access, directory)
    serve_everywhere(router, "GET", "directory/room/{alias}", endpoints.resolve)
    serve_everywhere(router, "PUT", "directory/room/{alias}", endpoints.add_alias)
    serve_everywhere(router, "DELETE", "directory/room/{alias}", endpoints.remove_alias)
    serve_everywhere(router, "GET", "directory/list/room/{room_id}", endpoints.listed)
    serve_everywhere(
        router, "PUT", "directory/list/room/{room_id}", endpoints.list_room
    )
    serve_everywhere(router, "GET", "publicRooms", endpoints.public_rooms)
    serve_everywhere(router, "POST", "publicRooms", endpoints.search)
