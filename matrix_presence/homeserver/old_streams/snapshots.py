"""What there is at the beginning: the answers of the initial syncs.

Source: r0.1.0, `GET /initialSync` and `GET /rooms/{roomId}/initialSync`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import attrs
import orjson

from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.encoded_events import encoded_events
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.old_streams.listener import (
    Events,
    Listener,
    PresenceStream,
)
from matrix_presence.homeserver.old_streams.shapes import in_room, old_client_event
from matrix_presence.homeserver.receipts import Receipts
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.homeserver.slices import Slices
from matrix_presence.homeserver.stripped_state import told_of_room
from matrix_presence.homeserver.sync.filters import EventFilter
from matrix_presence.homeserver.sync.timeline import newest
from matrix_presence.homeserver.sync.token import SyncToken, history_token
from matrix_presence.homeserver.visibility import horizon, was_member


@attrs.frozen
class _Described:
    """A room of an initial sync."""

    #: The newest thing in it, the user's own member event where they are not in it, and
    #: their account data: while these stay the same, so does the rest.
    as_of: tuple[int, str | None, Events]
    #: None for one that is not shown.
    room: dict[str, Any] | None
    receipts: Events


_Descriptions = dict[str, _Described]
_Making = Generator[None, None, dict[str, Any]]


@attrs.frozen
class Snapshots:
    """Describes rooms and presence as they are.

    Those that are long to make are made in slices of the reactor's time, and are what
    they would be had they been made at once, at the end.
    """

    rooms: Rooms
    receipts: Receipts
    directory: RoomDirectory
    accounts: Accounts
    presence: PresenceStream
    slices: Slices

    async def of_everything(
        self, listener: Listener, limit: int, *, archived: bool
    ) -> dict[str, Any]:
        """The body of an initial sync (A-100).

        Args:
            limit: of messages of each room.
            archived: also the rooms that the user has left.
        """
        described: _Descriptions = {}
        await self.slices.settle(
            lambda: self._look(described, listener, limit, archived)
        )
        # From here on nothing is waited for: what `end` says has been looked at.
        presence, position = self.presence.initial(listener.user_id, listener.era)
        own, _ = self.accounts.sync_account_data(listener.user_id, None)
        # Messages to devices are left to /sync: 0 acknowledges none.
        end = SyncToken(
            self.rooms.positions.current, self.accounts.position, 0, position
        )
        found = described.values()
        return {
            "end": str(end),
            "rooms": [one.room for one in found if one.room is not None],
            "presence": presence,
            "receipts": [receipt for one in found for receipt in one.receipts],
            "account_data": own,
        }

    def _look(
        self,
        described: _Descriptions,
        listener: Listener,
        limit: int,
        archived: bool,
    ) -> Iterator[None]:
        """Describe the rooms that are not described as they are; pause between."""
        _, by_room = self.accounts.sync_account_data(listener.user_id, None)
        user = self.rooms.of(listener.user_id)
        known = described.copy()
        described.clear()
        for room_id in (*user.joined, *user.others):
            room, own = self.rooms.get(room_id), user.others.get(room_id)
            if own is None and room_id not in user.joined:
                continue
            data = by_room.get(room_id, [])
            as_of = _as_of(room, own, data)
            found = known.get(room_id)
            if found is None or found.as_of != as_of:
                shown, receipts = None, []
                if own is not None and _is_shown_invite(listener, own):
                    shown = self._invite(own)
                elif room is not None and own is None:
                    receipts = self._receipts(listener, room)
                    shown = yield from self._room(listener, room, limit, data, None)
                elif room is not None and own is not None:
                    if archived and self._is_archived(listener, room, own):
                        seen_to = own.position
                        shown = yield from self._room(
                            listener, room, limit, data, seen_to
                        )
                found = _Described(as_of, shown, receipts)
                yield
            described[room_id] = found

    async def of_room(
        self, listener: Listener, room: Room, limit: int
    ) -> dict[str, Any]:
        """The body of the initial sync of one room (A-103).

        Raises:
            Forbidden: it may not be seen.
        """
        described: _Descriptions = {}
        await self.slices.settle(
            lambda: self._look_into(room, described, listener, limit)
        )
        found = described[room.room_id]
        presence: Events = []
        if horizon(room, listener.user_id) is None:
            presence = self.presence.members(
                listener.user_id, room.room_id, listener.era
            )
        return {**(found.room or {}), "presence": presence, "receipts": found.receipts}

    def _look_into(
        self, room: Room, described: _Descriptions, listener: Listener, limit: int
    ) -> Iterator[None]:
        seen_to = horizon(room, listener.user_id)
        _, by_room = self.accounts.sync_account_data(listener.user_id, None)
        data = by_room.get(room.room_id, [])
        as_of = _as_of(room, None, data)
        found = described.get(room.room_id)
        if found is None or found.as_of != as_of:
            receipts = self._receipts(listener, room) if seen_to is None else []
            shown = yield from self._room(listener, room, limit, data, seen_to)
            described[room.room_id] = _Described(as_of, shown, receipts)

    def _room(
        self,
        listener: Listener,
        room: Room,
        limit: int,
        account_data: Events,
        seen_to: int | None,
    ) -> _Making:
        """A room, as it is now or as it was at the position up to which it is seen."""
        end = room.timeline[-1].position if seen_to is None else seen_to
        only = EventFilter(limit=limit)
        timeline = newest(room, listener.user_id, 0, end, only, listener.ignored)
        state = room.state if seen_to is None else room.state_at(seen_to)
        state_events = list(state.values())
        described: dict[str, Any] = {
            "room_id": room.room_id,
            "visibility": self._visibility(room),
            "account_data": account_data,
        }
        membership = room.membership(listener.user_id)
        if membership is not None:
            described["membership"] = membership
        described["messages"] = {
            "start": history_token(timeline.start),
            "end": history_token(end),
            "chunk": (yield from self._shown(listener, timeline.events)),
        }
        described["state"] = yield from self._shown(listener, state_events)
        return described

    def _is_archived(self, listener: Listener, room: Room, own: Event) -> bool:
        """Whether the user was in this room, and has not forgotten it."""
        return (
            own.membership in ("leave", "ban")
            and was_member(room, listener.user_id)
            and not self.rooms.of(listener.user_id).is_forgotten(own)
        )

    def _invite(self, event: Event) -> dict[str, Any]:
        now, room = self.rooms.now(), self.rooms.get(event.room_id)
        shown = told_of_room(self.rooms, event)
        return {
            "room_id": event.room_id,
            "membership": "invite",
            "visibility": "private" if room is None else self._visibility(room),
            "inviter": event.sender,
            "invite": old_client_event(event, now, room_state=shown),
        }

    def _visibility(self, room: Room) -> str:
        return "public" if self.directory.is_published(room) else "private"

    def _receipts(self, listener: Listener, room: Room) -> Events:
        event = self.receipts.event(room, listener.user_id, 0)
        return [] if event is None else [in_room(room.room_id, event)]

    def _shown(
        self, listener: Listener, events: list[Event]
    ) -> Generator[None, None, orjson.Fragment]:
        now = self.rooms.now()

        def shown(event: Event) -> dict[str, Any]:
            return old_client_event(event, now, listener.device_of(event.sender))

        return (yield from encoded_events(events, shown))


def _as_of(
    room: Room | None, own: Event | None, account_data: Events
) -> tuple[int, str | None, Events]:
    changed = 0 if room is None else room.changed
    return changed, None if own is None else own.event_id, account_data


def _is_shown_invite(listener: Listener, own: Event) -> bool:
    return own.membership == "invite" and own.sender not in listener.ignored
