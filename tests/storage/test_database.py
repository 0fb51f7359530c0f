"""Order, groups and failures of a database, with both threads in the test's hands."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import Any

from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from matrix_presence.storage.connection import CannotOpen, Cursor
from matrix_presence.storage.database import Closed, Database
from tests.base import TestCase
from tests.storage.stepping import Steps

INSERT = "INSERT INTO pets (name) VALUES (?)"


def make_pets(cursor: Cursor) -> None:
    cursor.execute("CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")


def pets(cursor: Cursor) -> list[str]:
    cursor.execute("SELECT name FROM pets ORDER BY id")
    return [name for (name,) in cursor.fetchall()]


class GroupTests(TestCase):
    """Writes that share a transaction."""

    def setUp(self) -> None:
        self.steps = Steps()
        self.database = self.steps.database
        self.database.run(make_pets)
        self.steps.finish()
        self.steps.transactions.clear()

    def test_writes_during_a_commit_share_the_next_transaction(self) -> None:
        """However many writes arrive while one commits, they cost one commit more."""
        first = self.database.write(INSERT, ("Rex",))
        self.steps.idle()
        others = [self.database.write(INSERT, (str(each),)) for each in range(20)]
        self.steps.finish()
        self.assertEqual(self.steps.transactions, ["begin", "commit"] * 2)
        for done in [first, *others]:
            self.successResultOf(done)

    def test_nothing_is_reported_before_its_commit(self) -> None:
        """A write is answered when the worker has reported its commit."""
        done = self.database.write(INSERT, ("Rex",))
        self.steps.idle()
        self.assertNoResult(done)
        self.steps.work()
        self.assertNoResult(done)
        self.steps.turn()
        self.successResultOf(done)

    def test_a_group_leaves_when_the_reactor_adds_nothing(self) -> None:
        """Writes of several turns in a row go together, until a turn brings none."""
        self.database.write(INSERT, ("Rex",))
        for name in ("Tom", "Ada"):
            self.database.write(INSERT, (name,))
            self.steps.turn()
        self.steps.finish()
        self.assertEqual(self.steps.transactions, ["begin", "commit"])

    def test_a_busy_reactor_cannot_keep_a_group(self) -> None:
        """A group leaves after a few turns even if each of them adds a write."""
        first = self.database.write(INSERT, ("first",))
        for turn in range(10):
            self.steps.turn()
            self.database.write(INSERT, (str(turn),))
        self.steps.work()
        self.steps.turn()
        self.successResultOf(first)

    def test_a_huge_group_is_parted(self) -> None:
        """Answers come in portions, so that none of them holds up the reactor."""
        for each in range(1100):
            self.database.write(INSERT, (str(each),))
        self.steps.finish()
        self.assertEqual(self.steps.transactions, ["begin", "commit"] * 3)

    def test_order_is_the_order_of_the_calls(self) -> None:
        """Writes and tasks see what came before them, and nothing of what follows."""
        self.database.write(INSERT, ("Rex",))
        before = self.database.run(pets)
        self.database.write(INSERT, ("Tom",))
        after = self.database.run(pets)
        self.steps.finish()
        self.assertEqual(self.successResultOf(before), ["Rex"])
        self.assertEqual(self.successResultOf(after), ["Rex", "Tom"])

    def test_a_cancelled_write_is_still_made(self) -> None:
        """Cancelling a write forgets its answer, nothing else."""
        done = self.database.write(INSERT, ("Rex",))
        done.addErrback(lambda _: None)
        done.cancel()
        stored = self.database.run(pets)
        self.steps.finish()
        self.assertEqual(self.successResultOf(stored), ["Rex"])

    def test_writes_made_by_an_answer_are_stored(self) -> None:
        """Whoever is answered may write at once."""
        done = self.database.write(INSERT, ("Rex",))
        done.addCallback(lambda _: self.database.write(INSERT, ("Tom",)))
        self.steps.finish()
        self.successResultOf(done)


class FailureTests(TestCase):
    """What fails, fails alone."""

    def setUp(self) -> None:
        self.steps = Steps()
        self.database = self.steps.database
        self.database.run(make_pets)
        self.steps.finish()

    def test_neighbours_of_a_failing_write_are_stored(self) -> None:
        """A row that is refused fails its own Deferred and no other."""
        before = self.database.write(INSERT, ("Rex",))
        twice = self.database.write(INSERT, ("Rex",))
        broken = self.database.write("INSERT INTO nowhere VALUES (1)")
        surrogate = self.database.write(INSERT, ("\ud800",))
        after = self.database.write(INSERT, ("Tom",))
        stored = self.database.run(pets)
        self.steps.finish()
        self.successResultOf(before)
        self.failureResultOf(twice, sqlite3.IntegrityError)
        self.failureResultOf(broken, sqlite3.OperationalError)
        self.failureResultOf(surrogate, UnicodeEncodeError)
        self.successResultOf(after)
        self.assertEqual(self.successResultOf(stored), ["Rex", "Tom"])

    def test_a_failing_write_costs_one_transaction_more(self) -> None:
        """The group is tried at once, then with a savepoint for each write."""
        self.steps.transactions.clear()
        for name in ("Rex", "Rex", "Tom"):
            self.database.write(INSERT, (name,)).addErrback(lambda _: None)
        self.steps.finish()
        self.assertEqual(
            self.steps.transactions, ["begin", "rollback", "begin", "commit"]
        )

    def test_statements_of_one_unit_are_stored_all_or_none(self) -> None:
        """`write_many` stores nothing when its last statement fails."""
        done = self.database.write_many([(INSERT, ("Rex",)), (INSERT, (object(),))])
        neighbour = self.database.write_many([(INSERT, ("Tom",)), (INSERT, ("Ada",))])
        stored = self.database.run(pets)
        self.steps.finish()
        self.failureResultOf(done, sqlite3.ProgrammingError, sqlite3.InterfaceError)
        self.successResultOf(neighbour)
        self.assertEqual(self.successResultOf(stored), ["Tom", "Ada"])

    def test_a_task_that_raises_stores_nothing(self) -> None:
        """What `run`'s work wrote before it raised is undone."""

        def work(cursor: Cursor) -> None:
            cursor.execute(INSERT, ("Rex",))
            raise KeyError("changed my mind")

        done = self.database.run(work)
        stored = self.database.run(pets)
        self.steps.finish()
        self.failureResultOf(done, KeyError)
        self.assertEqual(self.successResultOf(stored), [])

    def test_a_constraint_of_the_whole_transaction_fails_its_group(self) -> None:
        """When the commit itself fails, nobody is told that anything is stored."""
        self.database.run(
            lambda cursor: cursor.execute(
                "CREATE TABLE toys (pet INTEGER NOT NULL"
                " REFERENCES pets DEFERRABLE INITIALLY DEFERRED)"
            )
        )
        dangling = self.database.write("INSERT INTO toys VALUES (77)")
        neighbour = self.database.write(INSERT, ("Rex",))
        stored = self.database.run(pets)
        self.steps.finish()
        self.failureResultOf(dangling, sqlite3.IntegrityError)
        self.failureResultOf(neighbour, sqlite3.IntegrityError)
        self.assertEqual(self.successResultOf(stored), [])


