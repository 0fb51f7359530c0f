"""From what a user wants to say to a signed event at the end of a room."""

from __future__ import annotations

import secrets
from typing import Any

import attrs
from signedjson.types import SigningKey
from twisted.internet.interfaces import IReactorTime
from unpaddedbase64 import encode_base64

from matrix_presence.errors import BadJson, TooLarge
from matrix_presence.homeserver.auth_rules import auth_keys
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.room import Room
from matrix_presence.wire.canonical import MAX_INTEGER, NotCanonical, canonical
from matrix_presence.wire.redaction import redacted
from matrix_presence.wire.room_versions import EventIds, RoomVersion
from matrix_presence.wire.signing import (
    event_id_of,
    hash_and_sign,
    reference_hash,
    room_id_of_create,
    signed_json,
)

#: Source: client-server API, "Size limits".
MAX_EVENT_BYTES = 65536
MAX_FIELD_BYTES = 255
#: Others refuse an event that follows more than twenty.
_MOST_PARENTS = 10


@attrs.frozen
class Draft:
    """What an event is to say."""

    sender: str
    type: str
    content: dict[str, Any]
    state_key: str | None = None
    #: The id of the event that a redaction redacts; None for all other events.
    redacts: str | None = None


class Signer:
    """Makes events in the name of this server."""

    def __init__(self, server_name: str, key: SigningKey, clock: IReactorTime) -> None:
        self.server_name = server_name
        self._key = key
        self._clock = clock
        #: When the newest room was created, epoch ms.
        self._created_ts = 0

    def first_event(self, draft: Draft, version: RoomVersion) -> Event:
        """The create event of a new room.

        Raises:
            BadJson, TooLarge: it cannot be an event.
        """
        pdu = self._fields(draft, version, depth=1)
        # From version 12 on the room id is a hash of this event: two rooms that one
        # user creates in the same millisecond must not be one.
        self._created_ts = max(self._created_ts + 1, pdu["origin_server_ts"])
        pdu["origin_server_ts"] = self._created_ts
        if not version.creators_above_all:
            pdu["room_id"] = f"!{secrets.token_urlsafe(15)}:{self.server_name}"
        return self.signed(pdu, version)

    def next_event(self, draft: Draft, room: Room) -> Event:
        """The event that comes next in a room; whether it may is for others to say.

        Raises:
            BadJson, TooLarge: it cannot be an event.
        """
        return self.signed(self.template(draft, room), room.version)

    def template(self, draft: Draft, room: Room) -> dict[str, Any]:
        """The event that comes next in a room, as far as it goes without a signature.

        That is what a server of its sender is given to sign.
        """
        version = room.version
        keys = auth_keys(
            draft.type, draft.sender, draft.state_key, draft.content, version
        )
        parents = sorted(room.heads.values(), key=_newest_first)[:_MOST_PARENTS]
        deepest = max(parent.depth for parent in parents)
        pdu = self._fields(draft, version, depth=min(deepest + 1, MAX_INTEGER))
        pdu["room_id"] = room.room_id
        pdu["prev_events"] = [_reference(parent) for parent in parents]
        pdu["auth_events"] = [
            _reference(room.state[key]) for key in keys if key in room.state
        ]
        return pdu

    def now(self) -> int:
        """Epoch milliseconds."""
        return int(self._clock.seconds() * 1000)

    def _fields(self, draft: Draft, version: RoomVersion, depth: int) -> dict[str, Any]:
        pdu: dict[str, Any] = {
            "type": draft.type,
            "sender": draft.sender,
            "content": draft.content,
            "origin_server_ts": self.now(),
            "depth": depth,
            "prev_events": [],
            "auth_events": [],
        }
        if draft.state_key is not None:
            pdu["state_key"] = draft.state_key
        if version.event_ids is EventIds.CHOSEN:
            pdu["event_id"] = f"${secrets.token_urlsafe(15)}:{self.server_name}"
            pdu["origin"] = self.server_name
        if draft.redacts is not None:
            if version.modern_redaction:
                pdu["content"] = {**draft.content, "redacts": draft.redacts}
            else:
                pdu["redacts"] = draft.redacts
        return pdu

    def signed(self, pdu: dict[str, Any], version: RoomVersion) -> Event:
        """The event of these fields, with our signature beside those it has.

        Raises:
            BadJson, TooLarge: it cannot be an event.
        """
        for name in ("type", "sender", "state_key"):
            if len(pdu.get(name, "").encode()) > MAX_FIELD_BYTES:
                raise TooLarge(f"`{name}` is longer than {MAX_FIELD_BYTES} bytes")
        try:
            signed = hash_and_sign(pdu, version, self.server_name, self._key)
            size = len(canonical(signed))
        except NotCanonical as reason:
            raise BadJson(f"This cannot be an event: {reason}") from None
        if size > MAX_EVENT_BYTES:
            raise TooLarge(f"An event has at most {MAX_EVENT_BYTES} bytes, not {size}")
        room_id = signed.get("room_id")
        if room_id is None:
            room_id = room_id_of_create(signed, version)
        return Event(event_id_of(signed, version), room_id, signed, version)

    def outside_leave(self, event: Event) -> Event:
        """A leave that ends this invite or knock, for our user's eyes only.

        It is made when no server of the room takes one, so it follows what there is.
        """
        user_id = event.state_key or ""
        content = {"membership": "leave"}
        draft = Draft(user_id, "m.room.member", content, user_id)
        pdu = self._fields(draft, event.version, min(event.depth + 1, MAX_INTEGER))
        pdu["room_id"] = event.room_id
        pdu["prev_events"] = [_reference(event)]
        return self.signed(pdu, event.version)

    def countersigned(self, event: Event) -> dict[str, Any]:
        """What another server has signed, with our signature too.

        Its hash stays: it is the other server that answers for what the event says.
        """
        whole = redacted(event.pdu, event.version)
        signed = signed_json(whole, self.server_name, self._key)
        return {**event.pdu, "signatures": signed["signatures"]}


def _newest_first(event: Event) -> int:
    return -event.position


def _reference(event: Event) -> Any:
    """How other events refer to this one."""
    if event.version.event_ids is not EventIds.CHOSEN:
        return event.event_id
    digest = encode_base64(reference_hash(event.pdu, event.version))
    return [event.event_id, {"sha256": digest}]
