"""Where the work of a database is done: in a thread, or at once.

The database does not know which. Tests give it a worker whose steps they take by
hand.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

Task = Callable[[], object]


class Worker(Protocol):
    """Carries out tasks one after another, in the order it was given them."""

    def do(self, task: Task) -> None:
        """Carry out this task, now or later."""

    def quit(self) -> None:
        """Return when everything is done and no more will be."""


class WriterThread:
    """A worker with a thread of its own, which starts with the first task.

    The thread is a daemon: a process that ends without `quit` is not held up, and to
    the database that is just another crash.
    """

    def __init__(self, name: str) -> None:
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._started = False

    def do(self, task: Task) -> None:
        """Carry out this task in the thread; it must not raise."""
        if not self._started:
            self._started = True
            self._thread.start()
        self._tasks.put(task)

    def quit(self) -> None:
        """Wait for the thread to end, after the last of its tasks."""
        if self._started:
            self._tasks.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


class ImmediateWorker:
    """A worker that has finished a task before `do` returns."""

    def do(self, task: Task) -> None:
        """Carry out this task now."""
        task()

    def quit(self) -> None:
        """There is nothing to wait for."""
