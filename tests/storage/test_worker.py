"""The writer thread."""

from __future__ import annotations

import threading
from functools import partial

from matrix_presence.storage.worker import WriterThread
from tests.base import TestCase


class WriterThreadTests(TestCase):
    """Tasks in a thread of their own."""

    def test_tasks_are_done_in_order_in_one_thread(self) -> None:
        """All tasks run in the same thread, which is not the caller's."""
        done: list[tuple[int, int]] = []
        worker = WriterThread("test-writer")
        for number in range(100):
            worker.do(partial(self.note, done, number))
        worker.quit()
        self.assertEqual([number for number, _ in done], list(range(100)))
        threads = {thread for _, thread in done}
        self.assertEqual(len(threads), 1)
        self.assertNotIn(threading.get_ident(), threads)

    def note(self, done: list[tuple[int, int]], number: int) -> None:
        """A task: note its number and its thread."""
        done.append((number, threading.get_ident()))

    def test_quit_ends_the_thread(self) -> None:
        """Nothing is left running, and a thread never used is never started."""
        before = threading.active_count()
        unused = WriterThread("test-unused")
        used = WriterThread("test-used")
        used.do(lambda: None)
        for worker in (unused, used):
            worker.quit()
        self.assertEqual(threading.active_count(), before)
