"""A database for a reactor: one writer thread, transactions that group themselves.

While one transaction commits, the writes that arrive gather and make up the next
one. So the number of commits follows the speed of the disk, not the number of
requests.

All decisions are taken in the reactor thread; the writer thread is handed complete
groups and reports each with one call. What costs most is neither SQL nor disk but two
threads that want Python's global lock at the same time. So a group leaves when the
reactor has nothing more to add, and is written while the reactor waits for clients.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from matrix_presence.storage.connection import Connect, Cursor, Unit
from matrix_presence.storage.migrations import migrate
from matrix_presence.storage.transactions import Transactions
from matrix_presence.storage.urls import connect_to
from matrix_presence.storage.worker import ImmediateWorker, Worker, WriterThread

T = TypeVar("T")

#: Calls a function in the reactor thread, from any thread: from the reactor thread
#: itself in the reactor's next turn.
CallFromThread = Callable[..., object]

#: Units of one transaction, at most. All of them are answered in one go, so this also
#: bounds how long a commit may occupy the reactor.
_GROUP = 500


#: Turns of the reactor that a group waits for more, at most. It leaves after the first
#: turn that brought no write; a busy reactor must not keep it for ever.
_TURNS = 4


class Closed(Exception):
    """The database has been closed."""


@attrs.define(eq=False)
class _Write:
    """Statements to be stored in whatever transaction comes next."""

    unit: Unit
    done: Deferred[None]


@attrs.define(eq=False)
class _Task:
    """Something to be called in the writer thread, on its own."""

    call: Callable[[], Any]
    done: Deferred[Any]


_Waiting: TypeAlias = deque[_Write | _Task]


class Database:
    """SQLite or PostgreSQL behind Deferreds that fire in the reactor thread.

    Everything happens in the order of the calls. A Deferred that is cancelled forgets
    the answer; what was asked for is done all the same.
    """

    def __init__(
        self, connect: Connect, worker: Worker, call_from_thread: CallFromThread
    ) -> None:
        self._transactions = Transactions(connect)
        self._worker = worker
        self._call_from_thread = call_from_thread
        self._waiting: _Waiting = deque()
        #: Whether the worker has something to do, or is about to get it.
        self._busy = False
        self._closed = False

    @classmethod
    def from_url(cls, url: str, reactor: IReactorFromThreads) -> Database:
        """The database at this URL; it is opened when it is first used.

        `sqlite:///var/lib/presence.db` is an absolute path, `sqlite:presence.db` one
        relative to the working directory, `sqlite://` lives in memory, and
        `postgresql://user:password@host/name` is a server.

        Raises:
            ValueError: the URL is none of these.
            CannotOpen: the driver for PostgreSQL is not installed.
        """
        worker = WriterThread("matrix-presence-database")
        return cls(connect_to(url), worker, reactor.callFromThread)

    @classmethod
    def immediate(cls, url: str = "sqlite://") -> Database:
        """A database without a thread, whose Deferreds have fired when you get them.

        For tests on virtual time: in memory unless `url` says otherwise.
        """
        return cls(connect_to(url), ImmediateWorker(), _call)

    def run(self, work: Callable[[Cursor], T]) -> Deferred[T]:
        """What `work` answers, once its transaction is committed.

        `work` is called in the writer thread. If it raises, its transaction is undone.
        It may be called a second time, after a connection was lost that had not
        committed.
        """
        return self._queue(partial(self._transactions.run, work))

    def write(self, sql: str, params: Sequence[Any] = ()) -> Deferred[None]:
        """Execute one statement; fires when it is committed."""
        return self.write_many(((sql, params),))

    def write_many(self, statements: Unit) -> Deferred[None]:
        """Execute these statements, all of them or none; fires when committed.

        They share a transaction with whatever else was waiting, but not its fate: what
        fails here fails nothing else. (Constraints that are checked at the end of a
        transaction only, `DEFERRABLE`, would; use none.)
        """
        if self._closed:
            return fail(Closed("The database has been closed"))
        done: Deferred[None] = Deferred()
        self._waiting.append(_Write(statements, done))
        if not self._busy:
            self._start()
        return done

    def migrate(self, component: str, package: str) -> Deferred[None]:
        """Bring the tables of `component` up to what the code expects.

        Applies the files `schema/NNN_name.sql` of `package` that have not been yet, in
        the order of their numbers and in one transaction.

        Raises:
            SchemaTooNew: the tables were made by a later version of the code.
        """
        return self.run(partial(migrate, component, package))

    def close(self) -> Deferred[None]:
        """Commit what is waiting, then release the file and the thread."""
        done: Deferred[None] = self._queue(self._transactions.close)
        self._closed = True

        def quit_worker(answer: T) -> T:
            self._worker.quit()
            return answer

        return done.addBoth(quit_worker)

    # In the reactor thread.

    def _queue(self, call: Callable[[], T]) -> Deferred[T]:
        if self._closed:
            return fail(Closed("The database has been closed"))
        done: Deferred[T] = Deferred()
        self._waiting.append(_Task(call, done))
        if not self._busy:
            self._start()
        return done

    def _start(self) -> None:
        """See to it that the worker gets what has been waiting for longest."""
        self._busy = bool(self._waiting)
        if self._busy:
            if isinstance(self._waiting[0], _Task):
                self._hand_over()
            else:
                self._gather(0, _TURNS)

    def _gather(self, seen: int, turns: int) -> None:
        """Hand over once a turn of the reactor has added nothing to what was `seen`."""
        waiting = len(self._waiting)
        if waiting == seen or waiting >= _GROUP or turns == 0:
            self._hand_over()
        else:
            self._call_from_thread(self._gather, waiting, turns - 1)

    def _hand_over(self) -> None:
        """Give the worker a task, or the writes before the next task."""
        first = self._waiting.popleft()
        if isinstance(first, _Task):
            self._worker.do(partial(self._perform, first))
            return
        group = [first]
        while self._waiting and len(group) < _GROUP:
            following = self._waiting[0]
            if isinstance(following, _Task):
                break
            group.append(following)
            self._waiting.popleft()
        self._worker.do(partial(self._store, group))

    def _performed(self, task: _Task, answer: object) -> None:
        # The worker comes first: it need not idle while the answers are handed out.
        self._start()
        task.done.callback(answer)

    def _stored(self, group: list[_Write], failures: list[Exception | None]) -> None:
        self._start()
        if not failures:
            for write in group:
                write.done.callback(None)
            return
        for write, failure in zip(group, failures, strict=True):
            write.done.callback(None if failure is None else Failure(failure))

    # In the writer thread.

    def _perform(self, task: _Task) -> None:
        answer: object
        try:
            answer = task.call()
        except Exception:
            answer = Failure()
        self._call_from_thread(self._performed, task, answer)

    def _store(self, group: list[_Write]) -> None:
        try:
            failures = self._transactions.store([write.unit for write in group])
        except Exception as error:
            failures = [error] * len(group)
        self._call_from_thread(self._stored, group, failures)


def _call(function: Callable[..., object], *args: object) -> None:
    function(*args)
