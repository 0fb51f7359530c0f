"""What came after a token: one flat list of events, as `GET /events` answers it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import attrs

from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.history import page
from matrix_presence.homeserver.old_streams.listener import (
    Events,
    Listener,
    PresenceStream,
)
from matrix_presence.homeserver.old_streams.shapes import in_room, old_client_event
from matrix_presence.homeserver.receipts import Receipts
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.homeserver.stripped_state import told_of_room
from matrix_presence.homeserver.sync.filters import EventFilter
from matrix_presence.homeserver.sync.token import SyncToken
from matrix_presence.homeserver.typing_notices import TypingNotices
from matrix_presence.homeserver.visibility import horizon, was_member
from matrix_presence.wire.filters import EVENT_TYPE


class Stretch(NamedTuple):
    """A stretch of a stream."""

    events: Events
    #: The token from which on it goes on.
    end: SyncToken
    #: Whether there was more to look at, so that there is nothing to wait for.
    goes_on: bool


@attrs.frozen
class StreamNews:
    """Finds what is new to one client."""

    rooms: Rooms
    receipts: Receipts
    typing: TypingNotices
    accounts: Accounts
    presence: PresenceStream

    def now(self) -> SyncToken:
        """The token from which on nothing has happened yet."""
        # Messages to devices are left to /sync: 0 acknowledges none.
        return SyncToken(
            self.rooms.positions.current,
            self.accounts.position,
            0,
            self.presence.position(),
        )

    def after(self, listener: Listener, since: SyncToken, limit: int) -> Stretch:
        """What came after `since`.

        Args:
            limit: of events of rooms. If there are more, a receipt or typing notice
                that is newer than the last of them comes again with the others.

        Raises:
            Forbidden: the only room that is listened to may not be seen any more.
        """
        up_to = self.rooms.positions.current
        events, stopped = self._events(listener, since.rooms, limit)
        chunk = [self._shown(listener, event) for event in events]
        chunk += self._ephemeral(listener, since.rooms)
        account = self.accounts.position
        if listener.room is None and account > since.account:
            chunk += self._account_data(listener, since.account)
        told, presence = self._presence(listener, since.presence, events)
        chunk += told
        rooms = up_to if stopped is None else stopped
        end = since._replace(rooms=rooms, account=account, presence=presence)
        return Stretch(chunk, end, stopped is not None)

    def _events(
        self, listener: Listener, since: int, limit: int
    ) -> tuple[list[Event], int | None]:
        """The first events after `since`; where they stop, if there are more."""
        found: list[Event] = []
        stops: list[int] = []
        for room, end in self._stretches(listener, since):
            if end <= since:
                continue
            only = EventFilter(limit=limit)
            part = page(room, listener.user_id, since, end, only, listener.ignored)
            found += part.events
            if part.end is not None:
                stops.append(part.end)
        found += self._only_own(listener, since)
        found.sort(key=_position)
        if len(found) > limit:
            stops.append(found[limit - 1].position)
        if not stops:
            return found, None
        stop = min(stops)
        return [event for event in found if event.position <= stop], stop

    def _stretches(self, listener: Listener, since: int) -> Iterator[tuple[Room, int]]:
        """The rooms in which something may be new, and up to where it is seen."""
        if listener.room is not None:
            seen_to = horizon(listener.room, listener.user_id)
            yield (
                listener.room,
                listener.room.timeline[-1].position if seen_to is None else seen_to,
            )
            return
        user = self.rooms.of(listener.user_id)
        for room in user.joined.values():
            if room.changed > since:
                yield room, room.timeline[-1].position
        if user.changed > since:
            for own in user.others.values():
                left = self.rooms.get(own.room_id)
                if own.position > since and left is not None:
                    if was_member(left, listener.user_id):
                        yield left, own.position

    def _only_own(self, listener: Listener, since: int) -> Iterator[Event]:
        """The user's own member events of rooms that they were never in: invites."""
        user = self.rooms.of(listener.user_id)
        if listener.room is not None or user.changed <= since:
            return
        for own in user.others.values():
            room = self.rooms.get(own.room_id)
            if own.position <= since:
                continue
            if own.membership == "invite" and own.sender in listener.ignored:
                continue
            if room is None or not was_member(room, listener.user_id):
                yield own

    def _shown(self, listener: Listener, event: Event) -> dict[str, object]:
        is_invite = event.membership == "invite" and event.state_key == listener.user_id
        return old_client_event(
            event,
            self.rooms.now(),
            listener.device_of(event.sender),
            told_of_room(self.rooms, event) if is_invite else None,
        )

    def _ephemeral(self, listener: Listener, since: int) -> Events:
        """Typing notices and receipts."""
        if listener.room is not None:
            rooms = [listener.room]
            if horizon(listener.room, listener.user_id) is not None:
                return []
        else:
            rooms = list(self.rooms.of(listener.user_id).joined.values())
        return [
            in_room(room.room_id, event)
            for room in rooms
            if room.changed > since
            for event in (
                self.typing.event(room, since),
                self.receipts.event(room, listener.user_id, since),
            )
            if event is not None
        ]

    def _account_data(self, listener: Listener, since: int) -> Events:
        own, by_room = self.accounts.sync_account_data(listener.user_id, since)
        for room_id, events in by_room.items():
            own += [in_room(room_id, event) for event in events]
        return own

    def _presence(
        self, listener: Listener, since: int, events: list[Event]
    ) -> tuple[Events, int]:
        """Who changed; and with each join, the presence of who came in (A-105)."""
        joins = [event for event in events if _is_join(event)]
        if joins:
            self.presence.settle()
        user_id, era = listener.user_id, listener.era
        told, position = self.presence.part(user_id, since, era, listener.room_id)
        known = {one["sender"] for one in told if one["type"] == EVENT_TYPE}
        for join in joins:
            # To who has come in themself, all the others are new.
            among = None if join.state_key == user_id else [str(join.state_key)]
            for event in self.presence.members(user_id, join.room_id, era, among):
                if event["sender"] not in known:
                    known.add(event["sender"])
                    told.append(event)
        return told, position


def _is_join(event: Event) -> bool:
    before = event.replaces
    return event.membership == "join" and (
        before is None or before.membership != "join"
    )


def _position(event: Event) -> int:
    return event.position
