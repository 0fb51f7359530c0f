"""Who is typing in which room.

A notice ends when its time is up. One delayed call serves all of them: it comes when
the first of them may end, looks at those there are, and comes again for the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms

#: A client that says nothing more is typing for at most this long, in milliseconds.
MAX_TIMEOUT = 120_000


class TypingNotices:
    """The typing notices of all rooms, in memory only."""

    def __init__(self, rooms: Rooms, clock: IReactorTime) -> None:
        self._rooms = rooms
        self._clock = clock
        #: By room and user, when the notice ends (epoch milliseconds).
        self._until: dict[str, dict[str, int]] = {}
        #: By room, the position of the last change.
        self._changed: dict[str, int] = {}
        #: None while nobody types.
        self._due: IDelayedCall | None = None
        rooms.tell(self)

    def started(self, room: Room, user_id: str, timeout: int) -> None:
        """The user types, and will for `timeout` milliseconds from now."""
        until = self._rooms.now() + min(timeout, MAX_TIMEOUT)
        typing = self._until.setdefault(room.room_id, {})
        is_new = user_id not in typing
        typing[user_id] = until
        self._come_at(until)
        if is_new:
            self._noticed(room)

    def stopped(self, room: Room, user_id: str) -> None:
        """The user does not type any more."""
        typing = self._until.get(room.room_id)
        if typing is None or typing.pop(user_id, None) is None:
            return
        if not typing:
            del self._until[room.room_id]
        if not self._until:
            self.stop()
        self._noticed(room)

    def event(self, room: Room, since: int) -> dict[str, object] | None:
        """The `m.typing` event; None if nothing changed after `since`.

        From 0 on, "nothing" is also a room in which nobody types.
        """
        typing = self._until.get(room.room_id, {})
        if self._changed.get(room.room_id, 0) <= since or not (typing or since):
            return None
        return {"type": "m.typing", "content": {"user_ids": sorted(typing)}}

    def joined(self, room_id: str, user_id: str) -> None:
        """Nothing: nobody types before they are in a room."""

    def left(self, room_id: str, user_id: str) -> None:
        """Who has left types no more."""
        room = self._rooms.get(room_id)
        if room is not None:
            self.stopped(room, user_id)

    def restore_room(self, room_id: str, user_ids: Sequence[str]) -> None:
        """Nothing: what they type is not known."""

    def stop(self) -> None:
        """Leave nothing in the reactor."""
        if self._due is not None and self._due.active():
            self._due.cancel()
        self._due = None

    def _noticed(self, room: Room) -> None:
        self._changed[room.room_id] = self._rooms.mark(room)
        self._rooms.wake(room)

    def _come_at(self, until: int) -> None:
        """Look at the notices at this time (epoch milliseconds), if not before."""
        if self._due is not None and self._due.active():
            if self._due.getTime() * 1000 <= until:
                return
            self._due.cancel()
        wait = max(0, until - self._rooms.now()) / 1000
        self._due = self._clock.callLater(wait, self._end)

    def _end(self) -> None:
        """End the notices whose time is up."""
        now = self._rooms.now()
        over = [
            (room_id, user_id)
            for room_id, typing in self._until.items()
            for user_id, until in typing.items()
            if until <= now
        ]
        for room_id, user_id in over:
            room = self._rooms.get(room_id)
            assert room is not None
            self.stopped(room, user_id)
        if self._until:
            # A millisecond more: the clock counts in floats, the notices do not.
            self._come_at(min(map(_first_end, self._until.values())) + 1)


def _first_end(typing: dict[str, int]) -> int:
    return min(typing.values())
