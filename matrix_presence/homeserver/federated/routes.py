"""Everything that other servers ask of rooms, put together."""

from __future__ import annotations

from matrix_presence.homeserver.federated import (
    handshakes,
    histories,
    invites,
    lookups,
)
from matrix_presence.homeserver.federated.checks import PduChecks
from matrix_presence.homeserver.federated.resident import Resident
from matrix_presence.homeserver.room_side import RoomSide
from matrix_presence.web.routes import Router
from matrix_presence.web.signed import SignedRequests


def add_routes(
    router: Router, signed: SignedRequests, side: RoomSide, checks: PduChecks
) -> None:
    """Serve them all."""
    resident = Resident(signed, side.rooms)
    handshakes.add_routes(router, resident, checks)
    invites.add_routes(router, resident, checks, side.accounts)
    histories.add_routes(router, resident)
    lookups.add_routes(router, resident, side.accounts, side.directory)
