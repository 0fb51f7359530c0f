"""Reading the state and the members of a room."""

from __future__ import annotations

import attrs

from matrix_presence.errors import InvalidParam, NotFound
from matrix_presence.homeserver.api.paths import serve_everywhere
from matrix_presence.homeserver.api.room_access import RoomAccess
from matrix_presence.homeserver.events import Event, StateKey, client_event
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.homeserver.sync.token import parse_history_token
from matrix_presence.homeserver.visibility import horizon
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

_MEMBERSHIPS = ("join", "invite", "knock", "leave", "ban")


@attrs.frozen
class RoomStateEndpoints:
    """The state as the requester may see it: for who has left, as they left it."""

    access: RoomAccess
    directory: RoomDirectory

    async def whole(self, call: Call) -> Answer:
        """The whole state."""
        room, seen_to = self._seen(call)
        return 200, self._shown(list(_state(room, seen_to).values()))

    async def one(self, call: Call) -> Answer:
        """The content of one state event; with `format=event`, the event."""
        room, seen_to = self._seen(call)
        key = (call.params["type"], call.params.get("state_key", ""))
        event = _state(room, seen_to).get(key)
        if event is None:
            raise NotFound("There is no such state in this room")
        if call.query("format") == "event":
            return 200, self._shown([event])[0]
        return 200, event.content

    async def members(self, call: Call) -> Answer:
        """The member events, perhaps of one membership or an earlier time."""
        room, seen_to = self._seen(call)
        wanted = _membership(call, "membership")
        unwanted = _membership(call, "not_membership")
        at = call.query("at")
        if at:
            position = parse_history_token(at)
            seen_to = position if seen_to is None else min(position, seen_to)
        chunk = [
            event
            for (event_type, _), event in _state(room, seen_to).items()
            if event_type == "m.room.member"
            and wanted in (None, event.membership)
            and (unwanted is None or event.membership != unwanted)
        ]
        return 200, {"chunk": self._shown(chunk)}

    async def joined_members(self, call: Call) -> Answer:
        """Names and pictures of the members."""
        requester = self.access.reader(call)
        room = self.access.joined_room(call, requester)
        return 200, {"joined": {user: _names(room, user) for user in room.joined}}

    async def aliases(self, call: Call) -> Answer:
        """The aliases of the room on this server."""
        room, _ = self._seen(call)
        return 200, {"aliases": self.directory.aliases_of(room)}

    def _seen(self, call: Call) -> tuple[Room, int | None]:
        """The room, and up to which position the requester sees it."""
        requester = self.access.reader(call)
        room = self.access.room(call)
        return room, horizon(room, requester.user_id)

    def _shown(self, events: list[Event]) -> list[dict[str, object]]:
        now = self.access.rooms.now()
        return [client_event(event, now) for event in events]


def _state(room: Room, seen_to: int | None) -> dict[StateKey, Event]:
    return room.state if seen_to is None else room.state_at(seen_to)


def _membership(call: Call, name: str) -> str | None:
    value = call.query(name)
    if value is not None and value not in _MEMBERSHIPS:
        raise InvalidParam(f"'{name}' must be one of {', '.join(_MEMBERSHIPS)}")
    return value


def _names(room: Room, user_id: str) -> dict[str, str]:
    content = room.state["m.room.member", user_id].content
    named = (("display_name", "displayname"), ("avatar_url", "avatar_url"))
    return {
        name: value for name, key in named if type(value := content.get(key)) is str
    }


def add_routes(router: Router, access: RoomAccess, directory: RoomDirectory) -> None:
    """Serve the state of rooms."""
    endpoints = RoomStateEndpoints(access, directory)
    room = "rooms/{room_id}"
    serve_everywhere(router, "GET", f"{room}/state", endpoints.whole)
    serve_everywhere(router, "GET", f"{room}/state/{{type}}", endpoints.one)
    serve_everywhere(
        router, "GET", f"{room}/state/{{type}}/{{state_key}}", endpoints.one
    )
    serve_everywhere(router, "GET", f"{room}/members", endpoints.members)
    serve_everywhere(router, "GET", f"{room}/joined_members", endpoints.joined_members)
    serve_everywhere(router, "GET", f"{room}/aliases", endpoints.aliases)
