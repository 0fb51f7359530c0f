"""To-device messages on their way: kept until the device has them.

Source: client-server API, "Send-to-Device messaging". A device acknowledges what it
got by the `since` of its next /sync.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson

from matrix_presence.homeserver.commits import written
from matrix_presence.homeserver.listeners import Listeners, tell
from matrix_presence.homeserver.positions import Positions
from matrix_presence.storage.connection import Cursor, Statement
from matrix_presence.storage.database import Database

Event = dict[str, Any]
Address = tuple[str, str]
"""A user id and one of its device ids."""

#: Messages for one device. Who is away for longer than this asks for the keys again.
_LONGEST = 10_000


class Inbox:
    """The messages that wait for each device."""

    def __init__(
        self, database: Database, positions: Positions, listeners: Listeners
    ) -> None:
        self._database = database
        self._positions = positions
        self._listeners = listeners
        self._waiting: dict[Address, deque[tuple[int, Event]]] = {}

    def read(self, cursor: Cursor) -> None:
        """Take over what is stored."""
        cursor.execute(
            "SELECT user_id, device_id, position, event FROM device_inbox"
            " ORDER BY position"
        )
        for user_id, device_id, position, event in cursor.fetchall():
            queue = self._queue((user_id, device_id))
            queue.append((position, orjson.loads(event)))
            self._positions.seen(position)

    async def send(self, events: dict[Address, Event]) -> None:
        """Put these messages into the inboxes of these devices.

        Raises:
            NotStored: they could not be written down.
        """
        statements: list[Statement] = []
        for address, event in events.items():
            position = self._positions.next()
            queue = self._queue(address)
            if len(queue) == _LONGEST:
                statements.append(_deletion(address, queue[0][0]))
            queue.append((position, event))
            row = (*address, position, orjson.dumps(event).decode())
            statements.append((_STORE, row))
        for user_id in {user_id for user_id, _ in events}:
            tell(self._listeners.something_for, user_id)
        await written(self._database, *statements)

    def after(
        self, user_id: str, device_id: str, since: int
    ) -> tuple[list[Event], int]:
        """The messages after this position, and the position up to which they go.

        Those up to `since` have arrived and are deleted.
        """
        queue = self._waiting.get((user_id, device_id))
        if queue is None:
            return [], self._positions.current
        if queue[0][0] <= since:
            while queue and queue[0][0] <= since:
                queue.popleft()
            if not queue:
                del self._waiting[user_id, device_id]
            # Nobody waits for this: deleted late, it is only sent again.
            sql, params = _deletion((user_id, device_id), since)
            self._database.write(sql, params).addErrback(_forgotten)
        return [event for _, event in queue], self._positions.current

    def forget(self, user_id: str, device_id: str) -> Statement:
        """Drop what waits for this device; answers the statement to do it on disk."""
        self._waiting.pop((user_id, device_id), None)
        return (
            "DELETE FROM device_inbox WHERE user_id = ? AND device_id = ?",
            (user_id, device_id),
        )

    def _queue(self, address: Address) -> deque[tuple[int, Event]]:
        return self._waiting.setdefault(address, deque(maxlen=_LONGEST))


_STORE = """
INSERT INTO device_inbox (user_id, device_id, position, event) VALUES (?, ?, ?, ?)
"""


def _deletion(address: Address, up_to: int) -> Statement:
    return (
        "DELETE FROM device_inbox WHERE user_id = ? AND device_id = ?"
        " AND position <= ?",
        (*address, up_to),
    )


def _forgotten(_failure: object) -> None:
    """A deletion failed: the messages come again after a restart, no harm done."""
