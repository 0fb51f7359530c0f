"""Connections that break, at the worst of times."""

from __future__ import annotations

import sqlite3

from matrix_presence.storage.connection import (
    CannotOpen,
    Connection,
    Cursor,
    InDoubt,
)
from matrix_presence.storage.sqlite import sqlite_connect
from matrix_presence.storage.transactions import Transactions
from tests.base import TestCase
from tests.storage.stepping import Recording

INSERT = "INSERT INTO pets (name) VALUES (?)"


class Breaking(Recording):
    """A connection that breaks when it is told to do the step named `breaks_at`."""

    def __init__(self, connection: Connection, breaks_at: str) -> None:
        super().__init__(connection, [])
        self._breaks_at = breaks_at
        self._broken = False

    @property
    def lost(self) -> bool:
        """Whether the step has come."""
        return self._broken

    def begin(self) -> None:
        """Begin, or break."""
        self._step("begin")
        super().begin()

    def commit(self) -> None:
        """Break before the commit, or just after it, or commit."""
        self._step("commit")
        super().commit()
        self._step("answer")

    def _step(self, step: str) -> None:
        if step == self._breaks_at:
            self._broken = True
            raise sqlite3.OperationalError("gone")


class LostConnectionTests(TestCase):
    """A transaction on a connection that is lost."""

    def setUp(self) -> None:
        self.connect = sqlite_connect(self.mktemp())
        connection = self.connect()
        connection.cursor.execute("CREATE TABLE pets (name TEXT UNIQUE)")
        connection.close()

    def transactions(self, *breaks_at: str) -> Transactions:
        """Transactions whose connections break like this, one after another."""
        faults = iter(breaks_at)

        def connect() -> Connection:
            fault = next(faults)
            if fault == "connect":
                raise CannotOpen("nobody there")
            return Breaking(self.connect(), fault)

        return Transactions(connect)

    def pets(self) -> list[str]:
        """What is stored."""
        connection = self.connect()
        connection.cursor.execute("SELECT name FROM pets")
        names = [name for (name,) in connection.cursor.fetchall()]
        connection.close()
        return names

    def test_what_was_not_committed_is_replayed(self) -> None:
        """A connection lost before the commit is not noticed by anybody."""
        transactions = self.transactions("begin", "never")
        self.assertEqual(transactions.store([[(INSERT, ("Rex",))]]), [])
        self.assertEqual(self.pets(), ["Rex"])
        transactions.close()

    def test_a_commit_in_doubt_is_not_replayed(self) -> None:
        """A commit without an answer fails as what it is, stored or not."""
        for breaks_at, stored in (("commit", []), ("answer", ["Rex"])):
            transactions = self.transactions(breaks_at, "never")
            with self.assertRaises(InDoubt):
                transactions.store([[(INSERT, ("Rex",))]])
            self.assertEqual(self.pets(), stored)

    def test_the_next_transaction_opens_a_new_connection(self) -> None:
        """After a commit in doubt the next transaction works again."""
        transactions = self.transactions("commit", "never")
        with self.assertRaises(InDoubt):
            transactions.store([[(INSERT, ("Rex",))]])
        transactions.store([[(INSERT, ("Tom",))]])
        self.assertEqual(self.pets(), ["Tom"])
        transactions.close()

    def test_a_database_that_stays_away_is_reported(self) -> None:
        """If no new connection can be opened, that is what the caller is told."""
        transactions = self.transactions("begin", "connect", "never")
        with self.assertRaises(CannotOpen):
            transactions.store([[(INSERT, ("Rex",))]])
        self.assertEqual(self.pets(), [])
        self.assertEqual(transactions.store([[(INSERT, ("Rex",))]]), [])
        transactions.close()

    def test_a_connection_that_breaks_twice_is_given_up(self) -> None:
        """One replay, not a loop."""
        transactions = self.transactions("begin", "begin", "never")
        with self.assertRaises(sqlite3.OperationalError):
            transactions.run(lambda cursor: cursor.execute(INSERT, ("Rex",)))
        transactions.run(lambda cursor: cursor.execute(INSERT, ("Tom",)))
        self.assertEqual(self.pets(), ["Tom"])
        transactions.close()

    def test_work_that_lost_its_transaction_reports_the_first_reason(self) -> None:
        """When the engine itself has rolled back, the cause is what is told."""

        def rolled_back(cursor: Cursor) -> None:
            cursor.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

        transactions = self.transactions("never")
        with self.assertRaisesRegex(sqlite3.OperationalError, "disk is full"):
            transactions.run(rolled_back)
        transactions.store([[(INSERT, ("Rex",))]])
        transactions.close()
