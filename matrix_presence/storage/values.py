"""An INSERT of one row as one of many, which both engines carry out far faster.

On SQLite each statement lets go of Python's global lock and must win it back from a
busy reactor; on PostgreSQL each is parsed and planned.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ONE_ROW = re.compile(r"\bVALUES\s*(\((?:\?,\s*)*\?\))", re.IGNORECASE)


@lru_cache(maxsize=1000)
def around_values(sql: str) -> tuple[str, str, str] | None:
    """What comes before the `(?, ?)` of an INSERT, itself, and what comes after.

    None if the statement cannot take many rows: it is not `VALUES` followed by nothing
    but placeholders, or there are placeholders elsewhere.
    """
    match = _ONE_ROW.search(sql)
    if match is None or match[1].count("?") != sql.count("?"):
        return None
    return sql[: match.start(1)], match[1], sql[match.end(1) :]


@lru_cache(maxsize=1000)
def with_rows(sql: str, count: int) -> str | None:
    """The same INSERT with this many rows, or None if it takes only one."""
    parts = around_values(sql)
    if parts is None:
        return None
    before, row, after = parts
    return before + ", ".join([row] * count) + after
