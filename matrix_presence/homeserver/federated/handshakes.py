"""Letting users of other servers join, leave and knock (C-80 to C-82).

Their server asks for the event as it would stand in the room, signs it and hands it in.
"""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import BadJson, Forbidden, InvalidParam
from matrix_presence.homeserver.auth_events import auth_chain
from matrix_presence.homeserver.auth_rules import authorize
from matrix_presence.homeserver.drafts import Draft
from matrix_presence.homeserver.events import Event, stripped_event
from matrix_presence.homeserver.federated.checks import PduChecks
from matrix_presence.homeserver.federated.pdus import BadPdu, read_pdu
from matrix_presence.homeserver.federated.resident import Resident
from matrix_presence.homeserver.forks import state_before
from matrix_presence.homeserver.refusals import (
    IncompatibleRoomVersion,
    UnableToAuthoriseJoin,
    UnableToGrantJoin,
)
from matrix_presence.homeserver.restricted import (
    authorising_user,
    opening_rooms,
    takes_authorising,
)
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.stripped_state import stripped_state
from matrix_presence.ids import checked_user_id, server_of
from matrix_presence.web.call import Answer, Call, Endpoint
from matrix_presence.web.routes import Router

_AUTHORISING = "join_authorised_via_users_server"


@attrs.frozen
class Handshakes:
    """Prepares and takes member events of other servers' users."""

    resident: Resident
    checks: PduChecks

    def make(self, membership: str) -> Endpoint:
        """The endpoint that prepares the event of this membership."""

        async def endpoint(call: Call) -> Answer:
            origin = await self.resident.asks(call)
            user_id = checked_user_id(call.params["user_id"])
            if server_of(user_id) != origin:
                raise Forbidden("This user is not of your server")
            room = self.resident.room(origin, call.params["room_id"])
            if membership != "leave":
                _check_version(room, call.queries("ver") or ["1"])
            content = {"membership": membership}
            if membership == "join" and takes_authorising(room, user_id):
                content[_AUTHORISING] = self._authorising(room, user_id)
            draft = Draft(user_id, "m.room.member", content, user_id)
            template = self.resident.rooms.signer.template(draft, room)
            self._check_allowed(room, template)
            # It is for the server of the user to choose.
            template.pop("event_id", None)
            template["origin"] = origin
            return 200, {"room_version": room.version.identifier, "event": template}

        return endpoint

    async def send_join(self, call: Call) -> Answer:
        """Take a join; what the room was before it."""
        origin, body = await self.resident.brings(call)
        room = self.resident.room(origin, call.params["room_id"])
        event = await self._checked(call, origin, room, body, "join")
        before = await self._append(room, event, origin)
        state = list(before.values())
        return 200, {
            "origin": self.resident.rooms.server_name,
            "event": event.pdu,
            "state": [each.pdu for each in state],
            "auth_chain": [each.pdu for each in auth_chain([event, *state], room.find)],
            "members_omitted": False,
            "servers_in_room": sorted(room.servers),
        }

    async def send_leave(self, call: Call) -> Answer:
        """Take a leave: of a member, or of somebody who was invited."""
        origin, body = await self.resident.brings(call)
        room = self.resident.room(origin, call.params["room_id"])
        event = await self._checked(call, origin, room, body, "leave")
        await self._append(room, event, origin)
        return 200, {}

    async def send_knock(self, call: Call) -> Answer:
        """Take a knock; what the one who knocks is shown of the room."""
        origin, body = await self.resident.brings(call)
        room = self.resident.room(origin, call.params["room_id"])
        event = await self._checked(call, origin, room, body, "knock")
        await self._append(room, event, origin)
        shown = stripped_state(room, event)
        own = stripped_event(event)
        return 200, {"knock_room_state": [each for each in shown if each != own]}

    async def _checked(
        self,
        call: Call,
        origin: str,
        room: Room,
        body: dict[str, Any],
        membership: str,
    ) -> Event:
        """The event that was handed in, signed by all who have to.

        Raises:
            BadJson: it is no event.
            InvalidParam: it is not the one that the path says.
            Forbidden: it is not for the server that handed it in to send.
        """
        try:
            event = read_pdu(body, room.version)
            if event.event_id != call.params["event_id"]:
                raise InvalidParam("The event has another id")
            if event.room_id != room.room_id:
                raise InvalidParam("The event is of another room")
            if (event.membership, event.state_key) != (membership, event.sender):
                raise InvalidParam(f"The event is no {membership} of its sender")
            if server_of(event.sender) != origin:
                raise Forbidden("The sender is not of your server")
            pdu = event.pdu
            if membership == "join" and self._is_for_us_to_sign(room, event):
                pdu = self.resident.rooms.signer.countersigned(event)
            return await self.checks.checked(pdu, room.version)
        except BadPdu as reason:
            raise BadJson(str(reason)) from reason

    async def _append(self, room: Room, event: Event, origin: str) -> Any:
        """Put it into the room and have the others told; the state before it.

        Raises:
            Forbidden: the room does not allow it.
        """
        event.parents = room.follow(event)
        before = dict(state_before(room, event))
        self.resident.rooms.append_signed(room, event, origin)
        await self.resident.rooms.journal.stored()
        return before

    def _check_allowed(self, room: Room, template: dict[str, Any]) -> None:
        """Refuse what the rules would refuse once it is signed.

        Raises:
            Forbidden: they would.
        """
        ours: dict[str, Any] = {self.resident.rooms.server_name: {}}
        event = Event("", room.room_id, {**template, "signatures": ours}, room.version)
        authorize(event, room.version, room.state)

    def _authorising(self, room: Room, user_id: str) -> str:
        """A member of ours who lets the user into a restricted room.

        Raises:
            UnableToAuthoriseJoin: we cannot tell whether the user may come in.
            UnableToGrantJoin: nobody here may let them in.
            Forbidden: they are in none of the rooms that open this one.
        """
        rooms = self.resident.rooms
        opening = opening_rooms(room)
        known = [name for name in opening if rooms.is_in(name)]
        if rooms.of(user_id).joined.keys().isdisjoint(known):
            if len(known) < len(opening):
                raise UnableToAuthoriseJoin("This server is not in all of those rooms")
            raise Forbidden("You are in none of the rooms that let you into this one")
        member = authorising_user(room, rooms.server_name)
        if member is None:
            raise UnableToGrantJoin("Nobody here may let you in")
        return member

    def _is_for_us_to_sign(self, room: Room, event: Event) -> bool:
        """Whether a user of ours is named as letting this user in, and may.

        Raises:
            MatrixError: see `_authorising`.
        """
        named = event.content.get(_AUTHORISING)
        if named is None or server_of(named) != self.resident.rooms.server_name:
            return False
        if takes_authorising(room, event.sender):
            self._authorising(room, event.sender)
        return True


def _check_version(room: Room, known: list[str]) -> None:
    identifier = room.version.identifier
    if identifier not in known:
        raise IncompatibleRoomVersion(
            f"The room has version {identifier}", room_version=identifier
        )


def add_routes(router: Router, resident: Resident, checks: PduChecks) -> None:
    """Serve joins, leaves and knocks."""
    handshakes = Handshakes(resident, checks)
    for membership, send, versions in (
        ("join", handshakes.send_join, "12"),
        ("leave", handshakes.send_leave, "12"),
        ("knock", handshakes.send_knock, "1"),
    ):
        path = "{room_id}/{user_id}"
        make = handshakes.make(membership)
        router.add("GET", f"_matrix/federation/v1/make_{membership}/{path}", make)
        for version in versions:
            path = f"v{version}/send_{membership}/{{room_id}}/{{event_id}}"
            endpoint = send if version == "2" or membership == "knock" else of_old(send)
            router.add("PUT", f"_matrix/federation/{path}", endpoint)


def of_old(endpoint: Endpoint) -> Endpoint:
    """The same as version 1 answers it: with the status before it."""

    async def with_status(call: Call) -> Answer:
        answer = await endpoint(call)
        return 200, list(answer) if isinstance(answer, tuple) else answer

    return with_status
