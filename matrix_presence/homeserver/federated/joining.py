"""Coming into rooms that other servers are in, when none of our users is (C-80, C-81).

A server in the room prepares the join, we sign it, the server takes it and answers
with the state of the room. Only when all of that has been checked are we in.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from matrix_presence.cache.sharing import Sharing
from matrix_presence.cache.turns import Turns
from matrix_presence.errors import Forbidden, InvalidParam
from matrix_presence.federation.client import AnswerLost, BadAnswer, FederationError
from matrix_presence.federation.room_answers import Pdu, StateAnswer
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.homeserver.events import Event, Standing
from matrix_presence.homeserver.federated.candidates import candidates, first_of
from matrix_presence.homeserver.federated.importing import ImportRefused, RoomImport
from matrix_presence.homeserver.federated.pdus import BadPdu
from matrix_presence.homeserver.federated.refusals import as_refusal
from matrix_presence.homeserver.federated.templates import signed_template
from matrix_presence.homeserver.memberships import Memberships
from matrix_presence.homeserver.refusals import NobodyMayLetIn
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.ids import is_server_name, server_of
from matrix_presence.interfaces import Requester
from matrix_presence.wire.signing import event_id_of


@attrs.frozen(eq=False)
class Joining:
    """Takes our users into rooms of other servers."""

    rooms: Rooms
    memberships: Memberships
    requests: RoomRequests
    imports: RoomImport
    #: One join at a time for each room: the second one is local.
    _turns: Turns[str] = attrs.field(factory=Turns, init=False)
    #: By user and room: a join goes on when the client hangs up. The other server may
    #: have taken it already.
    _under_way: Sharing[tuple[str, str], Room] = attrs.field(
        factory=Sharing, init=False
    )

    async def resolve(self, alias: str) -> tuple[str, tuple[str, ...]]:
        """The room of an alias of another server, and servers that may know it.

        Raises:
            MatrixError: it leads nowhere, or its server does not say.
        """
        server = server_of(alias)
        if not is_server_name(server):
            raise InvalidParam("Expected an alias of the form '#name:server.name'")
        try:
            found = await self.requests.room_of_alias(server, alias)
        except FederationError as reason:
            raise as_refusal(server, reason) from reason
        return found.room_id, (server, *found.servers)

    async def join(
        self,
        requester: Requester,
        room_id: str,
        via: Iterable[str],
        reason: str | None,
    ) -> Room:
        """The room, which the requester is in from now on.

        Args:
            via: servers that may be in the room.

        Raises:
            MatrixError: no server let them in, or none could be asked.
        """
        room = self._join_here(requester, room_id, reason)
        if room is not None:
            return room
        return await self._under_way.share(
            (requester.user_id, room_id),
            lambda: self._enter(requester, room_id, via, reason),
        )

    def _join_here(
        self, requester: Requester, room_id: str, reason: str | None
    ) -> Room | None:
        """The room, joined without asking anybody; None if that is not enough.

        Raises:
            Forbidden, GuestForbidden: the room does not let them in.
        """
        room = self.rooms.get(room_id)
        if room is None or not is_here(self.rooms, room):
            return None
        try:
            self.memberships.join(requester, room, reason)
        except NobodyMayLetIn:
            return None
        return room

    async def _enter(
        self,
        requester: Requester,
        room_id: str,
        via: Iterable[str],
        reason: str | None,
    ) -> Room:
        async with self._turns.turn(room_id):
            room = self._join_here(requester, room_id, reason)
            if room is not None:
                return room
            if requester.is_guest:
                raise Forbidden("Guests stay in the rooms of this server")
            user_id = requester.user_id

            async def ask(server: str) -> Room:
                return await self._join_by(server, user_id, room_id, reason)

            servers = candidates(self.rooms, user_id, room_id, via)
            return await first_of(servers, ask)

    async def _join_by(
        self, server: str, user_id: str, room_id: str, reason: str | None
    ) -> Room:
        template = await self.requests.make_join(server, room_id, user_id)
        own = self.memberships.member_draft(user_id, user_id, "join", reason=reason)
        # Who lets us into a restricted room is for the other server to say.
        content = {**template.event["content"], **own.content}
        event = signed_template(self.rooms.signer, template, content)
        handing_in = (server, room_id, event.event_id, event.pdu)
        try:
            answer = await self.requests.send_join(*handing_in)
        except AnswerLost:
            # It may have been taken. The same join again gets the same answer.
            answer = await self.requests.send_join(*handing_in)
        try:
            return await self._taken_over(event, answer)
        except (BadPdu, ImportRefused) as failure:
            raise BadAnswer(f"the room cannot be taken over: {failure}") from failure

    async def _taken_over(self, event: Event, answer: StateAnswer) -> Room:
        """The room with our join in it, which the other server has taken."""
        pdu = _as_taken(event, answer)
        room = self.rooms.get(event.room_id)
        if room is None or not self.rooms.is_in(event.room_id):
            return await self.imports.import_join(
                event.version, event.room_id, pdu, answer.state, answer.auth_chain
            )
        if event.version is not room.version:
            raise ImportRefused("the room has another version")
        taken = await self.imports.checks.checked(pdu, event.version)
        if self.rooms.receive(room, taken) is not Standing.PLACED:
            raise ImportRefused("the room does not allow the join")
        await self.rooms.journal.stored()
        return room


def _as_taken(event: Event, answer: StateAnswer) -> Pdu:
    """Our join with the signatures of both, where the other server added its own."""
    if answer.event is None:
        return event.pdu
    try:
        is_ours = event_id_of(answer.event, event.version) == event.event_id
    except Exception:  # It may be anything.
        is_ours = False
    return answer.event if is_ours else event.pdu


def is_here(rooms: Rooms, room: Room | None) -> bool:
    """Whether this server alone says what happens in the room next.

    Also in a room of ours that everybody has left.
    """
    return room is not None and (rooms.is_in(room.room_id) or not room.servers)
