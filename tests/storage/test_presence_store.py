"""The presence store in SQL: on SQLite at once, and in a file through its thread."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Collection

import attrs
from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.interfaces import Batch, DestinationRow, ListRow, StoreHead
from matrix_presence.storage.connection import CannotOpen
from matrix_presence.storage.database import Database
from matrix_presence.storage.migrations import SchemaTooNew
from matrix_presence.storage.presence_store import SqlPresenceStore
from tests.base import TestCase
from tests.storage.stepping import Steps, blocking_database
from tests.storage.store_tests import ALICE, BOB, SqlRefusalTests


class ImmediateStoreTests(SqlRefusalTests, TestCase):
    """The store on a database in memory."""

    def setUp(self) -> None:
        self.database = Database.immediate()
        self.addCleanup(self.database.close)
        super().setUp()

    def start(self) -> SqlPresenceStore:
        """The next life of the store, in the same database."""
        return SqlPresenceStore(self.database)


class FileStoreTests(SqlRefusalTests, TestCase):
    """The store in a file, written by a real thread; each life opens it anew.

    The databases of earlier lives are not closed first: to the file that is a crash.
    """

    def setUp(self) -> None:
        self.url = "sqlite:///" + os.path.abspath(self.mktemp())
        super().setUp()

    def start(self) -> SqlPresenceStore:
        """The next life of the store, in the same file."""
        database = blocking_database(self.url)
        self.addCleanup(database.close)
        return SqlPresenceStore(database)


class UnreadableDestinationTests(TestCase):
    """Rows of servers that we would not have written."""

    async def test_they_are_left_out(self) -> None:
        """What was changed by hand stops nothing, and the others are read."""
        database = Database.immediate()
        self.addCleanup(database.close)
        store = SqlPresenceStore(database)
        await store.open()
        rows = [DestinationRow(name, 1, 2, 3, True) for name in "abcdefg"]
        await store.write(Batch(destinations=rows))
        for name, column, value in (
            ("a", "failures", -1),
            ("b", "owed", 7),
            ("c", "failing_since", -1),
            ("d", "unwanted_until", -1),
            ("e", "owed", -1),
            ("f", "retry_ts", "soon"),
        ):
            await database.write(
                f"UPDATE presence_destinations SET {column} = ? WHERE server_name = ?",
                (value, name),
            )
        found = await store.load_destinations("", 2)
        self.assertEqual([row.server_name for row in found], ["g"])


class UnreadableListTests(TestCase):
    """Entries of presence lists that somebody else has been at."""

    async def test_they_are_left_out(self) -> None:
        """Each way of being wrong costs that entry and one warning, and no more."""
        database = Database.immediate()
        self.addCleanup(database.close)
        store = SqlPresenceStore(database)
        await store.open()
        spoilt = (
            ("observed", b"@b:hs.test"),
            ("accepted", "yes"),
            ("accepted", 2),
            ("wanted", "no"),
            ("untold", -1),
            ("asked_ts", "soon"),
            ("asked_ts", -1),
        )
        names = [f"@a{number}:hs.test" for number in range(len(spoilt))]
        good = ListRow("@z:hs.test", "@b:hs.test", True)
        rows = [ListRow(name, "@b:hs.test", True) for name in names]
        await store.write(Batch(lists=[*rows, good]))
        for name, (column, value) in zip(names, spoilt, strict=True):
            await database.write(
                f"UPDATE presence_lists SET {column} = ? WHERE observer = ?",
                (value, name),
            )
        with self.assertLogs(level=logging.WARNING) as caught:
            self.assertEqual(await store.load_lists(("", ""), 2), [good])
        self.assertEqual(len(caught.records), len(spoilt))


class CommitTests(TestCase):
    """When a batch counts as stored."""

    def test_a_batch_is_one_transaction(self) -> None:
        """Users, forgotten users and the position are committed together."""
        steps = Steps()
        store = SqlPresenceStore(steps.database)
        opened = store.open()
        steps.finish()
        self.successResultOf(opened)
        steps.transactions.clear()
        batch = Batch([ALICE, BOB], forgotten=["@c:hs.test"], reserved=3)
        written = store.write(batch)
        steps.idle()
        self.assertNoResult(written)
        steps.work()
        self.assertNoResult(written)
        steps.idle()
        refused: Collection[str] = self.successResultOf(written)
        self.assertEqual(set(refused), set())
        self.assertEqual(steps.transactions, ["begin", "commit"])

    async def test_a_full_disk_fails_the_batch_as_a_whole(self) -> None:
        """When nothing more can be stored, nothing is, and later it works again."""
        database = Database.immediate()
        self.addCleanup(database.close)
        store = SqlPresenceStore(database)
        await store.open()
        long = attrs.evolve(ALICE, status_msg="x" * 100_000)
        await database.run(lambda cursor: cursor.execute("PRAGMA max_page_count = 20"))
        failed = store.write(Batch([BOB, long], reserved=9))
        self.failureResultOf(failed, sqlite3.OperationalError)
        self.assertEqual(await store.load("", 10), [])
        await database.run(lambda cursor: cursor.execute("PRAGMA max_page_count = 999"))
        self.assertEqual((await store.open()).reserved, 0)
        await store.write(Batch([BOB, long]))
        self.assertEqual(await store.load("", 10), [long, BOB])


class UnreadableTests(TestCase):
    """Rows that somebody else has been at."""

    def setUp(self) -> None:
        self.database = Database.immediate()
        self.addCleanup(self.database.close)
        self.store = SqlPresenceStore(self.database)
        self.successResultOf(self.store.open())

    async def spoil(self, user_id: str, column: str, value: object) -> None:
        """Write this value into a stored row."""
        await self.database.write(
            f"UPDATE presence_users SET {column} = ? WHERE user_id = ?",
            (value, user_id),
        )

    async def test_an_unreadable_row_is_left_out_and_logged(self) -> None:
        """Each way of being wrong costs that user's row and one warning."""
        for column, value in (
            ("presence", "dancing"),
            ("presence", b"online"),
            ("status_msg", b"\xff"),
            ("last_active_ts", "yesterday"),
            ("currently_active", 2),
            ("position", 1.5),
            ("displayname", b"Alice"),
            ("avatar_url", b"\0"),
            ("devices", "no JSON"),
            ("devices", "{}x"),
            ("devices", "7"),
            ("devices", "[7]"),
            ("devices", "[[]]"),
            ("devices", '[["A","online",0]]'),
            ("devices", '[["A","online",0,"now"]]'),
            ("devices", '[["A","online",4,0]]'),
            ("devices", '[["A","dancing",0,0]]'),
            ("devices", '[["A","online",true,0]]'),
            ("devices", "[" * 100_000),
        ):
            store = SqlPresenceStore(self.database)
            await store.write(Batch([ALICE, BOB]))
            await self.spoil(ALICE.user_id, column, value)
            with self.assertLogs(level=logging.WARNING) as caught:
                self.assertEqual(await store.load("", 10), [BOB])
            self.assertEqual(len(caught.records), 1, column)

    async def test_a_text_that_is_no_unicode_is_left_out(self) -> None:
        """Bytes that were stored as a text do not stop the loading."""
        await self.store.write(Batch([ALICE, BOB]))
        await self.database.write(
            "UPDATE presence_users SET status_msg = CAST(x'ff' AS TEXT)"
            " WHERE user_id = ?",
            (ALICE.user_id,),
        )
        with self.assertLogs(level=logging.WARNING):
            self.assertEqual(await self.store.load("", 10), [BOB])

    async def test_a_whole_slice_of_unreadable_rows_is_not_the_end(self) -> None:
        """Loading goes on behind any number of bad rows, and complains once each."""
        rows = [attrs.evolve(BOB, user_id=f"@a{each}:hs.test") for each in range(7)]
        await self.store.write(Batch([*rows, BOB]))
        for row in rows:
            await self.spoil(row.user_id, "devices", "")
        with self.assertLogs(level=logging.WARNING) as caught:
            self.assertEqual(await self.store.load("", 2), [BOB])
            self.assertEqual(await self.store.load("", 2), [BOB])
        self.assertEqual(len(caught.records), len(rows))
        self.assertEqual(await self.store.load(BOB.user_id, 2), [])

    @given(st.text() | st.binary() | st.integers(-(2**60), 2**60) | st.floats())
    async def test_no_value_of_devices_stops_the_others(self, value: object) -> None:
        """Whatever is in the column, the next user is loaded."""
        await self.store.write(Batch([ALICE, BOB]))
        try:
            await self.spoil(ALICE.user_id, "devices", value)
        except Exception:
            # SQLite takes no lone surrogate, and makes NULL of NaN: nothing to read.
            return
        self.assertIn(BOB, await self.store.load("", 10))


