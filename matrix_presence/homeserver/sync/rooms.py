"""What is new in the rooms of one user: the `rooms` of a /sync."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from matrix_presence.homeserver.events import Event, client_event
from matrix_presence.homeserver.receipts import Receipts
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.homeserver.stripped_state import told_of_room
from matrix_presence.homeserver.sync.filters import SyncFilter
from matrix_presence.homeserver.sync.timeline import (
    Timeline,
    newest,
    state_before,
    state_between,
)
from matrix_presence.homeserver.sync.token import history_token
from matrix_presence.homeserver.typing_notices import TypingNotices
from matrix_presence.homeserver.visibility import was_member
from matrix_presence.interfaces import Requester
from matrix_presence.wire.content import MODERN, Era
from matrix_presence.wire.filters import only_fields

_HEROES = 5


@attrs.frozen
class Ask:
    """What one /sync asks for."""

    requester: Requester
    only: SyncFilter
    full_state: bool = False
    #: Users of whom the client wants to see nothing but state events (A-94).
    ignored: frozenset[str] = frozenset()
    #: How presence is told to who asks.
    era: Era = MODERN

    @property
    def user_id(self) -> str:
        """Who asks."""
        return self.requester.user_id


@attrs.define
class RoomNews:
    """What is new in the rooms of one user."""

    join: dict[str, Any] = attrs.field(factory=dict)
    invite: dict[str, Any] = attrs.field(factory=dict)
    knock: dict[str, Any] = attrs.field(factory=dict)
    leave: dict[str, Any] = attrs.field(factory=dict)
    #: Users whom the client now shares a room with, or no more: their devices count.
    met: set[str] = attrs.field(factory=set)
    parted: set[str] = attrs.field(factory=set)

    def parts(self) -> dict[str, Any]:
        """The `rooms` of the answer: what is not empty."""
        kinds = ("join", "invite", "knock", "leave")
        return {kind: part for kind in kinds if (part := getattr(self, kind))}


class SyncRooms:
    """Finds what is new in the rooms of one user."""

    def __init__(self, rooms: Rooms, receipts: Receipts, typing: TypingNotices) -> None:
        self._rooms = rooms
        self._receipts = receipts
        self._typing = typing

    def news(
        self,
        ask: Ask,
        since: int | None,
        up_to: int,
        account_data: Mapping[str, list[dict[str, Any]]],
    ) -> RoomNews:
        """What is new after `since`, None for everything.

        Args:
            account_data: what is new in the account data of rooms.
        """
        news = RoomNews()
        user = self._rooms.of(ask.user_id)
        for room_id, room in user.joined.items():
            if since is None or ask.full_state or room.changed > since:
                pass
            elif room_id not in account_data:
                continue
            if ask.only.rooms.allows_room(room_id):
                data = account_data.get(room_id, [])
                self._joined(news, ask, room, since, up_to, data)
        if since is None or user.changed > since:
            for event in user.others.values():
                if since is None or event.position > since:
                    self._other(news, ask, event, since)
        news.parted = {
            other
            for other in news.parted
            if not self._rooms.share_a_room(ask.user_id, other)
        }
        news.met -= {ask.user_id}
        return news

    def _joined(
        self,
        news: RoomNews,
        ask: Ask,
        room: Room,
        since: int | None,
        up_to: int,
        account_data: list[dict[str, Any]],
    ) -> None:
        was_in = since is not None and room.membership_at(ask.user_id, since) == "join"
        after = since if was_in and since is not None else 0
        timeline = newest(
            room, ask.user_id, after, up_to, ask.only.timeline, ask.ignored
        )
        moved: Collection[str]
        if was_in and not ask.full_state:
            state = state_between(
                room, ask.user_id, after, up_to, timeline, ask.only.state
            )
            moved = self._movements(news, room, after, up_to)
        else:
            state = state_before(room, ask.user_id, up_to, timeline, ask.only.state)
            moved = room.joined
            if not was_in:
                news.met |= room.joined
        ephemeral = self._ephemeral(ask, room, after)
        wanted = ask.only.room_account_data
        account_data = [
            event for event in account_data if wanted.allows_type(event["type"])
        ]
        if was_in and not (
            timeline.events
            or timeline.limited
            or state
            or ephemeral
            or account_data
            or ask.full_state
        ):
            return
        read_up_to = self._receipts.read_up_to(room, ask.user_id)
        own = room.state["m.room.member", ask.user_id]
        part: dict[str, Any] = {
            "timeline": self._timeline(ask, timeline),
            "state": {"events": self._shown(ask, state)},
            "ephemeral": {"events": ephemeral},
            "account_data": {"events": account_data},
            "unread_notifications": room.unread.counts(
                ask.user_id, read_up_to or own.position
            ),
            "summary": summary(room, ask.user_id) if moved else {},
        }
        news.join[room.room_id] = part

    def _movements(
        self, news: RoomNews, room: Room, since: int, up_to: int
    ) -> list[str]:
        """Who came or went; the client has to know whose devices matter now."""
        moved = []
        for event in room.between(since, up_to):
            if event.type != "m.room.member" or event.state_key is None:
                continue
            moved.append(event.state_key)
            before = event.replaces is not None and event.replaces.membership == "join"
            if event.membership == "join" and not before:
                news.met.add(event.state_key)
            elif before and event.membership != "join":
                news.parted.add(event.state_key)
        return moved

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

    def _other(self, news: RoomNews, ask: Ask, event: Event, since: int | None) -> None:
        """A room that the user is not in."""
        room_id = event.room_id
        if not ask.only.rooms.allows_room(room_id):
            return
        match event.membership:
            case "invite" if event.sender in ask.ignored:
                return
            case "invite":
                told = {"events": told_of_room(self._rooms, event)}
                news.invite[room_id] = {"invite_state": told}
            case "knock":
                news.knock[room_id] = {
                    "knock_state": {"events": told_of_room(self._rooms, event)}
                }
            case _:
                if since is None and not ask.only.include_leave:
                    return
                if self._rooms.of(ask.user_id).is_forgotten(event):
                    return
                room = self._rooms.get(room_id)
                if room is None or self._rooms.outside.get(ask.user_id, room_id):
                    # It was only an invite or a knock: there is nothing else to tell.
                    timeline = Timeline([event], False, event.position - 1)
                    news.leave[room_id] = self._parting(ask, timeline, [])
                else:
                    self._left(news, ask, room, event, since)

    def _left(
        self, news: RoomNews, ask: Ask, room: Room, own: Event, since: int | None
    ) -> None:
        before = None if since is None else room.membership_at(ask.user_id, since)
        after = since if before == "join" and since is not None else 0
        timeline = newest(
            room, ask.user_id, after, own.position, ask.only.timeline, ask.ignored
        )
        if before == "join":
            state = state_between(
                room, ask.user_id, after, own.position, timeline, ask.only.state
            )
            news.parted |= room.joined
        elif was_member(room, ask.user_id):
            state = state_before(
                room, ask.user_id, own.position, timeline, ask.only.state
            )
        else:
            # Never a member: all there is to tell is that it is over.
            state = []
        news.leave[room.room_id] = self._parting(ask, timeline, state)

    def _parting(
        self, ask: Ask, timeline: Timeline, state: list[Event]
    ) -> dict[str, Any]:
        return {
            "timeline": self._timeline(ask, timeline),
            "state": {"events": self._shown(ask, state)},
            "account_data": {"events": []},
        }

    def _timeline(self, ask: Ask, timeline: Timeline) -> dict[str, Any]:
        return {
            "events": self._shown(ask, timeline.events),
            "limited": timeline.limited,
            "prev_batch": history_token(timeline.start),
        }

    def _shown(self, ask: Ask, events: list[Event]) -> list[dict[str, Any]]:
        """The events in the format that the client asked for."""
        if ask.only.federation_format:
            return [event.pdu for event in events]
        now, fields = self._rooms.now(), ask.only.fields
        shown = []
        for event in events:
            mine = event.sender == ask.user_id
            device_id = ask.requester.device_id if mine else None
            whole = client_event(event, now, device_id, in_room=True)
            shown.append(only_fields(whole, fields))
        return shown


def summary(room: Room, user_id: str) -> dict[str, Any]:
    """How a client names a room that has no name."""
    others = (room.joined | room.invited) - {user_id}
    if not others:
        # Whoever is left alone remembers with whom they were.
        others = {key for kind, key in room.state if kind == "m.room.member"} - {
            user_id
        }
    return {
        "m.heroes": sorted(others)[:_HEROES],
        "m.joined_member_count": len(room.joined),
        "m.invited_member_count": len(room.invited),
    }
