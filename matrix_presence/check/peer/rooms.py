"""The rooms of the peer: those it joins elsewhere, and those that others join.

No more of it than two servers need to share a room: histories are linear, and what
other servers say of a room is believed. It is their presence that is looked at.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import attrs

from matrix_presence.errors import BadJson, NotFound
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.homeserver.drafts import Draft, Signer
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.room import Room
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.web.signed import SignedRequests
from matrix_presence.wire.room_versions import (
    DEFAULT_ROOM_VERSION,
    ROOM_VERSIONS,
    EventIds,
    RoomVersion,
)
from matrix_presence.wire.signing import event_id_of, hash_and_sign

FEDERATION = "/_matrix/federation"


class Unjoinable(Exception):
    """A room cannot be joined, or left; `str()` is a clause without a subject."""


def make_path(step: str, room_id: str, user_id: str) -> str:
    """Where the template of a membership is asked for.

    Args:
        step: `join` or `leave`.
    """
    path = f"{FEDERATION}/v1/make_{step}/{quote(room_id, safe='')}"
    versions = urlencode([("ver", version) for version in ROOM_VERSIONS])
    query = f"?{versions}" if step == "join" else ""
    return f"{path}/{quote(user_id, safe='')}{query}"


def send_path(step: str, room_id: str, event_id: str) -> str:
    """Where the signed membership is brought."""
    path = f"{FEDERATION}/v2/send_{step}/{quote(room_id, safe='')}"
    return f"{path}/{quote(event_id, safe='')}"


@attrs.frozen
class Membership:
    """A member event that is ready to be brought to the server it was made for."""

    event_id: str
    pdu: dict[str, Any]


def filled_in(
    template: Mapping[str, Any], user_id: str, room_id: str, step: str, own: OwnKeys
) -> Membership:
    """The template that a server gave, hashed and signed (C-80, C-91, C-92).

    Args:
        step: `join` or `leave`.

    Raises:
        Unjoinable: it is for something else than was asked, or of a version that
            nobody here knows.
    """
    event, said = template.get("event"), str(template.get("room_version", "1"))
    version = ROOM_VERSIONS.get(said)
    if version is None:
        raise Unjoinable(f"has a room of the version {said!r}")
    if not isinstance(event, dict):
        raise Unjoinable("gives a template without an event")
    wanted = {
        "type": "m.room.member",
        "room_id": room_id,
        "sender": user_id,
        "state_key": user_id,
    }
    for key, value in wanted.items():
        if event.get(key) != value:
            raise Unjoinable(f"gives a template with another {key}: {event.get(key)!r}")
    content = event.get("content")
    if not isinstance(content, dict) or content.get("membership") != step:
        raise Unjoinable("gives a template of another membership")
    completed = {**event, "origin_server_ts": own.now()}
    if version.event_ids is EventIds.CHOSEN:
        completed["origin"] = own.server_name
        completed["event_id"] = f"${secrets.token_urlsafe(15)}:{own.server_name}"
    pdu = hash_and_sign(completed, version, own.server_name, own.key)
    return Membership(event_id_of(pdu, version), pdu)


class Residence:
    """The rooms that were made here, for users of other servers to join.

    Args:
        signed: reads requests of other servers.
    """

    def __init__(self, signer: Signer, signed: SignedRequests) -> None:
        self._signer = signer
        self._signed = signed
        self._rooms: dict[str, Room] = {}

    def create(self, creator: str, version: RoomVersion = DEFAULT_ROOM_VERSION) -> str:
        """The id of a new public room with this user of ours in it."""
        content: dict[str, Any] = {"room_version": version.identifier}
        first = self._signer.first_event(
            Draft(creator, "m.room.create", content, ""), version
        )
        room = self._rooms[first.room_id] = Room(first.room_id, version)
        room.add(first)
        for event_type, key, content in (
            ("m.room.member", creator, {"membership": "join"}),
            ("m.room.power_levels", "", {"users": {creator: 100}}),
            ("m.room.join_rules", "", {"join_rule": "public"}),
            ("m.room.history_visibility", "", {"history_visibility": "shared"}),
        ):
            draft = Draft(creator, event_type, content, key)
            room.add(self._signer.next_event(draft, room))
        return first.room_id

    def membership(self, room_id: str, user_id: str) -> str | None:
        """The membership of a user in a room of this server."""
        return self._rooms[room_id].membership(user_id)

    def add_to(self, router: Router) -> None:
        """Serve what it takes to join and to leave (C-80…C-82)."""
        base = FEDERATION.removeprefix("/")
        for step in ("join", "leave"):
            router.add(
                "GET", f"{base}/v1/make_{step}/{{room_id}}/{{user_id}}", self._make
            )
            router.add(
                "PUT", f"{base}/v2/send_{step}/{{room_id}}/{{event_id}}", self._send
            )

    async def _make(self, call: Call) -> Answer:
        await self._signed.origin(call)
        room, user_id = self._room(call), call.params["user_id"]
        step = "join" if b"/make_join/" in call.request.path else "leave"
        draft = Draft(user_id, "m.room.member", {"membership": step}, user_id)
        template = dict(self._signer.next_event(draft, room).pdu)
        for key in ("hashes", "signatures", "origin_server_ts"):
            template.pop(key)
        return 200, {"room_version": room.version.identifier, "event": template}

    async def _send(self, call: Call) -> Answer:
        _, pdu = await self._signed.read(call)
        room = self._room(call)
        try:
            event = Event(
                event_id_of(pdu, room.version), room.room_id, pdu, room.version
            )
        except (KeyError, ValueError) as reason:
            raise BadJson(f"This is no event: {reason!r}") from None
        before = [each.pdu for each in room.state.values()]
        chain = [each.pdu for each in room.timeline if each.state_key is not None]
        room.add(event)
        if event.membership != "join":
            return 200, {}
        return 200, {
            "origin": self._signer.server_name,
            "event": pdu,
            "state": before,
            "auth_chain": chain,
            "members_omitted": False,
        }

    def _room(self, call: Call) -> Room:
        room = self._rooms.get(call.params["room_id"])
        if room is None:
            raise NotFound("There is no such room here")
        return room
