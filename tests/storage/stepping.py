"""Databases for tests: one whose threads are taken step by step, one that blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import current_thread
from typing import Any

from matrix_presence.storage.connection import Connection, Cursor
from matrix_presence.storage.database import Database
from matrix_presence.storage.sqlite import MEMORY, sqlite_connect
from matrix_presence.storage.urls import connect_to
from matrix_presence.storage.worker import Task, WriterThread


class Steps:
    """A database in memory, and both of its threads in the hands of the test.

    What SQLite is told to do with transactions is kept in `transactions`, one word a
    step: begin, commit or rollback.
    """

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()
        self._calls: deque[Task] = deque()
        self.has_quit = False
        self.transactions: list[str] = []
        self.database = Database(self._connect, self, self._call_from_thread)

    def do(self, task: Task) -> None:
        """Take a task as the worker."""
        self._tasks.append(task)

    def quit(self) -> None:
        """End as the worker."""
        self.has_quit = True

    def turn(self) -> None:
        """Let the reactor do what it has been asked to so far."""
        for _ in range(len(self._calls)):
            self._calls.popleft()()

    def idle(self) -> None:
        """Let the reactor do all that it has to do."""
        while self._calls:
            self.turn()

    def work(self) -> None:
        """Let the worker carry out its next task."""
        self._tasks.popleft()()

    def finish(self) -> None:
        """Let both threads do all that they have to do."""
        self.idle()
        while self._tasks:
            self.work()
            self.idle()

    def _call_from_thread(self, function: Callable[..., object], *args: Any) -> None:
        self._calls.append(partial(function, *args))

    def _connect(self) -> Connection:
        return Recording(sqlite_connect(MEMORY)(), self.transactions)


class Recording:
    """A connection that writes down the transactions on another one."""

    def __init__(self, connection: Connection, words: list[str]) -> None:
        self._connection = connection
        self._words = words

    @property
    def cursor(self) -> Cursor:
        """The other's."""
        return self._connection.cursor

    @property
    def lost(self) -> bool:
        """As the other."""
        return self._connection.lost

    def begin(self) -> None:
        """Begin, and write it down."""
        self._words.append("begin")
        self._connection.begin()

    def commit(self) -> None:
        """Commit, and write it down."""
        self._words.append("commit")
        self._connection.commit()

    def rollback(self) -> None:
        """Roll back, and write it down."""
        self._words.append("rollback")
        self._connection.rollback()

    def close(self) -> None:
        """Close, and write it down."""
        self._words.append("close")
        self._connection.close()


class BlockingThread:
    """A worker with a real thread, whose `do` waits for what the thread reports.

    So the Deferreds of a database on it have fired when a test gets them, as with
    `Database.immediate`, but all SQL has run in the writer thread.
    """

    def __init__(self) -> None:
        self._thread = WriterThread("test-database")
        self._calls: SimpleQueue[Task] = SimpleQueue()
        self._caller = current_thread()

    def do(self, task: Task) -> None:
        """Give the task to the thread; return when its report has been acted on."""
        self._thread.do(task)
        self._calls.get(timeout=60)()

    def quit(self) -> None:
        """End the thread."""
        self._thread.quit()

    def call_from_thread(self, function: Callable[..., object], *args: Any) -> None:
        """Keep a call from the writer thread for `do`; make one of our own at once."""
        if current_thread() is self._caller:
            function(*args)
        else:
            self._calls.put(partial(function, *args))


def blocking_database(url: str) -> Database:
    """The database at this URL, with a real thread for which the caller waits."""
    worker = BlockingThread()
    return Database(connect_to(url), worker, worker.call_from_thread)
