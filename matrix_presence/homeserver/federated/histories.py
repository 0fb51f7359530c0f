"""What happened in a room, for the other servers that are in it."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from typing import Any

import attrs

from matrix_presence.errors import InvalidParam, MissingParam, NotFound
from matrix_presence.homeserver.api.arguments import listing, whole_number
from matrix_presence.homeserver.auth_events import auth_chain
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.resident import Resident
from matrix_presence.homeserver.federated.shown import Shown
from matrix_presence.homeserver.forks import state_seen_by
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

#: Events in one answer.
_MOST = 100
_USUAL = 10
#: Events that a request may name.
_MOST_NAMED = 100
_MAX_DIGITS = 9


@attrs.frozen
class Histories:
    """Tells events, and the state around them."""

    resident: Resident

    async def state(self, call: Call) -> Answer:
        """The state before an event, and all that it rests on."""
        state, chain = await self._state(call)
        return 200, {
            "pdus": [event.pdu for event in state],
            "auth_chain": [event.pdu for event in chain],
        }

    async def state_ids(self, call: Call) -> Answer:
        """The same, as ids."""
        state, chain = await self._state(call)
        return 200, {
            "pdu_ids": [event.event_id for event in state],
            "auth_chain_ids": [event.event_id for event in chain],
        }

    async def event(self, call: Call) -> Answer:
        """One event of any room that both are in."""
        origin = await self.resident.asks(call)
        event_id = call.params["event_id"]
        for room in self.resident.rooms:
            event = room.find(event_id)
            if event is not None:
                self.resident.shared_room(origin, room.room_id)
                return 200, self._said([Shown(room, origin).pdu(event)])
        raise NotFound("This server has no such event")

    async def event_auth(self, call: Call) -> Answer:
        """All that the right of an event to be there rests on."""
        origin = await self.resident.asks(call)
        room = self.resident.shared_room(origin, call.params["room_id"])
        event = room.find(call.params["event_id"])
        if event is None:
            raise NotFound("This server has no such event")
        chain = auth_chain([event], room.find)
        return 200, {"auth_chain": [each.pdu for each in chain]}

    async def missing_events(self, call: Call) -> Answer:
        """What lies between events that the other server has and later ones."""
        origin, body = await self.resident.brings(call)
        room = self.resident.shared_room(origin, call.params["room_id"])
        latest = _ids(listing(body, "latest_events"))
        earliest = _ids(listing(body, "earliest_events"))
        limit = min(whole_number(body, "limit", _USUAL), _MOST)
        least_depth = whole_number(body, "min_depth", 0)
        shown = Shown(room, origin)
        starts = [event for each in latest if (event := shown.find(each))]
        before = _before(shown, starts, {*earliest, *latest})
        found = _newest(shown, before, {*earliest, *latest}, limit)
        found = [event for event in found if event.depth >= least_depth]
        return 200, {"events": [shown.pdu(event) for event in reversed(found)]}

    async def backfill(self, call: Call) -> Answer:
        """Events and those before them, the newest first."""
        origin = await self.resident.asks(call)
        room = self.resident.shared_room(origin, call.params["room_id"])
        shown = Shown(room, origin)
        starts = [event for each in call.queries("v") if (event := shown.find(each))]
        limit = min(_number(call.query("limit")), _MOST)
        found = _newest(shown, starts[:_MOST_NAMED], (), limit)
        return 200, self._said([shown.pdu(event) for event in found])

    async def _state(self, call: Call) -> tuple[list[Event], list[Event]]:
        """The state before the event that was asked for, and what it rests on.

        Raises:
            MatrixError: it is not for the other server to know, or not known.
        """
        origin = await self.resident.asks(call)
        room = self.resident.shared_room(origin, call.params["room_id"])
        event_id = call.query("event_id")
        if event_id is None:
            raise MissingParam("'event_id' is missing")
        event = Shown(room, origin).find(event_id)
        if event is None:
            raise NotFound("This server has no such event")
        state = list(state_seen_by(room, event).values())
        return state, auth_chain(state, room.find)

    def _said(self, pdus: list[dict[str, Any]]) -> dict[str, Any]:
        rooms = self.resident.rooms
        return {
            "origin": rooms.server_name,
            "origin_server_ts": rooms.now(),
            "pdus": pdus,
        }


def _newest(
    shown: Shown, starts: Iterable[Event], stops: Collection[str], limit: int
) -> list[Event]:
    """These events and those before them, the newest first, as many as wanted."""
    queue = {event.event_id: event for event in starts}
    heap = [(-event.position, event.event_id) for event in queue.values()]
    heapq.heapify(heap)
    found: list[Event] = []
    while heap and len(found) < limit:
        event = queue[heapq.heappop(heap)[1]]
        found.append(event)
        for parent in _before(shown, [event], stops):
            if parent.event_id not in queue:
                queue[parent.event_id] = parent
                heapq.heappush(heap, (-parent.position, parent.event_id))
    return found


def _before(
    shown: Shown, events: Iterable[Event], stops: Collection[str]
) -> list[Event]:
    """What comes right before these events, but not what the other server has."""
    return [
        parent
        for event in events
        for event_id in event.prev_ids
        if event_id not in stops and (parent := shown.find(event_id)) is not None
    ]


def _ids(values: list[Any]) -> list[str]:
    if len(values) > _MOST_NAMED or not all(type(item) is str for item in values):
        raise InvalidParam(f"Expected at most {_MOST_NAMED} event ids")
    return values


def _number(said: str | None) -> int:
    if said is None:
        return _USUAL
    if not said.isdecimal() or not said.isascii() or len(said) > _MAX_DIGITS:
        raise InvalidParam("'limit' must be a number")
    return int(said)


def add_routes(router: Router, resident: Resident) -> None:
    """Serve what happened."""
    histories = Histories(resident)
    base = "_matrix/federation/v1"
    router.add("GET", f"{base}/state/{{room_id}}", histories.state)
    router.add("GET", f"{base}/state_ids/{{room_id}}", histories.state_ids)
    router.add("GET", f"{base}/event/{{event_id}}", histories.event)
    router.add(
        "GET", f"{base}/event_auth/{{room_id}}/{{event_id}}", histories.event_auth
    )
    path = f"{base}/get_missing_events/{{room_id}}"
    router.add("POST", path, histories.missing_events)
    router.add("GET", f"{base}/backfill/{{room_id}}", histories.backfill)
