"""POST /createRoom and GET /joined_rooms."""

from __future__ import annotations

import logging
from typing import Any

import attrs

from matrix_presence.errors import BadJson, InvalidParam, MatrixError
from matrix_presence.homeserver.api.arguments import (
    flag,
    listing,
    mapping,
    optional_text,
    text,
)
from matrix_presence.homeserver.api.paths import serve, serve_everywhere
from matrix_presence.homeserver.api.room_access import RoomAccess
from matrix_presence.homeserver.creation import PRESETS, Wish, create_room
from matrix_presence.homeserver.refusals import UnsupportedRoomVersion
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.ids import is_user_id, server_of
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.wire.room_versions import DEFAULT_ROOM_VERSION, ROOM_VERSIONS

logger = logging.getLogger(__name__)


@attrs.frozen
class RoomCreationEndpoints:
    """Making rooms, and the list of one's rooms."""

    access: RoomAccess
    directory: RoomDirectory

    async def create(self, call: Call) -> Answer:
        """A new room."""
        requester = self.access.writer(call)
        body = call.json_or_empty()
        visibility = _one_of(body, "visibility", ("public", "private")) or "private"
        wish = self._wish(body, visibility)
        if wish.alias is not None:
            self.directory.check_free(wish.alias)
        rooms, creator = self.access.rooms, requester.user_id
        room = create_room(rooms, self.access.memberships, creator, wish)
        if wish.alias is not None:
            self.directory.add(wish.alias, room, creator)
        self.directory.publish(room, visibility == "public")
        await self.access.done(requester)
        if wish.invite_elsewhere:
            await self._invite_elsewhere(creator, room, wish)
        return 200, {"room_id": room.room_id}

    async def _invite_elsewhere(self, creator: str, room: Room, wish: Wish) -> None:
        """Ask users of other servers in; the room is there even if that fails."""
        assert self.access.elsewhere is not None
        inviting = self.access.elsewhere.inviting
        for user_id in wish.invite_elsewhere:
            try:
                await inviting.invite(
                    creator, room, user_id, is_direct=wish.is_direct or None
                )
            except MatrixError as refusal:
                logger.info("%s is not invited: %s", user_id, refusal)
        await self.access.rooms.journal.stored()

    async def joined_rooms(self, call: Call) -> Answer:
        """The ids of the rooms that the requester is in."""
        requester = self.access.reader(call)
        joined = self.access.rooms.of(requester.user_id).joined
        return 200, {"joined_rooms": list(joined)}

    def _wish(self, body: dict[str, Any], visibility: str) -> Wish:
        default = "public_chat" if visibility == "public" else "private_chat"
        preset = _one_of(body, "preset", tuple(PRESETS)) or default
        identifier = optional_text(body, "room_version")
        version = DEFAULT_ROOM_VERSION
        if identifier is not None:
            if identifier not in ROOM_VERSIONS:
                raise UnsupportedRoomVersion("There is no such room version here")
            version = ROOM_VERSIONS[identifier]
        alias_name = optional_text(body, "room_alias_name")
        alias = None
        if alias_name is not None:
            if ":" in alias_name or alias_name.startswith("#"):
                raise InvalidParam("'room_alias_name' is only the name in the alias")
            alias = f"#{alias_name}:{self.access.rooms.server_name}"
        if listing(body, "invite_3pid", []):
            raise InvalidParam("There is no identity server to ask for addresses")
        invite = listing(body, "invite", [])
        if not all(type(user_id) is str for user_id in invite):
            raise BadJson("'invite' must be an array of user ids")
        elsewhere: list[str] = []
        if self.access.elsewhere is not None:
            own = self.access.rooms.server_name
            # What is no user id is refused with those of this server.
            elsewhere = [
                one for one in invite if is_user_id(one) and server_of(one) != own
            ]
        return Wish(
            version=version,
            preset=PRESETS[preset],
            alias=alias,
            name=optional_text(body, "name"),
            topic=optional_text(body, "topic"),
            is_direct=flag(body, "is_direct", False),
            invite=tuple(one for one in invite if one not in elsewhere),
            invite_elsewhere=tuple(dict.fromkeys(elsewhere)),
            creation_content=_optional_object(body, "creation_content"),
            initial_state=tuple(map(_state, listing(body, "initial_state", []))),
            power_levels=_optional_object(body, "power_level_content_override"),
        )


def _one_of(body: dict[str, Any], key: str, values: tuple[str, ...]) -> str | None:
    value = optional_text(body, key)
    if value is not None and value not in values:
        raise InvalidParam(f"{key!r} must be one of {', '.join(values)}")
    return value


def _optional_object(body: dict[str, Any], key: str) -> dict[str, Any]:
    return {} if body.get(key) is None else mapping(body, key)


def _state(item: object) -> tuple[str, str, dict[str, Any]]:
    """An entry of `initial_state`: type, state key, content."""
    if type(item) is not dict:
        raise BadJson("'initial_state' must be an array of objects")
    state_key = item.get("state_key", "")
    if type(state_key) is not str:
        raise BadJson("'state_key' must be a text")
    return text(item, "type"), state_key, mapping(item, "content")


def add_routes(router: Router, access: RoomAccess, directory: RoomDirectory) -> None:
    """Serve the making of rooms."""
    endpoints = RoomCreationEndpoints(access, directory)
    serve_everywhere(router, "POST", "createRoom", endpoints.create)
    serve(router, "GET", "joined_rooms", endpoints.joined_rooms)
