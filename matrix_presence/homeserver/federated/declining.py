"""Turning down the invites of other servers to rooms that we are not in (C-82)."""

from __future__ import annotations

import logging

import attrs

from matrix_presence.cache.sharing import Sharing
from matrix_presence.errors import Forbidden, MatrixError
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.candidates import candidates, first_of
from matrix_presence.homeserver.federated.templates import signed_template
from matrix_presence.homeserver.rooms import Rooms

logger = logging.getLogger(__name__)

#: Who invited is asked, or whoever took the knock; a client waits for it.
_MOST_SERVERS = 2


@attrs.frozen(eq=False)
class Declining:
    """Says no to invites, and takes back knocks."""

    rooms: Rooms
    requests: RoomRequests
    #: By user and room.
    _under_way: Sharing[tuple[str, str], None] = attrs.field(
        factory=Sharing, init=False
    )

    async def leave(self, user_id: str, room_id: str, reason: str | None) -> None:
        """Have done with a room that the user is asked into, or asked to be let into.

        If the other server does not hear of it, it is over for the user all the same.

        Raises:
            Forbidden: they are neither.
        """
        await self._under_way.share(
            (user_id, room_id), lambda: self._leave(user_id, room_id, reason)
        )

    async def _leave(self, user_id: str, room_id: str, reason: str | None) -> None:
        outside = self.rooms.outside.get(user_id, room_id)
        if outside is None or outside.membership not in ("invite", "knock"):
            raise Forbidden("You are not in this room")

        async def ask(server: str) -> Event:
            return await self._handed_in(server, user_id, room_id, reason)

        try:
            servers = candidates(self.rooms, user_id, room_id, ())
            event = await first_of(servers[:_MOST_SERVERS], ask)
        except MatrixError as why:
            logger.info("Nobody heard that %s does not come: %s", user_id, why)
            event = self.rooms.signer.outside_leave(outside.event)
        self.rooms.outside.place(event)

    async def _handed_in(
        self, server: str, user_id: str, room_id: str, reason: str | None
    ) -> Event:
        template = await self.requests.make_leave(server, room_id, user_id)
        content = {"membership": "leave"}
        if reason is not None:
            content["reason"] = reason
        event = signed_template(self.rooms.signer, template, content)
        await self.requests.send_leave(server, room_id, event.event_id, event.pdu)
        return event
