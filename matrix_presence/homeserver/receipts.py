"""How far each member has read, and told the others or kept to themself.

Source: client-server API, "Receipts", with threads and private receipts.
"""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import NotFound
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms

PUBLIC, PRIVATE = "m.read", "m.read.private"
#: The thread of the events that belong to none.
MAIN_THREAD = "main"


@attrs.frozen
class Receipt:
    """That a user has read up to an event."""

    event_id: str
    #: When that was (epoch milliseconds).
    ts: int
    #: Its place in the stream of this server.
    position: int


#: User, receipt type, and thread: empty for a receipt that belongs to no thread.
_Key = tuple[str, str, str]


class Receipts:
    """The receipts of all rooms."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._receipts: dict[str, dict[_Key, Receipt]] = {}
        #: By room, the position of the newest receipt.
        self._newest: dict[str, int] = {}

    def read(
        self, room: Room, user_id: str, kind: str, event_id: str, thread: str = ""
    ) -> None:
        """The user has read up to this event. A receipt never moves back.

        Raises:
            NotFound: there is no such event in the room.
        """
        event = room.events.get(event_id)
        if event is None:
            raise NotFound("There is no such event in this room")
        receipts = self._receipts.setdefault(room.room_id, {})
        key = (user_id, kind, thread)
        before = receipts.get(key)
        if before is not None:
            if room.events[before.event_id].position >= event.position:
                return
        position = self._rooms.mark(room)
        receipts[key] = Receipt(event_id, self._rooms.now(), position)
        self._newest[room.room_id] = position
        self._rooms.journal.write(
            "INSERT INTO room_receipts"
            " (room_id, user_id, receipt_type, thread_id, event_id, ts, position)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (room_id, user_id, receipt_type, thread_id) DO UPDATE SET"
            " event_id = excluded.event_id, ts = excluded.ts,"
            " position = excluded.position",
            room.room_id,
            *key,
            event_id,
            receipts[key].ts,
            position,
        )
        self._rooms.wake(room)

    def event(self, room: Room, user_id: str, since: int) -> dict[str, Any] | None:
        """The `m.receipt` event with what is new to this user; None without any."""
        if self._newest.get(room.room_id, 0) <= since:
            return None
        content: dict[str, Any] = {}
        for (reader, kind, thread), receipt in self._of(room).items():
            if receipt.position <= since or (kind == PRIVATE and reader != user_id):
                continue
            shown: dict[str, Any] = {"ts": receipt.ts}
            if thread:
                shown["thread_id"] = thread
            kinds = content.setdefault(receipt.event_id, {})
            kinds.setdefault(kind, {})[reader] = shown
        return {"type": "m.receipt", "content": content} if content else None

    def read_up_to(self, room: Room, user_id: str) -> int:
        """The position of the last event that the user has read; 0 for none."""
        receipts = self._of(room)
        return max(
            room.events[receipt.event_id].position
            if (receipt := receipts.get((user_id, kind, thread)))
            else 0
            for kind in (PUBLIC, PRIVATE)
            for thread in ("", MAIN_THREAD)
        )

    async def load(self) -> None:
        """Read all receipts; the rooms are there already."""
        sql = (
            "SELECT position, room_id, user_id, receipt_type, thread_id, event_id, ts"
            " FROM room_receipts WHERE position > ? ORDER BY position LIMIT ?"
        )
        async for position, room_id, *key, event_id, ts in self._rooms.journal.rows(
            sql
        ):
            room = self._rooms.get(room_id)
            if room is None or event_id not in room.events:
                continue
            user_id, kind, thread = key
            receipts = self._receipts.setdefault(room_id, {})
            receipts[user_id, kind, thread] = Receipt(event_id, ts, position)
            self._newest[room_id] = position
            self._rooms.positions.seen(position)
            room.changed = max(room.changed, position)

    def _of(self, room: Room) -> dict[_Key, Receipt]:
        return self._receipts.get(room.room_id, {})
