"""What all endpoints for other servers have in common: who asks, and for which room."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import Forbidden, NotFound
from matrix_presence.homeserver.federated.acl import check_acl
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.web.call import Call
from matrix_presence.web.signed import SignedRequests


@attrs.frozen
class Resident:
    """Finds out which server asks, and what it may ask for."""

    signed: SignedRequests
    rooms: Rooms

    async def asks(self, call: Call) -> str:
        """Who asks without a body."""
        return await self.signed.origin(call)

    async def brings(self, call: Call) -> tuple[str, dict[str, Any]]:
        """Who asks with a body, and the body."""
        return await self.signed.read(call)

    def room(self, origin: str, room_id: str) -> Room:
        """A room that this server can let others into, or speak for.

        Raises:
            NotFound: we are not in it.
            Forbidden: the room denies the server that asks (C-13).
        """
        room = self.rooms.get(room_id)
        if room is None or not self.rooms.is_in(room_id):
            raise NotFound("This server is not in that room")
        check_acl(room, origin)
        return room

    def shared_room(self, origin: str, room_id: str) -> Room:
        """A room that the server that asks is in as well; or was, when we left it.

        Who was away meanwhile can only follow our leaving by what came before it.

        Raises:
            NotFound: we never were in it.
            Forbidden: the server is not in it, or the room denies it (C-13).
        """
        room = self.rooms.get(room_id)
        if room is None:
            raise NotFound("This server is not in that room")
        check_acl(room, origin)
        if origin not in room.servers:
            raise Forbidden("Your server is not in this room")
        return room
