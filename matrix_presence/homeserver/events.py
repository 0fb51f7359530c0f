"""One event of a room: as it is signed, and as clients see it.

An `Event` has been hashed, signed and given its place in the stream. What it says never
changes, with one exception: a redaction takes content away.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import attrs

from matrix_presence.wire.redaction import redacted
from matrix_presence.wire.room_versions import RoomVersion

StateKey = tuple[str, str]
"""Type and state key: what a state event is the value of."""


class Standing(IntEnum):
    """How an event counts in its room. The numbers are stored."""

    #: It is in the timeline.
    PLACED = 0
    #: It is known because others rest on it: state from before we came in, or an
    #: event of the auth chain.
    OUTLIER = 1
    #: It was allowed where it branched off, but is not now: nobody is shown it.
    SOFT_FAILED = 2
    #: The authorization rules refuse it. It is kept because others may follow it.
    REJECTED = 3


@attrs.define(eq=False)
class Event:
    """An event that stands in a room."""

    event_id: str
    room_id: str
    #: The event as it is signed and sent to other servers.
    pdu: dict[str, Any]
    #: That of its room.
    version: RoomVersion
    #: Its place in the stream of this server; 0 until it has one.
    position: int = 0
    standing: Standing = Standing.PLACED
    #: Those that it follows, as far as we have them and they matter: see `Room.follow`.
    parents: tuple[Event, ...] = ()
    #: The device and transaction id it was sent with; None for all other events.
    transaction: tuple[str, str] | None = None
    #: The state event of the same type and key that this one took the place of.
    replaces: Event | None = None
    #: The redaction that took its content away.
    redaction: Event | None = None

    type: str = attrs.field(init=False)
    sender: str = attrs.field(init=False)
    #: None when this is no state event.
    state_key: str | None = attrs.field(init=False)
    content: dict[str, Any] = attrs.field(init=False)
    #: Epoch milliseconds, as the sending server saw it.
    origin_server_ts: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.type = self.pdu["type"]
        self.sender = self.pdu["sender"]
        self.state_key = self.pdu.get("state_key")
        self.content = self.pdu["content"]
        self.origin_server_ts = self.pdu["origin_server_ts"]

    @property
    def key(self) -> StateKey | None:
        """What this event is the value of; None when it is no state event."""
        return None if self.state_key is None else (self.type, self.state_key)

    @property
    def membership(self) -> str | None:
        """The membership that a member event says; None for all other events."""
        return self.content.get("membership") if self.type == "m.room.member" else None

    @property
    def prev_ids(self) -> list[str]:
        """The ids of the events that it says it follows."""
        return _ids(self.pdu["prev_events"])

    @property
    def auth_ids(self) -> list[str]:
        """The ids of the events that it says allow it."""
        return _ids(self.pdu["auth_events"])

    @property
    def depth(self) -> int:
        """How far from the create event it says it is."""
        depth: int = self.pdu["depth"]
        return depth

    @property
    def redacts(self) -> str | None:
        """The id of the event that a redaction redacts; None for all other events."""
        if self.type != "m.room.redaction":
            return None
        where = self.content if self.version.modern_redaction else self.pdu
        target = where.get("redacts")
        return target if type(target) is str else None

    def redact(self, redaction: Event) -> None:
        """Take away what a redaction takes away."""
        self.pdu = redacted(self.pdu, self.version)
        self.content = self.pdu["content"]
        self.redaction = redaction


def _ids(references: Iterable[Any]) -> list[str]:
    """Versions 1 and 2 add the hash of each event they refer to."""
    return [item if type(item) is str else item[0] for item in references]


def client_event(
    event: Event,
    now: int,
    device_id: str | None = None,
    *,
    in_room: bool = False,
    is_outermost: bool = True,
) -> dict[str, Any]:
    """The event in the format of the client-server API.

    Args:
        now: epoch milliseconds, for `unsigned.age`.
        device_id: the device of the sender that asks, if it is the sender: it learns
            the transaction id with which it sent the event.
        in_room: leave out `room_id`, as /sync does.
        is_outermost: whether this is not in another event.
    """
    unsigned: dict[str, Any] = {"age": max(0, now - event.origin_server_ts)}
    shown: dict[str, Any] = {
        "type": event.type,
        "sender": event.sender,
        "content": event.content,
        "event_id": event.event_id,
        "origin_server_ts": event.origin_server_ts,
        "unsigned": unsigned,
    }
    if not in_room:
        shown["room_id"] = event.room_id
    if event.state_key is not None:
        shown["state_key"] = event.state_key
    if (redacts := event.redacts) is not None:
        # Clients of rooms of either kind look in either place.
        shown["redacts"] = redacts
        shown["content"] = {**event.content, "redacts": redacts}
    if (before := event.replaces) is not None:
        unsigned["replaces_state"] = before.event_id
        unsigned["prev_sender"] = before.sender
        unsigned["prev_content"] = before.content
    # Not of who redacted the redaction: there may be a thousand of them, each of the
    # one before, or two of each other.
    if (because := event.redaction) is not None and is_outermost:
        unsigned["redacted_because"] = client_event(because, now, is_outermost=False)
    if event.transaction is not None and event.transaction[0] == device_id:
        unsigned["transaction_id"] = event.transaction[1]
    return shown


def stripped_event(event: Event) -> dict[str, Any]:
    """What those outside a room see of its state, in invites and knocks."""
    return {
        "type": event.type,
        "state_key": event.state_key,
        "sender": event.sender,
        "content": event.content,
    }
