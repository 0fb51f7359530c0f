"""The rooms of this server among those of others, put together."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime

from matrix_presence.federation.client import FederationClient
from matrix_presence.federation.keys import KeyRing
from matrix_presence.federation.link import FederationLink
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.homeserver.federated import routes
from matrix_presence.homeserver.federated.checks import PduChecks
from matrix_presence.homeserver.federated.elsewhere import Elsewhere
from matrix_presence.homeserver.federated.gaps import Gaps
from matrix_presence.homeserver.federated.importing import RoomImport
from matrix_presence.homeserver.federated.incoming import IncomingPdus
from matrix_presence.homeserver.federated.outgoing import Outgoing
from matrix_presence.homeserver.room_side import RoomSide
from matrix_presence.web.routes import Router
from matrix_presence.web.signed import SignedRequests


@attrs.frozen(eq=False)
class FederatedRooms:
    """What rooms have to do with other servers."""

    side: RoomSide
    checks: PduChecks
    requests: RoomRequests
    #: What others send.
    incoming: IncomingPdus
    #: What our clients can have done.
    elsewhere: Elsewhere
    #: What others have yet to be brought.
    outgoing: Outgoing

    @classmethod
    def of(
        cls,
        side: RoomSide,
        client: FederationClient,
        ring: KeyRing,
        link: FederationLink,
        clock: IReactorTime,
    ) -> FederatedRooms:
        """All of it; nothing goes out before `load`."""
        rooms = side.rooms
        checks, requests = PduChecks(ring, clock), RoomRequests(client)
        imports = RoomImport(rooms, checks)
        gaps = Gaps(rooms, checks, requests)
        incoming = IncomingPdus(rooms, checks, gaps)
        outgoing = Outgoing(clock, link, rooms.journal)
        rooms.distribute = outgoing.distribute
        elsewhere = Elsewhere.of(
            rooms, side.memberships, imports, gaps, requests, ring, clock
        )
        return cls(side, checks, requests, incoming, elsewhere, outgoing)

    def add_routes(self, router: Router, signed: SignedRequests) -> None:
        """Serve what other servers ask of rooms."""
        routes.add_routes(router, signed, self.side, self.checks)

    async def load(self) -> None:
        """Take up what was not sent when the server went down."""
        rooms = self.side.rooms
        await self.outgoing.load(rooms, rooms.server_name)

    async def stop(self) -> None:
        """Send no more."""
        await self.outgoing.stop()
