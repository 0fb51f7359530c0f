"""What is new in the rooms of one user: the `rooms` of a /sync."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.homeserver.sync.ask import Ask
from matrix_presence.homeserver.sync.room_parts import Making, RoomPart, RoomParts

_DataByRoom = Mapping[str, list[dict[str, Any]]]


@attrs.frozen
class _As:
    """What a part depends on: while this stays the same, the part is right."""

    #: The newest thing in the room.
    changed: int
    #: The user's own member event; None in a room that they are in.
    own: Event | None = attrs.field(default=None, eq=id)


class RoomNews:
    """What is new in the rooms of one user, looked for room by room.

    That may take many turns of the reactor, and rooms change meanwhile. Each is looked
    at as it is at that moment, and `steps`, called again, looks again at those that are
    not what they were: once it went through without a pause, all is of one moment.

    Args:
        since: what happened up to this position is known; None for nothing.
    """

    def __init__(
        self, rooms: Rooms, parts: RoomParts, ask: Ask, since: int | None
    ) -> None:
        self._rooms = rooms
        self._parts = parts
        self._ask = ask
        self._since = since
        self._found: dict[str, tuple[_As, RoomPart | None]] = {}

    def steps(self, account_data: _DataByRoom) -> Iterator[None]:
        """Look at what was not looked at as it is now; pause between.

        Args:
            account_data: what is new in the account data of rooms.
        """
        known, self._found = self._found, {}
        due = []
        for room_id, room, own in self._concerned(account_data):
            found = known.get(room_id)
            if found is not None and found[0] == _as(room, own):
                self._found[room_id] = found
            else:
                due.append(room_id)
        for number, room_id in enumerate(due):
            if number:
                yield
            # It is not where it was, if that pause was a long one.
            user = self._rooms.of(self._ask.user_id)
            room, own = self._rooms.get(room_id), user.others.get(room_id)
            making: Making
            if own is not None:
                making = self._parts.other(self._ask, own, self._since)
            elif room is not None and room_id in user.joined:
                making = self._parts.joined(self._ask, room, self._since)
            else:
                continue
            as_it_is = _as(room, own)
            self._found[room_id] = as_it_is, (yield from making)

    def _concerned(
        self, account_data: _DataByRoom
    ) -> Iterator[tuple[str, Room | None, Event | None]]:
        """The rooms in which there is something new, with the user's member event."""
        ask, since = self._ask, self._since
        user, wanted = self._rooms.of(ask.user_id), ask.only.rooms
        for room_id, room in user.joined.items():
            if since is None or ask.full_state or room.changed > since:
                pass
            elif room_id not in account_data:
                continue
            if wanted.allows_room(room_id):
                yield room_id, room, None
        if since is None or user.changed > since:
            for room_id, own in user.others.items():
                if since is None or own.position > since:
                    if wanted.allows_room(room_id):
                        yield room_id, self._rooms.get(room_id), own

    def parts(self, account_data: _DataByRoom) -> dict[str, Any]:
        """The `rooms` of the answer: what is not empty."""
        kinds: dict[str, Any] = {}
        allows_type = self._ask.only.room_account_data.allows_type
        for room_id, (_, part) in self._found.items():
            if part is None:
                continue
            body, is_news = part.body, part.is_news
            if part.kind == "join" and room_id in account_data:
                data = [
                    one for one in account_data[room_id] if allows_type(one["type"])
                ]
                body = {**body, "account_data": {"events": data}}
                is_news = is_news or bool(data)
            if is_news:
                kinds.setdefault(part.kind, {})[room_id] = body
        return kinds

    def met(self) -> set[str]:
        """Users whom the client now shares a room with: their devices count."""
        found = (part for _, part in self._found.values() if part is not None)
        met = set().union(*(part.met for part in found))
        return met - {self._ask.user_id}

    def parted(self) -> set[str]:
        """Users whom the client shares no room with any more."""
        found = (part for _, part in self._found.values() if part is not None)
        parted = set().union(*(part.parted for part in found))
        return {
            other
            for other in parted
            if not self._rooms.share_a_room(self._ask.user_id, other)
        }


def _as(room: Room | None, own: Event | None) -> _As:
    return _As(0 if room is None else room.changed, own)
