"""Invites of other servers for our users (C-82)."""

from __future__ import annotations

from typing import Any

import attrs
import orjson

from matrix_presence.cache.limits import Buckets
from matrix_presence.errors import BadJson, Forbidden, InvalidParam, LimitExceeded
from matrix_presence.homeserver.drafts import MAX_EVENT_BYTES
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.acl import check_acl
from matrix_presence.homeserver.federated.checks import PduChecks
from matrix_presence.homeserver.federated.handshakes import of_old
from matrix_presence.homeserver.federated.pdus import BadPdu
from matrix_presence.homeserver.federated.resident import Resident
from matrix_presence.homeserver.memberships import People
from matrix_presence.homeserver.refusals import IncompatibleRoomVersion
from matrix_presence.ids import server_of
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.wire.nesting import can_be_written
from matrix_presence.wire.room_versions import ROOM_VERSIONS, RoomVersion

#: Stripped state that is kept of what comes with an invite.
_MOST_STATE = 50
#: Invites that one server regains each second, and can bring in one go. A person is
#: shown each of them, and it is kept.
_PER_SECOND = 0.3
_AT_ONCE = 50


@attrs.frozen
class Invites:
    """Takes them, and signs that we did."""

    resident: Resident
    checks: PduChecks
    people: People
    #: By the name of a server.
    _limit: Buckets = attrs.field(
        factory=lambda: Buckets(_PER_SECOND, _AT_ONCE), init=False
    )

    async def invite(self, call: Call) -> Answer:
        """The invite with our signature; the user is shown it."""
        origin, body = await self.resident.brings(call)
        version = _version(body.get("room_version"))
        return await self._take(
            call, origin, version, body.get("event"), body.get("invite_room_state")
        )

    async def invite_of_old(self, call: Call) -> Answer:
        """The same as it was when there was one room version."""
        origin, body = await self.resident.brings(call)
        unsigned = body.get("unsigned")
        shown = unsigned.get("invite_room_state") if type(unsigned) is dict else None
        return await self._take(call, origin, ROOM_VERSIONS["1"], body, shown)

    async def _take(
        self,
        call: Call,
        origin: str,
        version: RoomVersion,
        pdu: object,
        room_state: object,
    ) -> Answer:
        if wait := self._limit.take(origin, self.resident.rooms.now()):
            raise LimitExceeded(wait)
        try:
            event = await self.checks.checked(pdu, version)
        except BadPdu as reason:
            raise BadJson(str(reason)) from reason
        self._check(call, origin, event)
        rooms = self.resident.rooms
        signed = rooms.signer.countersigned(event)
        invite = Event(event.event_id, event.room_id, signed, version)
        # In a room that we are in, the invite comes like any other event.
        if not rooms.is_in(event.room_id):
            rooms.outside.place(invite, stripped(room_state))
            await rooms.journal.stored()
        return 200, {"event": signed}

    def _check(self, call: Call, origin: str, event: Event) -> None:
        """Refuse what is no invite of that server for a user of ours.

        Raises:
            InvalidParam, Forbidden: it is not.
        """
        if event.event_id != call.params["event_id"]:
            raise InvalidParam("The event has another id")
        if event.room_id != call.params["room_id"]:
            raise InvalidParam("The event is of another room")
        if event.membership != "invite" or event.state_key is None:
            raise InvalidParam("The event is no invite")
        if server_of(event.sender) != origin:
            raise Forbidden("The sender is not of your server")
        if not self.people.exists(event.state_key):
            raise Forbidden("There is no such user here")
        room = self.resident.rooms.get(event.room_id)
        if room is not None:
            check_acl(room, origin)


def stripped(room_state: object) -> list[dict[str, Any]]:
    """What the sender of an invite tells of the room; what is no state is left out.

    Since v1.16 of the specification the events come whole.
    """
    found = room_state if type(room_state) is list else []
    told = [
        {key: event[key] for key in ("type", "state_key", "sender", "content")}
        for event in found[:_MOST_STATE]
        if type(event) is dict
        and all(type(event.get(key)) is str for key in ("type", "state_key", "sender"))
        and type(event.get("content")) is dict
    ]
    return [
        event
        for event in told
        if can_be_written(event) and len(orjson.dumps(event)) <= MAX_EVENT_BYTES
    ]


def _version(identifier: object) -> RoomVersion:
    version = ROOM_VERSIONS.get(identifier) if type(identifier) is str else None
    if version is None:
        raise IncompatibleRoomVersion(
            "This server does not know the version of the room",
            room_version=str(identifier),
        )
    return version


def add_routes(
    router: Router, resident: Resident, checks: PduChecks, people: People
) -> None:
    """Serve invites."""
    invites = Invites(resident, checks, people)
    path = "invite/{room_id}/{event_id}"
    router.add("PUT", f"_matrix/federation/v2/{path}", invites.invite)
    router.add("PUT", f"_matrix/federation/v1/{path}", of_old(invites.invite_of_old))
