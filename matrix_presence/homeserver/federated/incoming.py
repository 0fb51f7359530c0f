"""Events that other servers send: checked, completed by what is missing, placed.

Every event stands on its own: what is wrong with one is said of it and of no other
(C-41). Nothing is locked while others are asked; an event that came meanwhile on
another way is found to be there.
"""

from __future__ import annotations

import logging
from typing import Any

import attrs

from matrix_presence.errors import Forbidden, MatrixError
from matrix_presence.homeserver.events import Event, Standing
from matrix_presence.homeserver.federated.acl import check_acl
from matrix_presence.homeserver.federated.checks import PduChecks
from matrix_presence.homeserver.federated.gaps import Gaps
from matrix_presence.homeserver.federated.pdus import BadPdu
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.ids import server_of
from matrix_presence.wire.room_versions import DEFAULT_ROOM_VERSION, RoomVersion
from matrix_presence.wire.signing import event_id_of

logger = logging.getLogger(__name__)

#: Events taken in one turn of the reactor: some 5 ms, unless they branch off.
_AT_ONCE = 5

Results = dict[str, dict[str, Any]]
"""By event id `{}`, or `{"error"}`."""


@attrs.frozen
class IncomingPdus:
    """Takes the PDUs of transactions."""

    rooms: Rooms
    checks: PduChecks
    gaps: Gaps

    async def received(self, origin: str, pdus: list[Any]) -> Results:
        """What became of each event, once it is stored (C-41).

        Raises:
            NotStored: they could not be; the other server will send them again.
        """
        results: Results = {}
        for number, pdu in enumerate(pdus, 1):
            version = DEFAULT_ROOM_VERSION
            try:
                version = self._version(origin, pdu)
                event = await self.checks.checked(pdu, version)
                await self._take(origin, event)
            except (BadPdu, MatrixError) as reason:
                logger.info("An event of %s is refused: %s", origin, reason)
                _say(results, pdu, version, {"error": str(reason)})
            else:
                results[event.event_id] = {}
            if number % _AT_ONCE == 0:
                await self.checks.breathe()
        await self.rooms.journal.stored()
        return results

    def _version(self, origin: str, pdu: object) -> RoomVersion:
        """The version of the room that this claims to be of.

        Looked at first: for a room of somebody else no keys are asked for.

        Raises:
            Forbidden: we are not in the room, nor asked into it; or it denies the
                server that sends this (C-13).
        """
        said = pdu if type(pdu) is dict else {}
        room_id, user_id = said.get("room_id"), said.get("state_key")
        if type(room_id) is str:
            room = self.rooms.get(room_id)
            if room is not None and self.rooms.is_in(room_id):
                check_acl(room, origin)
                return room.version
            if type(user_id) is str:
                outside = self.rooms.outside.get(user_id, room_id)
                if outside is not None:
                    return outside.event.version
        raise Forbidden("This server is not in this room")

    async def _take(self, origin: str, event: Event) -> None:
        """Put the event where it belongs.

        Raises:
            MatrixError: it does not belong anywhere here.
        """
        room = self.rooms.get(event.room_id)
        if room is None or not self.rooms.is_in(event.room_id):
            self._take_outside(event)
            return
        if room.find(event.event_id) is None:
            await self.gaps.close(room, origin, event)
        if self.rooms.receive(room, event) is Standing.REJECTED:
            raise Forbidden("The room does not allow this")

    def _take_outside(self, event: Event) -> None:
        """The end of an invite or knock of our user, or nothing of ours."""
        user_id = event.state_key or ""
        known = self.rooms.outside.get(user_id, event.room_id)
        if event.type != "m.room.member" or known is None:
            raise Forbidden("This server is not in this room")
        if event.event_id == known.event.event_id:
            return
        # Nobody here can tell who may put others out of that room. The server that
        # asked our user in answers for having done so, and for taking it back.
        asked_by = known.event.sender if known.membership == "invite" else event.room_id
        if server_of(event.sender) != server_of(asked_by):
            raise Forbidden("Another server has invited this user")
        if event.membership not in ("leave", "ban"):
            raise Forbidden("An invite is no event to send")
        self.rooms.outside.place(event)


def _say(
    results: Results, pdu: object, version: RoomVersion, result: dict[str, Any]
) -> None:
    """Note what became of an event that may be none."""
    try:
        results[event_id_of(pdu, version)] = result  # type: ignore[arg-type]
    except Exception:  # It may be anything, and then it has no id.
        logger.debug("What was refused is no event")
