"""Rooms as they are stored: one row for each event, in the order of the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import attrs
import orjson

from matrix_presence.homeserver.events import Event, Standing
from matrix_presence.homeserver.journal import Journal
from matrix_presence.storage.connection import Statement


@attrs.frozen
class EventRow:
    """One stored event."""

    position: int
    event_id: str
    room_id: str
    pdu: dict[str, Any]
    standing: Standing
    #: The device and transaction id it was sent with, if a client of ours sent it.
    transaction: tuple[str, str] | None
    #: The ids of the state before it, where history begins anew with it.
    state_ids: list[str] | None


@attrs.frozen
class RoomRows:
    """Writes and reads the events of all rooms."""

    journal: Journal

    def write(self, event: Event) -> None:
        """Store this event, which was not stored before."""
        self.journal.write_all((insertion(event),))

    def erase(self, event: Event) -> None:
        """Store this event no more; it is to be stored anew at another position."""
        self.journal.write("DELETE FROM room_events WHERE position = ?", event.position)

    def write_pdu(self, event: Event) -> None:
        """Store what is left of an event that was redacted."""
        self.journal.write(
            "UPDATE room_events SET pdu = ? WHERE position = ?",
            orjson.dumps(event.pdu).decode(),
            event.position,
        )

    def write_entry(self, event: Event, state: Iterable[Event]) -> None:
        """Store that history begins anew with this event, after this state."""
        self.journal.write(
            "INSERT INTO room_entries (position, state) VALUES (?, ?)",
            event.position,
            orjson.dumps([each.event_id for each in state]).decode(),
        )

    async def load(self) -> AsyncIterator[EventRow]:
        """Every event there is, in the order of positions."""
        entries = dict(
            await self.journal.all_rows("SELECT position, state FROM room_entries")
        )
        sql = (
            "SELECT position, event_id, room_id, pdu, device_id, txn_id, standing"
            " FROM room_events WHERE position > ? ORDER BY position LIMIT ?"
        )
        async for (
            position,
            event_id,
            room_id,
            pdu,
            device_id,
            txn_id,
            standing,
        ) in self.journal.rows(sql):
            state = entries.get(position)
            yield EventRow(
                position,
                event_id,
                room_id,
                orjson.loads(pdu),
                Standing(standing),
                None if txn_id is None else (device_id, txn_id),
                None if state is None else orjson.loads(state),
            )


def insertion(event: Event) -> Statement:
    """What stores this event as it is now."""
    device_id, txn_id = event.transaction or (None, None)
    return _INSERT, (
        event.position,
        event.event_id,
        event.room_id,
        orjson.dumps(event.pdu).decode(),
        device_id,
        txn_id,
        int(event.standing),
    )


_INSERT = """
INSERT INTO room_events
  (position, event_id, room_id, pdu, device_id, txn_id, standing)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