class CloseTests(TestCase):
    """The end of a database."""

    def test_close_commits_what_is_waiting(self) -> None:
        """`close` comes after everything that was asked for before."""
        steps = Steps()
        made = steps.database.run(make_pets)
        written = steps.database.write(INSERT, ("Rex",))
        closed = steps.database.close()
        steps.finish()
        for done in (made, written, closed):
            self.successResultOf(done)
        self.assertEqual(steps.transactions, ["begin", "commit"] * 2 + ["close"])
        self.assertTrue(steps.has_quit)

    def test_nothing_is_taken_after_close(self) -> None:
        """A closed database refuses work clearly, also a second `close`."""
        steps = Steps()
        steps.database.close()
        self.failureResultOf(steps.database.write(INSERT, ("Rex",)), Closed)
        self.failureResultOf(steps.database.run(pets), Closed)
        self.failureResultOf(steps.database.close(), Closed)
        steps.finish()


class FromUrlTests(TestCase):
    """`Database.from_url`, the one for real reactors."""

    def test_answers_come_through_the_reactor(self) -> None:
        """SQL runs in a thread; Deferreds fire where the reactor makes its calls."""
        reactor = CallQueue()
        database = Database.from_url("sqlite://", reactor)
        threads: list[Thread] = []
        answers: list[object] = []
        database.run(lambda _: threads.append(current_thread()))
        database.close().addCallback(answers.append)
        self.assertEqual(answers, [])
        while not answers:
            reactor.calls.get(timeout=60)()
        self.assertNotIn(current_thread(), threads)
        self.assertEqual(len(threads), 1)


@implementer(IReactorFromThreads)
class CallQueue:
    """As much of a reactor as a database needs."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(
        self, callable: Callable[..., Any], *args: object, **kwargs: object
    ) -> None:
        """Keep the call."""
        self.calls.put(partial(callable, *args, **kwargs))


class ImmediateTests(TestCase):
    """`Database.immediate`, the one for other people's tests."""

    async def test_everything_has_happened_on_return(self) -> None:
        """Deferreds of an immediate database have fired when one gets them."""
        database = Database.immediate()
        self.successResultOf(database.run(make_pets))
        self.successResultOf(database.write(INSERT, ("Rex",)))
        self.assertEqual(self.successResultOf(database.run(pets)), ["Rex"])
        self.successResultOf(database.close())

    def test_each_is_a_database_of_its_own(self) -> None:
        """Two immediate databases know nothing of each other."""
        for _ in range(2):
            self.successResultOf(Database.immediate().run(make_pets))

    def test_a_database_that_cannot_be_opened_says_so_to_everybody(self) -> None:
        """Each write and task fails with the reason, until the reason is gone."""
        path = self.mktemp() + "/missing/presence.db"
        database = Database.immediate("sqlite:" + path)
        self.failureResultOf(database.write(INSERT, ("Rex",)), CannotOpen)
        self.failureResultOf(database.run(pets), CannotOpen)
