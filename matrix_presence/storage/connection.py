"""What the two database engines have in common, as the rest of storage sees them.

A connection belongs to the writer thread from its opening to its end. Nothing here
knows of Deferreds; nothing outside this package knows which engine it talks to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

Row = Sequence[Any]

#: One SQL statement with `?` placeholders, and the values for them.
Statement = tuple[str, Row]

#: Statements that are stored together or not at all.
Unit = Sequence[Statement]


class CannotOpen(Exception):
    """The database is not there, not ours to open, or not a database."""


class InDoubt(Exception):
    """The connection broke during a commit: stored or not, nobody can say."""


class Cursor(Protocol):
    """How a transaction speaks to its database; placeholders are `?` on both engines.

    Integers, floats, texts, bytes and None travel unchanged. There are no booleans
    on SQLite: declare `SMALLINT` and pass `int(flag)`.
    """

    @property
    def rowcount(self) -> int:
        """How many rows the last statement changed."""

    def execute(self, sql: str, params: Row = (), /) -> object:
        """Execute one statement."""

    def executemany(self, sql: str, rows: Sequence[Row], /) -> object:
        """Execute one statement once for each row; the first failure ends it."""

    def fetchone(self) -> Any:
        """The next row of the last SELECT, None after the last."""

    def fetchall(self) -> list[Any]:
        """The remaining rows of the last SELECT."""

    def execute_all(self, statements: Sequence[Statement]) -> None:
        """Execute different statements with as few round trips as possible."""

    def execute_each(self, sql: str, rows: Sequence[Row]) -> list[int]:
        """Execute a statement for each row that the database takes.

        Answers the indexes of the rows it refuses. Such a row never fails its
        neighbours; a fault of the database itself (a full disk, a lost connection)
        is raised.
        """


class Connection(Protocol):
    """One open database, with at most one transaction at a time."""

    @property
    def cursor(self) -> Cursor:
        """The one cursor of this connection."""

    @property
    def lost(self) -> bool:
        """Whether the database has gone away, so that only a new connection helps."""

    def begin(self) -> None:
        """Start a transaction."""

    def commit(self) -> None:
        """Make the transaction durable."""

    def rollback(self) -> None:
        """Undo the transaction; never raises, even when the connection is lost."""

    def close(self) -> None:
        """Release the connection; never raises."""


Connect = Callable[[], Connection]


def refused_rows(
    attempt: Callable[[Sequence[Row]], object],
    rows: Sequence[Row],
    row_errors: tuple[type[Exception], ...],
    most: int,
) -> list[int]:
    """The indexes of the rows that `attempt` cannot store; all others it stores.

    A batch without a bad row costs one attempt. One with a bad row is halved until
    that row stands alone, so 10,000 rows with one bad among them take some 30.

    Args:
        attempt: stores all these rows or, if it raises, none of them.
        most: rows of one attempt.
    """
    refused: list[int] = []
    count = len(rows)
    # The last is popped first: rows are stored in their order.
    parts = [(at, min(at + most, count)) for at in range(0, count, most)][::-1]
    while parts:
        start, end = parts.pop()
        try:
            attempt(rows[start:end])
        except row_errors:
            if end - start == 1:
                refused.append(start)
            else:
                middle = (start + end) // 2
                parts += [(middle, end), (start, middle)]
    return refused
