"""Turning down the invites of other servers to rooms that we are not in (C-82)."""

from __future__ import annotations

import logging

import attrs

from matrix_presence.cache.sharing import Sharing
from matrix_presence.errors import Forbidden, MatrixError
from matrix_presence.federation.client import FederationError
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.templates import signed_template
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.ids import server_of

logger = logging.getLogger(__name__)


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
        server = server_of(
            outside.event.sender if outside.membership == "invite" else room_id
        )
        try:
            event = await self._handed_in(server, user_id, room_id, reason)
        except (FederationError, MatrixError) as why:
            logger.info("%s did not hear of a leave: %s", server, why)
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