class OpenTests(TestCase):
    """Starts that have to fail."""

    def test_a_path_that_cannot_be_opened_fails_the_start(self) -> None:
        """`open` fails with the sentence to be shown to the admin."""
        path = os.path.join(os.path.abspath(self.mktemp()), "presence.db")
        database = blocking_database(f"sqlite:///{path}")
        failure = self.failureResultOf(SqlPresenceStore(database).open(), CannotOpen)
        self.assertEqual(
            failure.getErrorMessage(),
            f"Cannot open the database {path}: No such file or directory",
        )
        self.successResultOf(database.close())

    async def test_tables_of_a_later_version_fail_the_start(self) -> None:
        """`open` leaves alone what a later version has made."""
        database = Database.immediate()
        await SqlPresenceStore(database).open()
        await database.write(
            "INSERT INTO schema_versions (component, version, name)"
            " VALUES ('presence', 999, 'later')"
        )
        self.failureResultOf(SqlPresenceStore(database).open(), SchemaTooNew)

    async def test_other_tables_share_the_database(self) -> None:
        """Closing the store leaves the database to its other users."""
        database = Database.immediate()
        store = SqlPresenceStore(database)
        self.assertEqual(await store.open(), StoreHead(reserved=0, clean=True))
        await store.close(0)
        await database.write("CREATE TABLE pets (name TEXT)")
        await database.close()
