"""One call for all who ask for the same at the same time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from matrix_presence.cache.sharing import Sharing
from tests.base import TestCase


class SharingTests(TestCase):
    """Several who ask."""

    def setUp(self) -> None:
        """Nobody has asked yet."""
        self.sharing: Sharing[str, int] = Sharing()
        self.calls: list[Deferred[int]] = []

    def ask(self, key: str = "a") -> Deferred[Any]:
        """One more who asks."""

        async def call() -> int:
            answer: Deferred[int] = Deferred()
            self.calls.append(answer)
            return await answer

        return Deferred.fromCoroutine(self.sharing.share(key, call))

    def test_they_share_one_call(self) -> None:
        """And its answer."""
        asking = [self.ask() for _ in range(3)]
        (call,) = self.calls
        call.callback(7)
        self.assertEqual([7] * 3, [self.successResultOf(each) for each in asking])

    def test_they_share_its_failure(self) -> None:
        """Each gets it, and the next one who asks tries again."""
        asking = [self.ask() for _ in range(3)]
        self.calls[0].errback(ValueError())
        for each in asking:
            self.failureResultOf(each, ValueError)
        self.ask()
        self.assertEqual(2, len(self.calls))

    def test_those_who_ask_for_something_else_share_nothing(self) -> None:
        """What is under way is counted."""
        self.ask("a")
        self.ask("b")
        self.assertEqual(2, len(self.sharing))
        self.assertIn("a", self.sharing)
        for call in self.calls:
            call.callback(1)
        self.assertEqual(0, len(self.sharing))

    def test_whoever_gives_up_leaves_it_to_the_others(self) -> None:
        """Also the one who began it."""
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.calls[0].callback(7)
        self.assertEqual(7, self.successResultOf(second))

    def test_a_call_that_nobody_waits_for_goes_on_to_its_end(self) -> None:
        """And leaves nothing behind."""
        only = self.ask()
        only.cancel()
        self.failureResultOf(only, CancelledError)
        self.assertIn("a", self.sharing)
        self.calls[0].errback(ValueError())
        self.assertNotIn("a", self.sharing)

    def test_a_call_that_need_not_wait_is_answered_at_once(self) -> None:
        """Within the asking."""

        async def call() -> int:
            return 7

        asking = Deferred.fromCoroutine(self.sharing.share("a", call))
        self.assertEqual(7, self.successResultOf(asking))
