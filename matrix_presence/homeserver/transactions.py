"""Requests that clients repeat, recognised by their transaction ids.

A client that did not read the answer sends its message again, perhaps after a restart
of this server, and must get the answer of the first time.
"""

from __future__ import annotations

from matrix_presence.homeserver.events import Event

#: Of the events sent with a transaction id, the last so many are remembered.
KEPT = 10_000

_Key = tuple[str, str, str, str, str]


class Transactions:
    """The events that were sent with a transaction id, by who sent them and how."""

    def __init__(self) -> None:
        self._events: dict[_Key, Event] = {}

    def add(self, event: Event) -> None:
        """Remember an event that has a transaction."""
        assert event.transaction is not None
        device_id, txn_id = event.transaction
        key = (event.sender, device_id, event.room_id, event.type, txn_id)
        self._events[key] = event
        if len(self._events) > KEPT:
            del self._events[next(iter(self._events))]

    def find(
        self, user_id: str, transaction: tuple[str, str], room_id: str, event_type: str
    ) -> Event | None:
        """The event that this request made before; None if it is new."""
        device_id, txn_id = transaction
        return self._events.get((user_id, device_id, room_id, event_type, txn_id))
