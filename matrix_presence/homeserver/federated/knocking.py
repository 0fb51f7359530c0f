"""Asking to be let into rooms that other servers are in.

Source: server-server API, "Knocking upon a room".
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from matrix_presence.cache.sharing import Sharing
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.homeserver.federated.candidates import candidates, first_of
from matrix_presence.homeserver.federated.invites import stripped
from matrix_presence.homeserver.federated.templates import signed_template
from matrix_presence.homeserver.memberships import Memberships
from matrix_presence.homeserver.rooms import Rooms


@attrs.frozen(eq=False)
class Knocking:
    """Knocks for our users at rooms of other servers."""

    rooms: Rooms
    memberships: Memberships
    requests: RoomRequests
    #: By user and room.
    _under_way: Sharing[tuple[str, str], None] = attrs.field(
        factory=Sharing, init=False
    )

    async def knock(
        self, user_id: str, room_id: str, via: Iterable[str], reason: str | None
    ) -> None:
        """Ask to be let in.

        Args:
            via: servers that may be in the room.

        Raises:
            MatrixError: no server takes the knock, or none could be asked.
        """
        await self._under_way.share(
            (user_id, room_id), lambda: self._knock(user_id, room_id, via, reason)
        )

    async def _knock(
        self, user_id: str, room_id: str, via: Iterable[str], reason: str | None
    ) -> None:
        async def ask(server: str) -> None:
            await self._knock_at(server, user_id, room_id, reason)

        await first_of(candidates(self.rooms, user_id, room_id, via), ask)

    async def _knock_at(
        self, server: str, user_id: str, room_id: str, reason: str | None
    ) -> None:
        template = await self.requests.make_knock(server, room_id, user_id)
        own = self.memberships.member_draft(user_id, user_id, "knock", reason=reason)
        event = signed_template(self.rooms.signer, template, own.content)
        shown = await self.requests.send_knock(
            server, room_id, event.event_id, event.pdu
        )
        self.rooms.outside.place(event, stripped(shown))
        await self.rooms.journal.stored()
