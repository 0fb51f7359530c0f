"""What a /sync says of one room.

A room is looked at in one go, so that its timeline and its state fit; only then is what
was found written out, with a pause now and then: the state of a large room is long.
"""

from __future__ import annotations

from collections.abc import Collection, Generator
from heapq import nsmallest
from typing import Any

import attrs
import orjson

from matrix_presence.homeserver.encoded_events import encoded_events
from matrix_presence.homeserver.events import Event, client_event
from matrix_presence.homeserver.receipts import Receipts
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.homeserver.stripped_state import told_of_room
from matrix_presence.homeserver.sync.ask import Ask
from matrix_presence.homeserver.sync.timeline import (
    Timeline,
    newest,
    state_before,
    state_between,
)
from matrix_presence.homeserver.sync.token import history_token
from matrix_presence.homeserver.typing_notices import TypingNotices
from matrix_presence.homeserver.visibility import was_member
from matrix_presence.wire.filters import only_fields

_HEROES = 5


@attrs.frozen
class RoomPart:
    """The part of an answer that is about one room."""

    #: Under which key it stands: `join`, `invite`, `knock` or `leave`.
    kind: str
    #: Its value; account data is added by who puts the answer together.
    body: dict[str, Any]
    #: Whether there is anything in it to tell.
    is_news: bool = True
    #: Users whom the client now shares a room with, or perhaps no more: their devices
    #: count. Good for as long as the room does not change.
    met: Collection[str] = ()
    parted: Collection[str] = ()


#: Makes a part; it pauses where it may be left for other work.
Making = Generator[None, None, RoomPart | None]


