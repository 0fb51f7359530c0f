"""Sending messages, state and redactions."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import MatrixError
from matrix_presence.homeserver.api.arguments import checked_id, optional_text
from matrix_presence.homeserver.api.paths import serve_everywhere
from matrix_presence.homeserver.api.room_access import RoomAccess
from matrix_presence.homeserver.drafts import Draft
from matrix_presence.homeserver.refusals import BadAlias
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.ids import checked_user_id
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router


@attrs.frozen
class SendingEndpoints:
    """What puts an event into a room."""

    access: RoomAccess
    directory: RoomDirectory

    async def send(self, call: Call) -> Answer:
        """Send a message of any type."""
        requester = self.access.writer(call, guests=True)
        event_type = checked_id(call.params["type"], "type")
        draft = Draft(requester.user_id, event_type, call.json())
        return await self._send_once(call, requester, draft)

    async def redact(self, call: Call) -> Answer:
        """Redact an event."""
        requester = self.access.writer(call)
        reason = optional_text(call.json_or_empty(), "reason")
        draft = Draft(
            requester.user_id,
            "m.room.redaction",
            {} if reason is None else {"reason": reason},
            redacts=call.params["event_id"],
        )
        return await self._send_once(call, requester, draft)

    async def put_state(self, call: Call) -> Answer:
        """Set a part of the room's state."""
        requester = self.access.writer(call, guests=True)
        room = self.access.room(call)
        event_type = checked_id(call.params["type"], "type")
        state_key = call.params.get("state_key", "")
        content = call.json()
        self._check_state(room, event_type, state_key, content)
        draft = Draft(requester.user_id, event_type, content, state_key)
        event = self.access.rooms.append(room, draft)
        await self.access.done(requester)
        return 200, {"event_id": event.event_id}

    async def _send_once(
        self, call: Call, requester: Requester, draft: Draft
    ) -> Answer:
        """Send it, unless this is a repetition of a request that did."""
        room = self.access.room(call)
        transaction = None
        # Clients of api/v1 may do without a transaction id.
        if requester.device_id is not None and "txn_id" in call.params:
            txn_id = checked_id(call.params["txn_id"], "txn_id")
            transaction = (requester.device_id, txn_id)
            known = self.access.rooms.transactions.find(
                requester.user_id, transaction, room.room_id, draft.type
            )
            if known is not None:
                await self.access.rooms.journal.settled()
                return 200, {"event_id": known.event_id}
        event = self.access.rooms.append(room, draft, transaction)
        await self.access.done(requester)
        return 200, {"event_id": event.event_id}

    def _check_state(
        self, room: Room, event_type: str, state_key: str, content: dict[str, Any]
    ) -> None:
        """What the authorization rules leave to the server of the sender.

        Raises:
            InvalidParam, NotFound, Forbidden: the membership of nobody we know.
            BadAlias: the alias does not point to this room.
        """
        if event_type == "m.room.member":
            checked_user_id(state_key)
            if content.get("membership") == "invite":
                self.access.memberships.check_reachable(state_key)
        elif event_type == "m.room.canonical_alias":
            others = content.get("alt_aliases")
            named = [content.get("alias"), *(others if type(others) is list else ())]
            for alias in named:
                if alias and not self._points_to(alias, room):
                    raise BadAlias("The alias does not point to this room")

    def _points_to(self, alias: object, room: Room) -> bool:
        try:
            return type(alias) is str and self.directory.room_of(alias) is room
        except MatrixError:
            return False


def add_routes(router: Router, access: RoomAccess, directory: RoomDirectory) -> None:
    """Serve what puts an event into a room."""
    endpoints = SendingEndpoints(access, directory)
    room = "rooms/{room_id}"
    send = f"{room}/send/{{type}}"
    serve_everywhere(router, "PUT", f"{send}/{{txn_id}}", endpoints.send)
    serve_everywhere(router, "POST", send, endpoints.send)
    redact = f"{room}/redact/{{event_id}}"
    serve_everywhere(router, "PUT", f"{redact}/{{txn_id}}", endpoints.redact)
    serve_everywhere(router, "POST", redact, endpoints.redact)
    serve_everywhere(router, "PUT", f"{room}/state/{{type}}", endpoints.put_state)
    serve_everywhere(
        router, "PUT", f"{room}/state/{{type}}/{{state_key}}", endpoints.put_state
    )
