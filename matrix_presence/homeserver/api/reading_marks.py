"""Typing notices, receipts and read markers."""

from __future__ import annotations

import attrs

from matrix_presence.errors import Forbidden, InvalidParam
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import (
    checked_id,
    flag,
    optional_id,
    whole_number,
)
from matrix_presence.homeserver.api.paths import serve, serve_everywhere
from matrix_presence.homeserver.api.room_access import RoomAccess
from matrix_presence.homeserver.receipts import PRIVATE, PUBLIC, Receipts
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.typing_notices import TypingNotices
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

FULLY_READ = "m.fully_read"
#: How long someone types who does not say for how long, in milliseconds.
_TYPING_TIMEOUT = 30_000


@attrs.frozen
class ReadingMarkEndpoints:
    """What a client tells while its user reads and types."""

    access: RoomAccess
    receipts: Receipts
    typing: TypingNotices
    accounts: Accounts

    async def type(self, call: Call) -> Answer:
        """The requester types, or has stopped."""
        requester = self.access.writer(call)
        if call.params["user_id"] != requester.user_id:
            raise Forbidden("You cannot type for someone else")
        room = self.access.joined_room(call, requester)
        body = call.json()
        timeout = whole_number(body, "timeout", _TYPING_TIMEOUT)
        if flag(body, "typing", False) and timeout > 0:
            self.typing.started(room, requester.user_id, timeout)
            self.access.active(requester)
        else:
            self.typing.stopped(room, requester.user_id)
        return 200, {}

    async def receipt(self, call: Call) -> Answer:
        """The requester has read up to an event."""
        requester = self.access.writer(call)
        room = self.access.joined_room(call, requester)
        kind, event_id = call.params["kind"], checked_id(call.params["event_id"], "id")
        thread = optional_id(call.json_or_empty(), "thread_id")
        if kind not in (PUBLIC, PRIVATE, FULLY_READ):
            raise InvalidParam("There is no such kind of receipt")
        if kind == FULLY_READ:
            if thread is not None:
                raise InvalidParam("A read marker belongs to no thread")
            await self._mark(requester, room, event_id)
        else:
            self.receipts.read(room, requester.user_id, kind, event_id, thread or "")
        await self.access.done(requester)
        return 200, {}

    async def read_markers(self, call: Call) -> Answer:
        """A read marker and receipts at once."""
        requester = self.access.writer(call)
        room = self.access.joined_room(call, requester)
        body = call.json_or_empty()
        marker = optional_id(body, FULLY_READ)
        for kind in (PUBLIC, PRIVATE):
            event_id = optional_id(body, kind)
            if event_id is not None:
                self.receipts.read(room, requester.user_id, kind, event_id)
        if marker is not None:
            await self._mark(requester, room, marker)
        await self.access.done(requester)
        return 200, {}

    async def _mark(self, requester: Requester, room: Room, event_id: str) -> None:
        await self.accounts.set_room_account_data(
            requester.user_id, room.room_id, FULLY_READ, {"event_id": event_id}
        )


def add_routes(
    router: Router,
    access: RoomAccess,
    receipts: Receipts,
    typing: TypingNotices,
    accounts: Accounts,
) -> None:
    """Serve typing notices, receipts and read markers."""
    endpoints = ReadingMarkEndpoints(access, receipts, typing, accounts)
    room = "rooms/{room_id}"
    serve_everywhere(router, "PUT", f"{room}/typing/{{user_id}}", endpoints.type)
    serve_everywhere(
        router, "POST", f"{room}/receipt/{{kind}}/{{event_id}}", endpoints.receipt
    )
    serve(router, "POST", f"{room}/read_markers", endpoints.read_markers)
