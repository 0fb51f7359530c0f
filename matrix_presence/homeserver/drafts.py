"""From what a user wants to say to a signed event at the end of a room.

Histories here are linear: an event has one predecessor, the last event of the room.
"""

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
from matrix_presence.wire.canonical import NotCanonical, canonical
from matrix_presence.wire.room_versions import EventIds, RoomVersion
from matrix_presence.wire.signing import (
    event_id_of,
    hash_and_sign,
    reference_hash,
    room_id_of_create,
)

#: Source: client-server API, "Size limits".
MAX_EVENT_BYTES = 65536
MAX_FIELD_BYTES = 255


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

    def first_event(self, draft: Draft, version: RoomVersion) -> Event:
        """The create event of a new room.

        Raises:
            BadJson, TooLarge: it cannot be an event.
        """
        pdu = self._fields(draft, version, depth=1)
        if not version.creators_above_all:
            pdu["room_id"] = f"!{secrets.token_urlsafe(15)}:{self.server_name}"
        return self._signed(pdu, version)

    def next_event(self, draft: Draft, room: Room) -> Event:
        """The event that comes next in a room; whether it may is for others to say.

        Raises:
            BadJson, TooLarge: it cannot be an event.
        """
        version = room.version
        keys = auth_keys(
            draft.type, draft.sender, draft.state_key, draft.content, version
        )
        pdu = self._fields(draft, version, depth=room.depth + 1)
        pdu["room_id"] = room.room_id
        pdu["prev_events"] = [_reference(room.timeline[-1])]
        pdu["auth_events"] = [
            _reference(room.state[key]) for key in keys if key in room.state
        ]
        return self._signed(pdu, version)

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

    def _signed(self, pdu: dict[str, Any], version: RoomVersion) -> Event:
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


def _reference(event: Event) -> Any:
    """How other events refer to this one."""
    if event.version.event_ids is not EventIds.CHOSEN:
        return event.event_id
    digest = encode_base64(reference_hash(event.pdu, event.version))
    return [event.event_id, {"sha256": digest}]
