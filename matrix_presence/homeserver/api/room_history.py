"""Reading the events of a room: pages of them, one, or one with those around it."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import InvalidParam, NotFound
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.paths import serve_everywhere
from matrix_presence.homeserver.api.room_access import RoomAccess
from matrix_presence.homeserver.events import Event, client_event
from matrix_presence.homeserver.history import page
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.sync.filters import (
    MAX_LIMIT,
    EventFilter,
    parse_inline_event_filter,
)
from matrix_presence.homeserver.sync.token import history_token, parse_history_token
from matrix_presence.homeserver.visibility import horizon, may_see
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.wire.older_token import older_token, parse_older_token

_DEFAULT_LIMIT = 10


@attrs.frozen
class RoomHistoryEndpoints:
    """The history as the requester may see it."""

    access: RoomAccess
    accounts: Accounts

    async def messages(self, call: Call) -> Answer:
        """A page of events, in either direction."""
        requester = self.access.reader(call)
        room = self.access.room(call)
        end = self._end(room, requester)
        backwards = _backwards(call)
        only = attrs.evolve(_filter(call), limit=_limit(call))
        older = parse_older_token(call.query("from")) if backwards else None
        if older is not None:
            return 200, await self._older(requester, room, older, only)
        first, last = (end, 0) if backwards else (0, end)
        # Quaternion sends an empty token for the end of the room.
        start = min(_place(call, "from", first), end)
        stop = min(_place(call, "to", last), end)
        if (stop > start) if backwards else (stop < start):
            stop = start
        ignored = self.accounts.ignored(requester.user_id)
        found = page(room, requester.user_id, start, stop, only, ignored)
        answer: dict[str, Any] = {
            "start": history_token(start),
            "chunk": self._shown(requester, found.events),
        }
        if found.end is not None:
            answer["end"] = history_token(found.end)
        elif backwards and stop == 0 and self.access.elsewhere is not None:
            begins = self.access.elsewhere.older.begins(room, requester.user_id)
            if begins:
                answer["end"] = older_token(begins)
        if only.lazy_load_members:
            answer["state"] = self._senders(requester, room, found.events)
        return 200, answer

    async def event(self, call: Call) -> Answer:
        """One event."""
        requester = self.access.reader(call)
        room = self.access.room(call)
        found = self._event(room, requester, call.params["event_id"])
        return 200, self._shown(requester, [found])[0]

    async def context(self, call: Call) -> Answer:
        """An event with those before and after it, and the state at the end."""
        requester = self.access.reader(call)
        user_id, room = requester.user_id, self.access.room(call)
        middle = self._event(room, requester, call.params["event_id"])
        limit, only = _limit(call), _filter(call)
        before = page(
            room,
            user_id,
            middle.position - 1,
            0,
            attrs.evolve(only, limit=max(1, limit // 2)),
        )
        after = page(
            room,
            user_id,
            middle.position,
            max(self._end(room, requester), middle.position),
            attrs.evolve(only, limit=max(1, limit - limit // 2)),
        )
        events = [*before.events[::-1], middle, *after.events]
        last = events[-1].position
        if only.lazy_load_members:
            state = self._senders(requester, room, events)
        else:
            state = self._shown(requester, list(room.state_at(last).values()))
        return 200, {
            "event": self._shown(requester, [middle])[0],
            "events_before": self._shown(requester, before.events),
            "events_after": self._shown(requester, after.events),
            "start": history_token(events[0].position - 1),
            "end": history_token(last),
            "state": state,
        }

    async def _older(
        self,
        requester: Requester,
        room: Room,
        ids: tuple[str, ...],
        only: EventFilter,
    ) -> dict[str, Any]:
        """A page from before this server came into the room.

        Raises:
            MatrixError: it is not for the requester, or cannot be had.
        """
        if self.access.elsewhere is None:
            raise InvalidParam("This server does not talk to others")
        older = self.access.elsewhere.older
        found = await older.page(room, requester.user_id, ids, only.limit)
        ignored = self.accounts.ignored(requester.user_id)
        events = [
            event
            for event in found.events
            if only.allows(event)
            and not (event.sender in ignored and event.state_key is None)
        ]
        answer: dict[str, Any] = {
            "start": older_token(ids),
            "chunk": self._shown(requester, events),
        }
        if found.before:
            answer["end"] = older_token(found.before)
        if only.lazy_load_members:
            answer["state"] = self._senders(requester, room, events)
        return answer

    def _end(self, room: Room, requester: Requester) -> int:
        """The last position that the requester sees."""
        seen_to = horizon(room, requester.user_id)
        return room.timeline[-1].position if seen_to is None else seen_to

    def _event(self, room: Room, requester: Requester, event_id: str) -> Event:
        """The event of this id.

        Raises:
            NotFound: there is none, or the requester may not see it.
        """
        event = room.events.get(event_id)
        if event is None or not may_see(room, requester.user_id, event):
            raise NotFound("There is no such event")
        return event

    def _senders(
        self, requester: Requester, room: Room, events: list[Event]
    ) -> list[dict[str, Any]]:
        """The member events of those who speak."""
        keys = [("m.room.member", user) for user in {event.sender for event in events}]
        state = [room.state[key] for key in keys if key in room.state]
        return self._shown(requester, state)

    def _shown(self, requester: Requester, events: list[Event]) -> list[dict[str, Any]]:
        now = self.access.rooms.now()
        return [
            client_event(
                event,
                now,
                requester.device_id if event.sender == requester.user_id else None,
            )
            for event in events
        ]


def _backwards(call: Call) -> bool:
    match call.query("dir"):
        case "b":
            return True
        case "f":
            return False
    raise InvalidParam("'dir' must be b or f")


def _place(call: Call, name: str, default: int) -> int:
    token = call.query(name)
    return parse_history_token(token) if token else default


def _limit(call: Call) -> int:
    text = call.query("limit")
    if text is None:
        return _DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal()):
        raise InvalidParam("'limit' must be an integer above 0")
    return max(1, min(int(text[:9]), MAX_LIMIT))


def _filter(call: Call) -> EventFilter:
    text = call.query("filter")
    return parse_inline_event_filter(text) if text else EventFilter()


def add_routes(router: Router, access: RoomAccess, accounts: Accounts) -> None:
    """Serve the history of rooms."""
    endpoints = RoomHistoryEndpoints(access, accounts)
    room = "rooms/{room_id}"
    serve_everywhere(router, "GET", f"{room}/messages", endpoints.messages)
    serve_everywhere(router, "GET", f"{room}/event/{{event_id}}", endpoints.event)
    serve_everywhere(router, "GET", f"{room}/context/{{event_id}}", endpoints.context)
