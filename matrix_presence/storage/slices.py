"""Reads stored rows in slices, and leaves out those that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from matrix_presence.storage.connection import Cursor

R = TypeVar("R")


class Unreadable(ValueError):
    """A stored row is not one that we would have written."""


def read_slice(
    cursor: Cursor,
    sql: str,
    after: tuple[Any, ...],
    limit: int,
    read: Callable[[Sequence[Any]], R],
    left_out: Callable[[Sequence[Any], Unreadable], None],
) -> list[R]:
    """At most `limit` rows, those after the key `after`; empty only at the end.

    Whatever is unreadable, it reads on until there is a row to answer with.

    Args:
        sql: takes a key and a limit; what it selects begins with the key.
        left_out: told of each row that `read` raises `Unreadable` for.
    """
    rows: list[R] = []
    while not rows:
        cursor.execute(sql, (*after, limit))
        found = cursor.fetchall()
        if not found:
            break
        after = tuple(found[-1][: len(after)])
        for columns in found:
            try:
                rows.append(read(columns))
            except Unreadable as error:
                left_out(columns, error)
    return rows
