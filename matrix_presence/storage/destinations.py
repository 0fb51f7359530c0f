"""What is kept of other servers, in SQL.

Reading trusts nothing, as with users: a row that we would not have written is left out,
and its server is treated like one of which nothing is known.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from matrix_presence.interfaces import DestinationRow
from matrix_presence.storage.connection import Cursor
from matrix_presence.storage.slices import Unreadable, read_slice

logger = logging.getLogger(__name__)

_COLUMNS = "server_name, failures, failing_since, retry_ts, owed, unwanted_until"
_UPSERT = f"""
INSERT INTO presence_destinations ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (server_name) DO UPDATE SET
    failures = excluded.failures,
    failing_since = excluded.failing_since,
    retry_ts = excluded.retry_ts,
    owed = excluded.owed,
    unwanted_until = excluded.unwanted_until
"""
_DELETE = "DELETE FROM presence_destinations WHERE server_name = ?"
_SLICE = f"""
SELECT {_COLUMNS} FROM presence_destinations
WHERE server_name > ? ORDER BY server_name LIMIT ?
"""


def write_destinations(rows: Sequence[DestinationRow], cursor: Cursor) -> None:
    """Store these; of those with nothing to be kept, nothing is."""
    kept = [row for row in rows if not row.is_plain]
    left_out = cursor.execute_each(_UPSERT, list(map(_to_columns, kept)))
    if left_out:
        # It is tried sooner than it would be, that is all.
        logger.warning("The store refused the state of %d servers", len(left_out))
    plain = [(row.server_name,) for row in rows if row.is_plain]
    if plain:
        cursor.execute_each(_DELETE, plain)


def load_destinations(
    after: str, limit: int, cursor: Cursor
) -> Sequence[DestinationRow]:
    """A slice; empty only at the end."""
    return read_slice(cursor, _SLICE, (after,), limit, _from_columns, _complain)


def _complain(columns: Sequence[Any], error: Unreadable) -> None:
    logger.warning("Left out the stored state of %r: %s", columns[0], error)


def _to_columns(row: DestinationRow) -> tuple[Any, ...]:
    return (
        row.server_name,
        row.failures,
        row.failing_since,
        row.retry_ts,
        int(row.owed),
        row.unwanted_until,
    )


def _from_columns(columns: Sequence[Any]) -> DestinationRow:
    server_name, failures, failing_since, retry_ts, owed, unwanted_until = columns
    numbers = (failures, failing_since, retry_ts, unwanted_until)
    if any(type(number) is not int or number < 0 for number in numbers):
        raise Unreadable("a number of it is none")
    if owed not in (0, 1):
        raise Unreadable("owed is neither 0 nor 1")
    return DestinationRow(
        server_name,
        failures,
        failing_since,
        retry_ts,
        owed == 1,
        unwanted_until,
    )
