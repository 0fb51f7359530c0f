"""What there is at the beginning: the answers of the initial syncs.

Source: r0.1.0, `GET /initialSync` and `GET /rooms/{roomId}/initialSync`.
"""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.homeserver.accounts import Accounts
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
from matrix_presence.homeserver.stripped_state import told_of_room
from matrix_presence.homeserver.sync.filters import EventFilter
from matrix_presence.homeserver.sync.timeline import newest
from matrix_presence.homeserver.sync.token import SyncToken, history_token
from matrix_presence.homeserver.visibility import horizon, was_member


@attrs.frozen
class Snapshots:
    """Describes rooms and presence as they are."""

    rooms: Rooms
    receipts: Receipts
    directory: RoomDirectory
    accounts: Accounts
    presence: PresenceStream

    def of_everything(
        self, listener: Listener, limit: int, *, archived: bool
    ) -> dict[str, Any]:
        """The body of an initial sync (A-100).

        Args:
            limit: of messages of each room.
            archived: also the rooms that the user has left.
        """
        presence, position = self.presence.initial(listener.user_id, listener.era)
        own, by_room = self.accounts.sync_account_data(listener.user_id, None)
        user = self.rooms.of(listener.user_id)
        rooms, receipts = [], []
        for room in user.joined.values():
            rooms.append(self._room(listener, room, limit, by_room, None))
            receipts += self._receipts(listener, room)
        for own_event in user.others.values():
            outside = self.rooms.get(own_event.room_id)
            if _is_shown_invite(listener, own_event):
                rooms.append(self._invite(own_event))
            elif outside is None:
                continue
            elif archived and self._is_archived(listener, outside, own_event):
                seen_to = own_event.position
                rooms.append(self._room(listener, outside, limit, by_room, seen_to))
        # Messages to devices are left to /sync: 0 acknowledges none.
        end = SyncToken(
            self.rooms.positions.current, self.accounts.position, 0, position
        )
        return {
            "end": str(end),
            "rooms": rooms,
            "presence": presence,
            "receipts": receipts,
            "account_data": own,
        }

    def of_room(self, listener: Listener, room: Room, limit: int) -> dict[str, Any]:
        """The body of the initial sync of one room (A-103).

        Raises:
            Forbidden: it may not be seen.
        """
        seen_to = horizon(room, listener.user_id)
        _, by_room = self.accounts.sync_account_data(listener.user_id, None)
        described = self._room(listener, room, limit, by_room, seen_to)
        described["presence"] = described["receipts"] = []
        if seen_to is None:
            described["presence"] = self.presence.members(
                listener.user_id, room.room_id, listener.era
            )
            described["receipts"] = self._receipts(listener, room)
        return described

    def _room(
        self,
        listener: Listener,
        room: Room,
        limit: int,
        account_data: dict[str, Events],
        seen_to: int | None,
    ) -> dict[str, Any]:
        """A room, as it is now or as it was at the position up to which it is seen."""
        end = room.timeline[-1].position if seen_to is None else seen_to
        only = EventFilter(limit=limit)
        timeline = newest(room, listener.user_id, 0, end, only, listener.ignored)
        state = room.state if seen_to is None else room.state_at(seen_to)
        described: dict[str, Any] = {
            "room_id": room.room_id,
            "visibility": self._visibility(room),
            "messages": {
                "start": history_token(timeline.start),
                "end": history_token(end),
                "chunk": self._shown(listener, timeline.events),
            },
            "state": self._shown(listener, list(state.values())),
            "account_data": account_data.get(room.room_id, []),
        }
        membership = room.membership(listener.user_id)
        if membership is not None:
            described["membership"] = membership
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

    def _shown(self, listener: Listener, events: list[Event]) -> Events:
        now = self.rooms.now()
        return [
            old_client_event(event, now, listener.device_of(event.sender))
            for event in events
        ]


def _is_shown_invite(listener: Listener, own: Event) -> bool:
    return own.membership == "invite" and own.sender not in listener.ignored
