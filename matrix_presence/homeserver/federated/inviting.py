"""Inviting users of other servers: their server has to sign the invite too (C-82)."""

from __future__ import annotations

from itertools import islice
from typing import Any

import attrs

from matrix_presence.errors import Forbidden
from matrix_presence.federation.client import FederationError
from matrix_presence.federation.keys import KeyRing, NoKey
from matrix_presence.federation.room_answers import Pdu
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.refusals import RemoteFailure, as_refusal
from matrix_presence.homeserver.memberships import Memberships
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.ids import is_server_name, server_of
from matrix_presence.wire.signing import BadSignature, verify_event

#: What who is invited is shown of the room, besides who invites them.
SHOWN = (
    "m.room.create",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.avatar",
    "m.room.name",
    "m.room.topic",
    "m.room.encryption",
)
#: Signatures of a server that are looked at; it needs one.
_MOST_SIGNATURES = 4


@attrs.frozen(eq=False)
class Inviting:
    """Asks users of other servers in."""

    rooms: Rooms
    memberships: Memberships
    requests: RoomRequests
    ring: KeyRing

    async def invite(self, sender: str, room: Room, user_id: str, **more: Any) -> None:
        """Ask a user of another server in.

        Args:
            more: further keys of the content; those that are None are left out.

        Raises:
            MatrixError: the room, or the other server, does not allow it.
        """
        server = server_of(user_id)
        if not is_server_name(server):
            raise Forbidden("There is no such server")
        event = self.rooms.propose(
            room,
            self.memberships.member_draft(sender, user_id, "invite", **more),
        )
        try:
            answer = await self.requests.invite(
                server, room.version, event.event_id, event.pdu, shown(room, sender)
            )
        except FederationError as why:
            raise as_refusal(server, why) from why
        # The room may have moved on meanwhile, but what we have signed still stands.
        self.rooms.append_signed(room, await self._countersigned(event, server, answer))

    async def _countersigned(self, event: Event, server: str, answer: Pdu) -> Event:
        """The event with the signature that the other server has put on it."""
        theirs = _signatures(answer, server)
        for key_id in islice(theirs, _MOST_SIGNATURES):
            added = {server: {key_id: theirs[key_id]}}
            pdu = {**event.pdu, "signatures": event.pdu["signatures"] | added}
            try:
                key = await self.ring.key(server, key_id, event.origin_server_ts)
                verify_event(pdu, event.version, server, key)
            except (NoKey, BadSignature):
                continue
            return Event(event.event_id, event.room_id, pdu, event.version)
        raise RemoteFailure(f"{server} did not sign the invite")


def shown(room: Room, sender: str) -> list[dict[str, Any]]:
    """The state by which an invited user recognizes a room, as whole events.

    Source: server-server API, "Inviting to a room": the create event has to be whole.
    """
    keys = [*((kind, "") for kind in SHOWN), ("m.room.member", sender)]
    return [room.state[key].pdu for key in keys if key in room.state]


def _signatures(answer: Pdu, server: str) -> dict[str, Any]:
    """What the other server says are its signatures."""
    signatures = answer.get("signatures")
    theirs = signatures.get(server) if type(signatures) is dict else None
    return theirs if type(theirs) is dict else {}
