"""Joining, leaving, inviting, kicking, banning, knocking, forgetting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from matrix_presence.errors import NotFound
from matrix_presence.homeserver.api.arguments import optional_text, text
from matrix_presence.homeserver.api.paths import serve_everywhere
from matrix_presence.homeserver.api.room_access import RoomAccess
from matrix_presence.homeserver.federated.joining import is_here
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.ids import checked_user_id, server_of
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call, Endpoint
from matrix_presence.web.routes import Router

#: Of a sender, a room, another user, and a reason.
_ToOther = Callable[[str, Room, str, str | None], None]


@attrs.frozen
class MembershipEndpoints:
    """Who is in which room."""

    access: RoomAccess
    directory: RoomDirectory

    async def join(self, call: Call) -> Answer:
        """Join the room of this id or alias."""
        requester = self.access.writer(call, guests=True)
        reason = optional_text(call.json_or_empty(), "reason")
        via = [*call.queries("via"), *call.queries("server_name")]
        room_id, servers = await self._resolved(call.params["room_id"])
        elsewhere = self.access.elsewhere
        if elsewhere is None:
            self.access.memberships.join(requester, self._room(room_id), reason)
        else:
            await elsewhere.joining.join(requester, room_id, (*via, *servers), reason)
        await self.access.done(requester)
        return 200, {"room_id": room_id}

    async def knock(self, call: Call) -> Answer:
        """Ask to be let into the room of this id or alias."""
        requester = self.access.writer(call)
        reason = optional_text(call.json_or_empty(), "reason")
        via = [*call.queries("via"), *call.queries("server_name")]
        room_id, servers = await self._resolved(call.params["room_id"])
        elsewhere, rooms = self.access.elsewhere, self.access.rooms
        user_id = requester.user_id
        if elsewhere is None or is_here(rooms, rooms.get(room_id)):
            self.access.memberships.knock(user_id, self._room(room_id), reason)
        else:
            await elsewhere.knocking.knock(user_id, room_id, (*via, *servers), reason)
        await self.access.done(requester)
        return 200, {"room_id": room_id}

    async def leave(self, call: Call) -> Answer:
        """Leave the room, or reject its invite."""
        # Also for guests and the suspended: nobody has to stay.
        requester = self.access.reader(call)
        reason = optional_text(call.json_or_empty(), "reason")
        elsewhere, rooms = self.access.elsewhere, self.access.rooms
        room_id = call.params["room_id"]
        if elsewhere is None or is_here(rooms, rooms.get(room_id)):
            room = self.access.room(call)
            self.access.memberships.leave(requester.user_id, room, reason)
        else:
            await elsewhere.declining.leave(requester.user_id, room_id, reason)
        await self._left(requester)
        return 200, {}

    async def forget(self, call: Call) -> Answer:
        """Show the room no more."""
        requester = self.access.reader(call)
        self.access.rooms.forget(requester.user_id, self.access.room(call))
        await self._left(requester)
        return 200, {}

    async def invite(self, call: Call) -> Answer:
        """Ask a user in, perhaps one of another server."""
        requester = self.access.writer(call)
        body = call.json()
        user_id = checked_user_id(text(body, "user_id"))
        reason, room = optional_text(body, "reason"), self.access.room(call)
        elsewhere, rooms = self.access.elsewhere, self.access.rooms
        sender = requester.user_id
        if elsewhere is None or server_of(user_id) == rooms.server_name:
            self.access.memberships.invite(sender, room, user_id, reason)
        else:
            await elsewhere.inviting.invite(sender, room, user_id, reason=reason)
        await self.access.done(requester)
        return 200, {}

    def to_other(self, change: _ToOther) -> Endpoint:
        """An endpoint with which one user changes the membership of another."""

        async def endpoint(call: Call) -> Answer:
            requester = self.access.writer(call)
            body = call.json()
            user_id, reason = text(body, "user_id"), optional_text(body, "reason")
            change(requester.user_id, self.access.room(call), user_id, reason)
            await self.access.done(requester)
            return 200, {}

        return endpoint

    async def _left(self, requester: Requester) -> None:
        """Wait until it is stored. Going away is no sign of activity."""
        await self.access.rooms.journal.stored()

    async def _resolved(self, named: str) -> tuple[str, Sequence[str]]:
        """The id of the room that is named so, and servers that may know it.

        Raises:
            MatrixError: it is an alias, and leads nowhere.
        """
        if not named.startswith("#"):
            return named, ()
        elsewhere = self.access.elsewhere
        if elsewhere is None or server_of(named) == self.access.rooms.server_name:
            return self.directory.room_of(named).room_id, ()
        return await elsewhere.joining.resolve(named)

    def _room(self, room_id: str) -> Room:
        """The room of this id.

        Raises:
            NotFound: this server knows no such room.
        """
        room = self.access.rooms.get(room_id)
        if room is None:
            raise NotFound("This server knows no such room")
        return room


def add_routes(router: Router, access: RoomAccess, directory: RoomDirectory) -> None:
    """Serve memberships."""
    endpoints = MembershipEndpoints(access, directory)
    memberships = access.memberships
    serve_everywhere(router, "POST", "join/{room_id}", endpoints.join)
    serve_everywhere(router, "POST", "knock/{room_id}", endpoints.knock)
    serve_everywhere(router, "POST", "rooms/{room_id}/join", endpoints.join)
    serve_everywhere(router, "POST", "rooms/{room_id}/leave", endpoints.leave)
    serve_everywhere(router, "POST", "rooms/{room_id}/forget", endpoints.forget)
    serve_everywhere(router, "POST", "rooms/{room_id}/invite", endpoints.invite)
    for name, change in (
        ("kick", memberships.kick),
        ("ban", memberships.ban),
        ("unban", memberships.unban),
    ):
        serve_everywhere(
            router, "POST", f"rooms/{{room_id}}/{name}", endpoints.to_other(change)
        )
