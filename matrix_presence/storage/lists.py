"""The entries of presence lists, in SQL.

Reading trusts nothing, as with users: a row that we would not have written is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from matrix_presence.interfaces import ListRow
from matrix_presence.storage.connection import Cursor
from matrix_presence.storage.slices import Unreadable, read_slice

logger = logging.getLogger(__name__)

_COLUMNS = "observer, observed, accepted, wanted, untold, asked_ts"
_UPSERT = f"""
INSERT INTO presence_lists ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (observer, observed) DO UPDATE SET
    accepted = excluded.accepted,
    wanted = excluded.wanted,
    untold = excluded.untold,
    asked_ts = excluded.asked_ts
"""
_DELETE = "DELETE FROM presence_lists WHERE observer = ? AND observed = ?"
_SLICE = f"""
SELECT {_COLUMNS} FROM presence_lists
WHERE (observer, observed) > (?, ?) ORDER BY observer, observed LIMIT ?
"""

#: What stands in the column `accepted`.
_ACCEPTED = {-1: None, 0: False, 1: True}


def write_lists(rows: Sequence[ListRow], cursor: Cursor) -> set[str]:
    """Store these; who has an entry that the database does not take."""
    kept = [row for row in rows if _is_kept(row)]
    left_out = cursor.execute_each(_UPSERT, list(map(_to_columns, kept)))
    gone = [(row.observer, row.observed) for row in rows if not _is_kept(row)]
    cursor.execute_each(_DELETE, gone)
    refused = [kept[index] for index in left_out]
    return {user for row in refused for user in (row.observer, row.observed)}


def load_lists(after: tuple[str, str], limit: int, cursor: Cursor) -> Sequence[ListRow]:
    """A slice; empty only at the end."""
    return read_slice(cursor, _SLICE, after, limit, _from_columns, _complain)


def _complain(columns: Sequence[Any], error: Unreadable) -> None:
    logger.warning("Left out a stored entry of %r: %s", columns[0], error)


def _is_kept(row: ListRow) -> bool:
    return row.accepted is not None or row.untold


def _to_columns(row: ListRow) -> tuple[Any, ...]:
    accepted = -1 if row.accepted is None else int(row.accepted)
    flags = int(row.wanted), int(row.untold)
    return row.observer, row.observed, accepted, *flags, row.asked_ts


def _from_columns(columns: Sequence[Any]) -> ListRow:
    observer, observed, accepted, wanted, untold, asked_ts = columns
    if type(observer) is not str or type(observed) is not str:
        raise Unreadable("a user id of it is none")
    if accepted not in _ACCEPTED:
        raise Unreadable("accepted is neither -1 nor 0 nor 1")
    if wanted not in (0, 1) or untold not in (0, 1):
        raise Unreadable("wanted or untold is neither 0 nor 1")
    if type(asked_ts) is not int or asked_ts < 0:
        raise Unreadable("asked_ts is no time")
    return ListRow(
        observer, observed, _ACCEPTED[accepted], wanted == 1, untold == 1, asked_ts
    )
