"""What the rooms write down, and waiting until it is on disk.

Memory changes first; an endpoint says 200 only after `stored`. What was written in one
turn of the reactor is stored together or not at all, so a crash leaves no half-made
room.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from matrix_presence.homeserver.commits import written
from matrix_presence.storage.connection import Cursor, Statement
from matrix_presence.storage.database import Database

#: Rows read at a time; handling them must not hold the reactor for long.
SLICE = 250


class Journal:
    """The rooms' way to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unit: list[Statement] = []

    def write(self, sql: str, *params: Any) -> None:
        """Have this statement executed with the next `stored`."""
        self._unit.append((sql, params))

    def write_all(self, statements: Iterable[Statement]) -> None:
        """Have these executed with the next `stored`, in their order."""
        self._unit += statements

    async def stored(self) -> None:
        """Store what was written; done when it is committed.

        Raises:
            NotStored: it could not be.
        """
        unit, self._unit = self._unit, []
        await written(self._database, *unit)

    async def settled(self) -> None:
        """Wait until all that was given to the database so far is committed."""
        await self._database.run(_nothing)

    async def rows(self, sql: str) -> AsyncIterator[tuple[Any, ...]]:
        """Read a table in slices.

        Args:
            sql: a SELECT with an integer key above 0 as its first column, in its
                order, with the parameters `key > ?` and `LIMIT ?`.
        """
        after = 0
        while True:
            rows = await self._database.run(_reader(sql, (after, SLICE)))
            for row in rows:
                yield row
            if len(rows) < SLICE:
                return
            after = rows[-1][0]

    async def all_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read a table that is never large."""
        return await self._database.run(_reader(sql, ()))


def _nothing(_cursor: Cursor) -> None:
    """A transaction that only waits for its turn."""


def _reader(
    sql: str, params: Sequence[Any]
) -> Callable[[Cursor], list[tuple[Any, ...]]]:
    def read(cursor: Cursor) -> list[tuple[Any, ...]]:
        cursor.execute(sql, params)
        return [tuple(row) for row in cursor.fetchall()]

    return read
