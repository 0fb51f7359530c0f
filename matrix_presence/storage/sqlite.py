"""SQLite: one file, durable after every commit, readable while we write."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from functools import partial
from itertools import chain, groupby
from operator import itemgetter

from matrix_presence.storage.connection import (
    CannotOpen,
    Connect,
    Row,
    Statement,
    refused_rows,
)
from matrix_presence.storage.values import with_rows

MEMORY = ":memory:"

#: How long a writer of another process (a backup, a shell) may hold us up, in seconds.
_BUSY_TIMEOUT = 5.0

#: What the value of one row can be to blame for: wrong type, constraint, an integer
#: over 64 bits, a text that is not Unicode.
_ROW_ERRORS = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeEncodeError,
)


#: Rows of one statement, at most. Each number below is a statement of its own to the
#: cache of prepared statements.
_PAGE = 32

_STATEMENT_CACHE = 1000

_sql = itemgetter(0)


class SqliteCursor(sqlite3.Cursor):
    """A cursor that also takes statements and rows in bulk."""

    def execute_all(self, statements: Sequence[Statement]) -> None:
        """Execute the statements in their order, runs of the same one together."""
        for sql, run in groupby(statements, _sql):
            self._execute_rows(sql, [params for _, params in run])

    def execute_each(self, sql: str, rows: Sequence[Row]) -> list[int]:
        """Execute the statement for each row; the indexes of those refused.

        What fails is one statement, which leaves nothing behind and the transaction as
        it was: no savepoints are needed.
        """
        most = _PAGE if with_rows(sql, 1) is not None else 1
        store = partial(self._execute_rows, sql)
        return refused_rows(store, rows, _ROW_ERRORS, most)

    def _execute_rows(self, sql: str, rows: Sequence[Row]) -> None:
        """Execute the statement for each row, with as few calls as possible."""
        count = len(rows)
        if count == 1:
            self.execute(sql, rows[0])
            return
        for start in range(0, count, _PAGE):
            page = rows[start : start + _PAGE]
            many_rows = with_rows(sql, len(page))
            if many_rows is None:
                self.executemany(sql, rows)
                return
            self.execute(many_rows, list(chain.from_iterable(page)))


class SqliteConnection:
    """An open SQLite file, or a database in memory."""

    #: A file does not go away.
    lost = False

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.cursor = SqliteCursor(connection)

    def begin(self) -> None:
        """Start a transaction that writes.

        IMMEDIATE waits for other processes here, where waiting is safe: a deferred
        transaction that turns out to be a writer cannot wait and fails at once.
        """
        self.cursor.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable."""
        self.cursor.execute("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction, unless a full disk or the like already has."""
        if self._connection.in_transaction:
            self.cursor.execute("ROLLBACK")

    def close(self) -> None:
        """Release the file."""
        self._connection.close()


def sqlite_connect(path: str) -> Connect:
    """How to open the SQLite file at this path, created if there is none."""
    return partial(_open, path)


def _open(path: str) -> SqliteConnection:
    if path != MEMORY:
        _create(path)
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_TIMEOUT,
        isolation_level=None,
        cached_statements=_STATEMENT_CACHE,
    )
    connection.text_factory = _text
    try:
        # The first of these reads the file and finds out whether it is a database.
        connection.execute("PRAGMA journal_mode = WAL")
        # Without FULL a power cut may take back what was acknowledged.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error as error:
        connection.close()
        raise CannotOpen(f"Cannot open the database {path}: {error}") from error
    return SqliteConnection(connection)


def _text(value: bytes) -> str | bytes:
    """A text as str; as bytes where it is none, so that its neighbours can be read."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _create(path: str) -> None:
    """Make sure the file is there, and a new one readable by its owner only.

    It holds who talks to whom, and the names of SQLite's own side files follow its
    mode. Doing this first also words the usual faults better than SQLite does.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotOpen(f"Cannot open the database {path}: {reason}") from error
