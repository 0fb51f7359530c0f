"""What all endpoints of rooms have in common: who asks, and for which room."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from matrix_presence.errors import Forbidden, Suspended
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.federated.elsewhere import Elsewhere
from matrix_presence.homeserver.memberships import Memberships
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Call

Active = Callable[[Requester], None]
"""Told whose pro-active event it was (B-17)."""


@attrs.frozen
class RoomAccess:
    """Finds out who asks for which room, and whether they may ask at all."""

    authentication: Authentication
    rooms: Rooms
    memberships: Memberships
    active: Active
    #: What takes other servers to do; None for a server on its own.
    elsewhere: Elsewhere | None = None

    def reader(self, call: Call) -> Requester:
        """Who asks; perhaps a guest."""
        return self.authentication.requester(call.request)

    def writer(self, call: Call, *, guests: bool = False) -> Requester:
        """Who wants to change something.

        Raises:
            GuestForbidden: a guest, unless the specification grants them this.
            Suspended: the account may only look (A-14).
        """
        check = self.authentication.requester if guests else self.authentication.member
        requester = check(call.request)
        if requester.is_suspended:
            raise Suspended("This account is suspended")
        return requester

    def room(self, call: Call) -> Room:
        """The room in the path.

        Raises:
            Forbidden: it is not here. Whether it is elsewhere is nobody's business.
        """
        room = self.rooms.get(call.params["room_id"])
        if room is None:
            raise Forbidden("You are not in this room")
        return room

    def joined_room(self, call: Call, requester: Requester) -> Room:
        """The room in the path, which the requester is in.

        Raises:
            Forbidden: they are not.
        """
        room = self.room(call)
        if requester.user_id not in room.joined:
            raise Forbidden("You are not in this room")
        return room

    async def done(self, requester: Requester) -> None:
        """Wait until it is stored; the user has been active.

        Raises:
            NotStored: it could not be.
        """
        self.active(requester)
        await self.rooms.journal.stored()
