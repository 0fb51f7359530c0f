"""All that clients can have done in rooms and by servers elsewhere, in one place."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime

from matrix_presence.federation.keys import KeyRing
from matrix_presence.federation.people_requests import PeopleRequests
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.homeserver.federated.declining import Declining
from matrix_presence.homeserver.federated.gaps import Gaps
from matrix_presence.homeserver.federated.importing import RoomImport
from matrix_presence.homeserver.federated.inviting import Inviting
from matrix_presence.homeserver.federated.joining import Joining
from matrix_presence.homeserver.federated.knocking import Knocking
from matrix_presence.homeserver.federated.older import OlderHistory
from matrix_presence.homeserver.federated.people import RemotePeople
from matrix_presence.homeserver.memberships import Memberships
from matrix_presence.homeserver.rooms import Rooms


@attrs.frozen
class Elsewhere:
    """What takes other servers to do."""

    joining: Joining
    declining: Declining
    inviting: Inviting
    knocking: Knocking
    people: RemotePeople
    older: OlderHistory

    @classmethod
    def of(
        cls,
        rooms: Rooms,
        memberships: Memberships,
        imports: RoomImport,
        gaps: Gaps,
        requests: RoomRequests,
        ring: KeyRing,
        clock: IReactorTime,
    ) -> Elsewhere:
        """All of it, put together."""
        return cls(
            Joining(rooms, memberships, requests, imports),
            Declining(rooms, requests),
            Inviting(rooms, memberships, requests, ring),
            Knocking(rooms, memberships, requests),
            RemotePeople(PeopleRequests(requests.client), clock),
            OlderHistory(rooms, imports.checks, requests, gaps),
        )