class RoomParts:
    """Looks at rooms for those who sync."""

    def __init__(self, rooms: Rooms, receipts: Receipts, typing: TypingNotices) -> None:
        self._rooms = rooms
        self._receipts = receipts
        self._typing = typing

    def joined(self, ask: Ask, room: Room, since: int | None) -> Making:
        """Of a room that the user is in, after `since`."""
        was_in = since is not None and room.membership_at(ask.user_id, since) == "join"
        after = since if was_in and since is not None else 0
        up_to = max(room.changed, after)
        timeline = newest(
            room, ask.user_id, after, up_to, ask.only.timeline, ask.ignored
        )
        moved: Collection[str]
        met: Collection[str] = ()
        parted: Collection[str] = ()
        if was_in and not ask.full_state:
            state = state_between(
                room, ask.user_id, after, up_to, timeline, ask.only.state
            )
            moved, met, parted = _movements(room, after, up_to)
        else:
            state = state_before(room, ask.user_id, up_to, timeline, ask.only.state)
            moved = room.joined
            if not was_in:
                met = room.joined
        ephemeral = self._ephemeral(ask, room, after)
        read_up_to = self._receipts.read_up_to(room, ask.user_id)
        own = room.state["m.room.member", ask.user_id]
        unread = room.unread.counts(ask.user_id, read_up_to or own.position)
        body: dict[str, Any] = {
            "ephemeral": {"events": ephemeral},
            "account_data": {"events": []},
            "unread_notifications": unread,
            "summary": summary(room, ask.user_id) if moved else {},
        }
        is_news = bool(
            timeline.events
            or timeline.limited
            or state
            or ephemeral
            or ask.full_state
            or not was_in
        )
        yield from self._write_out(body, ask, timeline, state)
        return RoomPart("join", body, is_news, met, parted)

    def other(self, ask: Ask, event: Event, since: int | None) -> Making:
        """Of a room that the user is not in, by the user's own member event.

        There is none of those that the client has not to be told of.
        """
        room_id = event.room_id
        match event.membership:
            case "invite" if event.sender in ask.ignored:
                return None
            case "invite" | "knock" as kind:
                told = {"events": told_of_room(self._rooms, event)}
                return RoomPart(kind, {f"{kind}_state": told})
        if since is None and not ask.only.include_leave:
            return None
        if self._rooms.of(ask.user_id).is_forgotten(event):
            return None
        room = self._rooms.get(room_id)
        if room is None or self._rooms.outside.get(ask.user_id, room_id):
            # It was only an invite or a knock: there is nothing else to tell.
            timeline = Timeline([event], False, event.position - 1)
            return (yield from self._left(ask, timeline, []))
        return (yield from self._left_room(ask, room, event, since))

    def _left_room(self, ask: Ask, room: Room, own: Event, since: int | None) -> Making:
        before = None if since is None else room.membership_at(ask.user_id, since)
        after = since if before == "join" and since is not None else 0
        timeline = newest(
            room, ask.user_id, after, own.position, ask.only.timeline, ask.ignored
        )
        parted: Collection[str] = ()
        if before == "join":
            state = state_between(
                room, ask.user_id, after, own.position, timeline, ask.only.state
            )
            parted = room.joined
        elif was_member(room, ask.user_id):
            state = state_before(
                room, ask.user_id, own.position, timeline, ask.only.state
            )
        else:
            # Never a member: all there is to tell is that it is over.
            state = []
        return (yield from self._left(ask, timeline, state, parted))

    def _left(
        self,
        ask: Ask,
        timeline: Timeline,
        state: list[Event],
        parted: Collection[str] = (),
    ) -> Making:
        body: dict[str, Any] = {"account_data": {"events": []}}
        yield from self._write_out(body, ask, timeline, state)
        return RoomPart("leave", body, parted=parted)

    def _ephemeral(self, ask: Ask, room: Room, since: int) -> list[dict[str, Any]]:
        events = (
            self._typing.event(room, since),
            self._receipts.event(room, ask.user_id, since),
        )
        wanted = ask.only.ephemeral
        return [
            event
            for event in events
            if event is not None and wanted.allows_type(str(event["type"]))
        ]

    def _write_out(
        self, body: dict[str, Any], ask: Ask, timeline: Timeline, state: list[Event]
    ) -> Generator[None, None, None]:
        body["timeline"] = {
            "events": (yield from self._shown(ask, timeline.events)),
            "limited": timeline.limited,
            "prev_batch": history_token(timeline.start),
        }
        body["state"] = {"events": (yield from self._shown(ask, state))}

    def _shown(
        self, ask: Ask, events: list[Event]
    ) -> Generator[None, None, orjson.Fragment]:
        """The events as JSON, in the format that the client asked for."""
        now = self._rooms.now()
        return (yield from encoded_events(events, lambda e: _formatted(ask, e, now)))


def _formatted(ask: Ask, event: Event, now: int) -> dict[str, Any]:
    if ask.only.federation_format:
        return event.pdu
    mine = event.sender == ask.user_id
    device_id = ask.requester.device_id if mine else None
    whole = client_event(event, now, device_id, in_room=True)
    return only_fields(whole, ask.only.fields)


def _movements(
    room: Room, since: int, up_to: int
) -> tuple[list[str], set[str], set[str]]:
    """Whose membership changed, who came, and who went."""
    moved, met, parted = [], set(), set()
    for event in room.between(since, up_to):
        if event.type != "m.room.member" or event.state_key is None:
            continue
        moved.append(event.state_key)
        before = event.replaces is not None and event.replaces.membership == "join"
        if event.membership == "join" and not before:
            met.add(event.state_key)
        elif before and event.membership != "join":
            parted.add(event.state_key)
    return moved, met, parted


def summary(room: Room, user_id: str) -> dict[str, Any]:
    """How a client names a room that has no name."""
    others = (room.joined | room.invited) - {user_id}
    if not others:
        # Whoever is left alone remembers with whom they were.
        others = {key for kind, key in room.state if kind == "m.room.member"} - {
            user_id
        }
    return {
        "m.heroes": nsmallest(_HEROES, others),
        "m.joined_member_count": len(room.joined),
        "m.invited_member_count": len(room.invited),
    }
