"""PostgreSQL through psycopg2, which is only imported when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

from matrix_presence.storage.connection import (
    CannotOpen,
    Connect,
    Row,
    Statement,
    refused_rows,
)
from matrix_presence.storage.values import around_values

#: Connection options unless the URL says otherwise. A server that has vanished must
#: not hold up the writer thread for the quarter of an hour that TCP would give it.
_OPTIONS = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "application_name": "matrix_presence",
}

#: How many statements or rows are sent at once.
_PAGE = 1000

_QUOTED_OR_SPECIAL = re.compile(r"'(?:[^']|'')*'|[?%]")


@lru_cache(maxsize=1000)
def _translated(sql: str) -> str:
    """The statement with psycopg2's placeholders in place of `?`."""

    def replaced(match: re.Match[str]) -> str:
        return "%s" if match[0] == "?" else match[0].replace("%", "%%")

    return _QUOTED_OR_SPECIAL.sub(replaced, sql)


class PostgresCursor:
    """A psycopg2 cursor that takes `?` placeholders, and statements in bulk."""

    def __init__(self, driver: Any, cursor: Any) -> None:
        self._cursor = cursor
        self._extras = driver.extras
        # A NUL in a text is a ValueError, before anything is sent.
        self._row_errors = (driver.DataError, driver.IntegrityError, ValueError)

    @property
    def rowcount(self) -> int:
        """How many rows the last statement changed."""
        count: int = self._cursor.rowcount
        return count

    def execute(self, sql: str, params: Row = (), /) -> None:
        """Execute one statement."""
        self._cursor.execute(_translated(sql), tuple(params))

    def executemany(self, sql: str, rows: Sequence[Row], /) -> None:
        """Execute one statement for each row.

        A plain INSERT goes out as one with many rows, which the server parses and
        plans once; anything else as many statements in one message.
        """
        parts = around_values(sql)
        if parts is None:
            self._extras.execute_batch(self._cursor, _translated(sql), rows, _PAGE)
            return
        before, row, after = parts
        self._extras.execute_values(
            self._cursor,
            _translated(f"{before}?{after}"),
            rows,
            _translated(row),
            page_size=_PAGE,
        )

    def fetchone(self) -> Any:
        """The next row of the last SELECT, None after the last."""
        return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        """The remaining rows of the last SELECT."""
        rows: list[Any] = self._cursor.fetchall()
        return rows

    def execute_all(self, statements: Sequence[Statement]) -> None:
        """Execute the statements in their order, a thousand in one round trip."""
        mogrify = self._cursor.mogrify
        for start in range(0, len(statements), _PAGE):
            page = statements[start : start + _PAGE]
            self._cursor.execute(
                b";".join(
                    mogrify(_translated(sql), tuple(params)) for sql, params in page
                )
            )

    def execute_each(self, sql: str, rows: Sequence[Row]) -> list[int]:
        """Execute the statement for each row; the indexes of those refused."""
        store = partial(self._execute_all_or_none, sql)
        return refused_rows(store, rows, self._row_errors, max(1, len(rows)))

    def _execute_all_or_none(self, sql: str, rows: Sequence[Row]) -> None:
        """Execute the statement for each row, in a savepoint of its own."""
        self.execute("SAVEPOINT part")
        try:
            self.executemany(sql, rows)
        except self._row_errors:
            self.execute("ROLLBACK TO SAVEPOINT part")
            self.execute("RELEASE SAVEPOINT part")
            raise
        self.execute("RELEASE SAVEPOINT part")


class PostgresConnection:
    """A connection to a PostgreSQL server."""

    def __init__(self, driver: Any, connection: Any) -> None:
        self._error = driver.Error
        self._connection = connection
        self.cursor = PostgresCursor(driver, connection.cursor())

    @property
    def lost(self) -> bool:
        """Whether the connection is broken; known only after a statement failed."""
        return bool(self._connection.closed)

    def begin(self) -> None:
        """Nothing: psycopg2 begins a transaction with its first statement."""

    def commit(self) -> None:
        """Make the transaction durable."""
        self._connection.commit()

    def rollback(self) -> None:
        """Undo the transaction; a lost connection has done so already."""
        try:
            self._connection.rollback()
        except self._error:
            # A server that cannot even undo is no use any more: `lost` from here on.
            self._connection.close()

    def close(self) -> None:
        """Hang up."""
        try:
            self._connection.close()
        except self._error:
            pass


def postgres_connect(url: str) -> Connect:
    """How to connect to the PostgreSQL server at this URL.

    Raises:
        ValueError: the URL cannot be read.
        CannotOpen: psycopg2 is not installed.
    """
    try:
        driver = import_module("psycopg2")
        import_module("psycopg2.extras")
    except ImportError as error:
        raise CannotOpen(
            "PostgreSQL needs the package psycopg2: install the extra 'postgres'"
        ) from error
    try:
        options = _OPTIONS | driver.extensions.parse_dsn(url)
    except driver.ProgrammingError:
        # The cause would repeat the URL, and with it a password.
        raise ValueError("The URL of the PostgreSQL database cannot be read") from None
    return partial(_open, driver, options)


def _open(driver: Any, options: dict[str, str]) -> PostgresConnection:
    try:
        connection = driver.connect(**options)
        connection.set_client_encoding("UTF8")
    except driver.Error as error:
        reason = " ".join(str(error).split())
        raise CannotOpen(f"Cannot connect to PostgreSQL: {reason}") from error
    _read_bytes(driver, connection)
    return PostgresConnection(driver, connection)


def _read_bytes(driver: Any, connection: Any) -> None:
    """Have `BYTEA` columns read as bytes, as SQLite does, not as a memoryview."""
    binary = driver.BINARY

    def cast(value: str | None, cursor: Any) -> bytes | None:
        view = binary(value, cursor)
        return None if view is None else bytes(view)

    extensions = driver.extensions
    extensions.register_type(
        extensions.new_type(binary.values, "BYTES", cast), connection
    )
