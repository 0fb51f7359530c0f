"""The same database and the same presence store on a real PostgreSQL server.

The server comes out of a wheel and runs on a socket in a directory of its own, for as
long as the tests do. Started by root, it runs as a user that pgserver adds.
"""

from __future__ import annotations

import logging
import tempfile
import unittest
import warnings
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any

import attrs
import psycopg2

from matrix_presence.interfaces import UserRow
from matrix_presence.storage.connection import CannotOpen, Cursor
from matrix_presence.storage.database import Database
from matrix_presence.storage.presence_store import SqlPresenceStore
from matrix_presence.storage.transactions import Transactions
from matrix_presence.storage.urls import connect_to
from tests.base import TestCase
from tests.storage.stepping import blocking_database
from tests.storage.store_tests import BOB, SqlRefusalTests

INSERT = "INSERT INTO pets (id, name) VALUES (?, ?)"


@cache
def server() -> Any:
    """The server, started for the first test that asks; it ends with the process."""
    try:
        with warnings.catch_warnings():
            # Only about where its lock file goes.
            warnings.simplefilter("ignore")
            pgserver = import_module("pgserver")
    except ImportError as error:
        raise unittest.SkipTest("pgserver is not installed") from error
    directory = tempfile.mkdtemp(prefix="presence-pg-")
    return pgserver.get_server(directory, cleanup_mode="delete")


def execute(sql: str) -> None:
    """Execute this as the administrator, past everything that is tested here."""
    connection = psycopg2.connect(server().get_uri())
    connection.autocommit = True
    try:
        connection.cursor().execute(sql)
    finally:
        connection.close()


def cut_off() -> None:
    """Have the server hang up on everybody."""
    execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'matrix_presence'"
    )


class PostgresStoreTests(SqlRefusalTests, TestCase):
    """The presence store, written by a real thread; each life connects anew."""

    def setUp(self) -> None:
        execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        super().setUp()

    def start(self) -> SqlPresenceStore:
        """The next life of the store, in the same database."""
        database = blocking_database(server().get_uri())
        self.addCleanup(database.close)
        return SqlPresenceStore(database)

    def unwritable(self) -> Iterable[UserRow]:
        """What SQLite cannot hold either, and texts with a NUL."""
        return [
            *super().unwritable(),
            attrs.evolve(BOB, user_id="@f:hs.test", status_msg="a\0b"),
            attrs.evolve(BOB, user_id="@g\0:hs.test"),
        ]


class PostgresDatabaseTests(TestCase):
    """What the database promises, where PostgreSQL differs from SQLite."""

    def setUp(self) -> None:
        execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self.database = Database.immediate(server().get_uri())
        self.addCleanup(self.database.close)
        self.successResultOf(
            self.database.write("CREATE TABLE pets (id BIGINT PRIMARY KEY, name TEXT)")
        )

    async def pets(self) -> dict[int, str]:
        """What is stored."""

        def work(cursor: Cursor) -> dict[int, str]:
            cursor.execute("SELECT id, name FROM pets")
            return dict(cursor.fetchall())

        return await self.database.run(work)

    async def test_neighbours_of_a_failing_statement_are_stored(self) -> None:
        """In one group, a unit fails alone and leaves nothing of itself."""
        transactions = Transactions(connect_to(server().get_uri()))
        self.addCleanup(transactions.close)
        failures = transactions.store(
            [
                [(INSERT, (1, "Rex")), (INSERT, (2, "Tom"))],
                [(INSERT, (3, "Ada")), (INSERT, (1, "Rex"))],
                [(INSERT, (4, "a\0b"))],
                [(INSERT, (5, "Kim"))],
            ]
        )
        self.assertEqual(
            [type(failure) for failure in failures],
            [type(None), psycopg2.errors.UniqueViolation, ValueError, type(None)],
        )
        self.assertEqual(await self.pets(), {1: "Rex", 2: "Tom", 5: "Kim"})

    async def test_placeholders_are_question_marks(self) -> None:
        """`?` in a literal is text, and so is % anywhere."""

        def work(cursor: Cursor) -> object:
            cursor.execute("SELECT '?', 'it''s 100%', ?, 7 % ?", ("?%s", 4))
            return cursor.fetchone()

        self.assertEqual(await self.database.run(work), ("?", "it's 100%", "?%s", 3))

    async def test_bytes_are_read_as_bytes(self) -> None:
        """A `BYTEA` comes back as what was written, and NULL as None."""

        def work(cursor: Cursor) -> object:
            cursor.execute("SELECT ?, NULL::bytea", (b"\0\xff",))
            return cursor.fetchone()

        self.assertEqual(await self.database.run(work), (b"\0\xff", None))

    async def test_many_rows_are_written_at_once(self) -> None:
        """`executemany` takes inserts and other statements."""

        def work(cursor: Cursor) -> None:
            cursor.executemany(INSERT, [(each, "Rex") for each in range(2500)])
            cursor.executemany(
                "UPDATE pets SET name = ? WHERE id = ?", [("Tom", 3), ("Ada", 4)]
            )

        await self.database.run(work)
        stored = await self.pets()
        self.assertEqual(len(stored), 2500)
        self.assertEqual((stored[3], stored[4]), ("Tom", "Ada"))

    async def test_a_lost_connection_is_replaced(self) -> None:
        """When the server has hung up, the next write and task go to a new one."""
        for number in (1, 2):
            cut_off()
            with self.assertLogs(level=logging.WARNING) as caught:
                if number == 1:
                    await self.database.write(INSERT, (1, "Rex"))
                else:
                    self.assertEqual(await self.pets(), {1: "Rex"})
            self.assertEqual(len(caught.records), 1)

    async def test_a_connection_lost_midway_is_replayed(self) -> None:
        """Work that had written something is called again, and stored once."""
        calls: list[int] = []

        def work(cursor: Cursor) -> None:
            cursor.execute(INSERT, (1, "Rex"))
            calls.append(1)
            if len(calls) == 1:
                cut_off()
            cursor.execute(INSERT, (2, "Tom"))

        with self.assertLogs(level=logging.WARNING):
            await self.database.run(work)
        self.assertEqual(await self.pets(), {1: "Rex", 2: "Tom"})
        self.assertEqual(len(calls), 2)

    async def test_a_failed_migration_leaves_nothing(self) -> None:
        """Schema changes are undone with their transaction."""

        def work(cursor: Cursor) -> None:
            cursor.execute("CREATE TABLE toys (id BIGINT)")
            raise KeyError("changed my mind")

        self.failureResultOf(self.database.run(work), KeyError)
        await self.database.write("CREATE TABLE toys (id BIGINT)")

    def test_a_server_that_is_not_there_is_one_sentence(self) -> None:
        """Nobody at the address: a clear error, on one line, without the password."""
        database = Database.immediate("postgresql://me:secret@/x?host=/nowhere")
        failure = self.failureResultOf(database.write("SELECT 1"), CannotOpen)
        self.assertNotIn("\n", failure.getErrorMessage())
        self.assertNotIn("secret", failure.getErrorMessage())
        self.assertTrue(
            failure.getErrorMessage().startswith("Cannot connect to PostgreSQL: ")
        )
