"""What we ask other servers about rooms: coming in, going out, what happened there.

Source: server-server API, "Joining Rooms", "Leaving Rooms", "Inviting to a room",
"Retrieving events", "Backfilling and retrieving missing events". Every call raises
`FederationError` when there is no answer that can be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import attrs

from matrix_presence.federation.client import (
    USUAL,
    BadAnswer,
    Bounds,
    FederationClient,
    Refused,
)
from matrix_presence.federation.room_answers import (
    FoundRoom,
    Pdu,
    StateAnswer,
    Template,
    read_found_room,
    read_ids,
    read_join,
    read_pdus,
    read_template,
)
from matrix_presence.wire.canonical import canonical
from matrix_presence.wire.room_versions import ROOM_VERSIONS, RoomVersion

_V1, _V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
_MIB = 1024 * 1024
#: The whole state of a large room, and the time it takes the other side to gather it.
_WHOLE_STATE = Bounds(64 * _MIB, patience=120.0, in_parts=True)
_MANY_IDS = Bounds(16 * _MIB, patience=60.0)
#: A hundred events of 64 KiB.
_SOME_EVENTS = Bounds(8 * _MIB)


@attrs.frozen
class RoomRequests:
    """Asks other servers about rooms."""

    client: FederationClient

    async def make_join(self, destination: str, room_id: str, user_id: str) -> Template:
        """A join that this server would take (C-80)."""
        versions = urlencode([("ver", name) for name in ROOM_VERSIONS])
        path = f"{_V1}/make_join/{_in_path(room_id, user_id)}?{versions}"
        answer = await self.client.get(destination, path)
        return read_template(answer, room_id, user_id, "join")

    async def send_join(
        self, destination: str, room_id: str, event_id: str, event: Pdu
    ) -> StateAnswer:
        """Hand in a join; what the room was before it (C-81)."""
        path = f"send_join/{_in_path(room_id, event_id)}"
        answer = await self._put(
            destination, path, "?omit_members=false", event, event, _WHOLE_STATE
        )
        return read_join(answer)

    async def make_leave(
        self, destination: str, room_id: str, user_id: str
    ) -> Template:
        """A leave that this server would take, to turn an invite down (C-82)."""
        path = f"{_V1}/make_leave/{_in_path(room_id, user_id)}"
        answer = await self.client.get(destination, path)
        return read_template(answer, room_id, user_id, "leave")

    async def send_leave(
        self, destination: str, room_id: str, event_id: str, event: Pdu
    ) -> None:
        """Hand in a leave (C-82)."""
        path = f"send_leave/{_in_path(room_id, event_id)}"
        await self._put(destination, path, "", event, event, USUAL)

    async def make_knock(
        self, destination: str, room_id: str, user_id: str
    ) -> Template:
        """A knock that this server would take."""
        versions = urlencode([("ver", name) for name in ROOM_VERSIONS])
        path = f"{_V1}/make_knock/{_in_path(room_id, user_id)}?{versions}"
        answer = await self.client.get(destination, path)
        return read_template(answer, room_id, user_id, "knock")

    async def send_knock(
        self, destination: str, room_id: str, event_id: str, event: Pdu
    ) -> Sequence[Pdu]:
        """Hand in a knock; what the one who knocks is shown of the room."""
        path = f"{_V1}/send_knock/{_in_path(room_id, event_id)}"
        answer = await self.client.put(destination, path, canonical(event))
        return read_pdus(answer, "knock_room_state")

    async def invite(
        self,
        destination: str,
        version: RoomVersion,
        event_id: str,
        event: Pdu,
        room_state: Sequence[Pdu],
    ) -> Pdu:
        """Ask the server of who is invited; the invite with its signature (C-82).

        Args:
            room_state: what the invited user is shown of the room.
        """
        path = f"invite/{_in_path(event['room_id'], event_id)}"
        shown = list(room_state)
        content = {
            "room_version": version.identifier,
            "event": event,
            "invite_room_state": shown,
        }
        of_old = {**event, "unsigned": {"invite_room_state": shown}}
        # What version 1 takes says nothing of the room version.
        fallback = of_old if version.identifier in ("1", "2") else None
        answer = await self._put(destination, path, "", content, fallback, USUAL)
        signed = answer.get("event")
        if type(signed) is not dict:
            raise BadAnswer("there is no event in the answer")
        return signed

    async def missing_events(
        self,
        destination: str,
        room_id: str,
        earliest: Sequence[str],
        latest: Sequence[str],
        limit: int,
    ) -> Sequence[Pdu]:
        """Events before `latest` that come after `earliest`, the oldest first."""
        content = {
            "earliest_events": list(earliest),
            "latest_events": list(latest),
            "limit": limit,
        }
        path = f"{_V1}/get_missing_events/{_in_path(room_id)}"
        answer = await self.client.post(
            destination, path, canonical(content), _SOME_EVENTS
        )
        return read_pdus(answer, "events")[:limit]

    async def state(self, destination: str, room_id: str, event_id: str) -> StateAnswer:
        """The state before this event."""
        path = _at_event("state", room_id, event_id)
        answer = await self.client.get(destination, path, _WHOLE_STATE)
        return StateAnswer(read_pdus(answer, "pdus"), read_pdus(answer, "auth_chain"))

    async def state_ids(
        self, destination: str, room_id: str, event_id: str
    ) -> tuple[list[str], list[str]]:
        """The ids of the state before this event, and of its auth chain."""
        path = _at_event("state_ids", room_id, event_id)
        answer = await self.client.get(destination, path, _MANY_IDS)
        return read_ids(answer, "pdu_ids"), read_ids(answer, "auth_chain_ids")

    async def event(self, destination: str, event_id: str) -> Pdu:
        """The event of this id."""
        path = f"{_V1}/event/{_in_path(event_id)}"
        pdus = read_pdus(await self.client.get(destination, path), "pdus")
        if len(pdus) != 1:
            raise BadAnswer("there is not one event in the answer")
        return pdus[0]

    async def event_auth(
        self, destination: str, room_id: str, event_id: str
    ) -> Sequence[Pdu]:
        """All that the right of this event to be there rests on."""
        path = f"{_V1}/event_auth/{_in_path(room_id, event_id)}"
        answer = await self.client.get(destination, path, _WHOLE_STATE)
        return read_pdus(answer, "auth_chain")

    async def backfill(
        self, destination: str, room_id: str, event_ids: Sequence[str], limit: int
    ) -> Sequence[Pdu]:
        """These events and those before them, the newest first."""
        query = [("v", event_id) for event_id in event_ids]
        asked = urlencode([*query, ("limit", str(limit))])
        path = f"{_V1}/backfill/{_in_path(room_id)}?{asked}"
        answer = await self.client.get(destination, path, _SOME_EVENTS)
        return read_pdus(answer, "pdus")[:limit]

    async def room_of_alias(self, destination: str, alias: str) -> FoundRoom:
        """Where an alias of this server leads."""
        asked = urlencode({"room_alias": alias})
        path = f"{_V1}/query/directory?{asked}"
        return read_found_room(await self.client.get(destination, path))

    async def _put(
        self,
        destination: str,
        path: str,
        query: str,
        content: dict[str, Any],
        of_old: dict[str, Any] | None,
        bounds: Bounds,
    ) -> dict[str, Any]:
        """PUT it to version 2 of the endpoint; to version 1 where that is unknown.

        Args:
            of_old: the body for version 1; None if that cannot say it.
        """
        try:
            return await self.client.put(
                destination, f"{_V2}/{path}{query}", canonical(content), bounds
            )
        except Refused as refusal:
            if of_old is None or not is_unknown_endpoint(refusal):
                raise
        return await self.client.put(
            destination, f"{_V1}/{path}", canonical(of_old), bounds
        )


def is_unknown_endpoint(refusal: Refused) -> bool:
    """Whether it is the endpoint that the server does not know, and not the room.

    Source: server-server API, "Unsupported endpoints"; before v1.4 of the
    specification servers answered whatever their web server did.
    """
    if refusal.status not in (400, 404, 405):
        return False
    of_old = refusal.status == 404 and refusal.errcode == ""
    return refusal.errcode == "M_UNRECOGNIZED" or of_old


def _in_path(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _at_event(name: str, room_id: str, event_id: str) -> str:
    return f"{_V1}/{name}/{_in_path(room_id)}?{urlencode({'event_id': event_id})}"
