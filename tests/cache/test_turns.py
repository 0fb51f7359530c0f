"""One after the other."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from matrix_presence.cache.turns import Turns
from tests.base import TestCase


class TurnsTests(TestCase):
    """Who has the turn, and when."""

    def setUp(self) -> None:
        """Nobody has it."""
        self.turns: Turns[str] = Turns()
        self.began: list[str] = []
        self.holds: dict[str, Deferred[None]] = {}

    def come(self, name: str, key: str = "key") -> Deferred[None]:
        """Somebody who wants the turn, and keeps it until the hold is released."""
        hold = self.holds[name] = Deferred()

        async def use() -> None:
            async with self.turns.turn(key):
                self.began.append(name)
                await hold

        return Deferred.fromCoroutine(use())

    def test_the_turn_goes_from_one_to_the_next(self) -> None:
        """In the order in which they came."""
        done = [self.come(name) for name in "abc"]
        self.assertEqual(["a"], self.began)
        self.holds["a"].callback(None)
        self.assertEqual(["a", "b"], self.began)
        self.holds["b"].callback(None)
        self.holds["c"].callback(None)
        for each in done:
            self.successResultOf(each)
        self.assertEqual(["a", "b", "c"], self.began)
        self.assertEqual(0, len(self.turns))

    def test_others_are_not_waited_for(self) -> None:
        """Each key has turns of its own."""
        for name in "ab":
            self.come(name, key=name)
        self.assertEqual(["a", "b"], self.began)

    def test_who_fails_passes_the_turn_on(self) -> None:
        """And fails alone."""
        first, second = self.come("a"), self.come("b")
        self.holds["a"].errback(ValueError("no"))
        self.failureResultOf(first, ValueError)
        self.assertEqual(["a", "b"], self.began)
        self.assertNoResult(second)

    def test_who_gives_up_leaves_the_line(self) -> None:
        """The one behind is next."""
        self.come("a")
        second = self.come("b")
        self.come("c")
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.holds["a"].callback(None)
        self.assertEqual(["a", "c"], self.began)
        self.holds["c"].callback(None)
        self.assertEqual(0, len(self.turns))
