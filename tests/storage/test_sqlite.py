"""What is particular to SQLite: its file, its settings, its rows in bulk."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.storage.connection import CannotOpen, Connection
from matrix_presence.storage.sqlite import MEMORY, sqlite_connect
from tests.base import TestCase

INSERT = "INSERT INTO pets (id, name) VALUES (?, ?)"


def with_pets() -> Connection:
    connection = sqlite_connect(MEMORY)()
    connection.cursor.execute(
        "CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"
    )
    connection.begin()
    return connection


class OpenTests(TestCase):
    """Opening a file."""

    def assert_cannot_open(self, path: str, reason: str) -> None:
        """Opening fails with one sentence that has the path and the reason."""
        with self.assertRaises(CannotOpen) as caught:
            sqlite_connect(path)()
        self.assertEqual(
            str(caught.exception), f"Cannot open the database {path}: {reason}"
        )

    def test_a_directory_that_is_not_there_is_named(self) -> None:
        """A path in a directory that does not exist is refused with that reason."""
        path = os.path.join(self.mktemp(), "presence.db")
        self.assert_cannot_open(path, "No such file or directory")

    def test_a_directory_is_no_database(self) -> None:
        """The path of a directory is refused with that reason."""
        path = self.mktemp()
        os.mkdir(path)
        self.assert_cannot_open(path, "Is a directory")

    def test_a_foreign_file_is_left_as_it_is(self) -> None:
        """A file that is no database is refused and not touched."""
        path = Path(self.mktemp())
        path.write_text("Dear diary, " * 100)
        self.assert_cannot_open(str(path), "file is not a database")
        self.assertEqual(path.read_text(), "Dear diary, " * 100)

    def test_a_new_file_is_for_its_owner_only(self) -> None:
        """Nobody else on the machine may read who talks to whom."""
        path = self.mktemp()
        sqlite_connect(path)().close()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode) & 0o077, 0)

    def test_every_commit_is_durable(self) -> None:
        """The file is in WAL mode, and synchronous at every commit."""
        connection = sqlite_connect(self.mktemp())()
        for pragma, expected in (("journal_mode", "wal"), ("synchronous", 2)):
            connection.cursor.execute(f"PRAGMA {pragma}")
            self.assertEqual(connection.cursor.fetchone(), (expected,))
        connection.close()


class BulkTests(TestCase):
    """Many rows with few statements."""

    @given(st.lists(st.integers(0, 99), max_size=120))
    def test_each_row_stands_for_itself(self, ids: list[int]) -> None:
        """Exactly the rows that one alone could not store are refused, in order."""
        connection = with_pets()
        rows = [(None, None) if each == 50 else (each, "a pet") for each in ids]
        refused = connection.cursor.execute_each(INSERT, rows)
        seen: set[int] = set()
        expected = []
        for index, each in enumerate(ids):
            if each in seen or each == 50:
                expected.append(index)
            seen.add(each)
        self.assertEqual(refused, expected)
        connection.cursor.execute("SELECT id FROM pets")
        stored = {each for (each,) in connection.cursor.fetchall()}
        self.assertEqual(stored, seen - {50})
        connection.close()

    def test_rows_that_no_row_can_be_blamed_for_are_raised(self) -> None:
        """A table that is not there is no fault of the rows."""
        connection = with_pets()
        with self.assertRaises(sqlite3.OperationalError):
            connection.cursor.execute_each("INSERT INTO no (id) VALUES (?)", [(1,)])
        connection.close()

    def test_different_statements_keep_their_order(self) -> None:
        """Statements are joined only with equal ones next to them."""
        connection = with_pets()
        delete = "DELETE FROM pets WHERE id < ?"
        connection.cursor.execute_all(
            [
                (INSERT, (1, "Rex")),
                (INSERT, (2, "Tom")),
                (delete, (2,)),
                (delete, (1,)),
                (INSERT, (1, "Ada")),
            ]
        )
        connection.cursor.execute("SELECT id, name FROM pets ORDER BY id")
        self.assertEqual(connection.cursor.fetchall(), [(1, "Ada"), (2, "Tom")])
        connection.close()

    def test_a_text_that_is_none_is_read_as_bytes(self) -> None:
        """One broken text does not make its whole table unreadable."""
        connection = with_pets()
        connection.cursor.execute("INSERT INTO pets VALUES (1, CAST(x'ff' AS TEXT))")
        connection.cursor.execute(INSERT, (2, "Rex"))
        connection.cursor.execute("SELECT name FROM pets ORDER BY id")
        self.assertEqual(connection.cursor.fetchall(), [(b"\xff",), ("Rex",)])
        connection.close()
