"""Long work in slices of the reactor's time, short work at once."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from matrix_presence.homeserver import slices
from matrix_presence.homeserver.slices import Slices
from tests.base import TestCase


class SlicesTests(TestCase):
    """`Slices`, whose time passes with each step that is taken."""

    def setUp(self) -> None:
        """Nothing under way."""
        self.clock = Clock()
        self.slices = Slices(self.clock)
        #: The steps taken, each with the turn of the reactor it was taken in.
        self.taken: list[tuple[str, int]] = []
        self.turn = 0
        self.patch(slices, "SLICE", 1.0)

    def steps(self, name: str, number: int, seconds: float) -> Iterator[None]:
        """So many steps, each of which takes so long."""
        for _ in range(number):
            self.taken.append((name, self.turn))
            self.clock.rightNow += seconds
            yield

    def begin(self, steps: Iterator[None]) -> Deferred[bool]:
        """Have these steps taken."""
        return Deferred.fromCoroutine(self.slices.done(steps))

    def turns(self) -> None:
        """Let the reactor turn until nothing is left."""
        calls = self.clock.calls
        while calls:
            self.turn += 1
            call = calls.pop(0)
            call.func(*call.args, **call.kw)

    def test_short_work_is_done_at_once(self) -> None:
        """What fits into a slice does not wait, and says so."""
        done = self.begin(self.steps("a", 5, 0.1))
        self.assertIs(self.successResultOf(done), True)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_long_work_pauses(self) -> None:
        """It takes no more than a slice of each turn, and says that it paused."""
        done = self.begin(self.steps("a", 10, 0.4))
        self.assertNoResult(done)
        self.turns()
        self.assertIs(self.successResultOf(done), False)
        turns = [turn for _, turn in self.taken]
        self.assertEqual(len(turns), 10)
        self.assertLessEqual(max(map(turns.count, turns)), 3)

    def test_all_long_work_shares_the_slices(self) -> None:
        """Who comes while others go on takes a step, and then takes turns with them."""
        works = [self.begin(self.steps(name, 6, 0.4)) for name in "abc"]
        self.assertEqual([name for name, _ in self.taken], ["a"] * 3 + ["b", "c"])
        self.turns()
        for work in works:
            self.assertIs(self.successResultOf(work), False)
        turns = [turn for _, turn in self.taken if turn]
        self.assertLessEqual(max(map(turns.count, turns)), 3)

    def test_cancelled_work_ends(self) -> None:
        """It takes no further step, and leaves nothing in the reactor."""
        done = self.begin(self.steps("a", 10, 0.4))
        done.cancel()
        self.failureResultOf(done)
        taken = len(self.taken)
        self.turns()
        self.assertEqual(len(self.taken), taken)
        self.assertIs(self.successResultOf(self.begin(self.steps("b", 2, 0.1))), True)

    def test_a_fault_is_told(self) -> None:
        """What a step raises comes out, at once or later."""

        def faulty(number: int) -> Iterator[None]:
            yield from self.steps("a", number, 0.4)
            raise ValueError("x")

        for number in (1, 10):
            done = self.begin(faulty(number))
            self.turns()
            self.failureResultOf(done, ValueError)

    def test_it_is_looked_again_until_nothing_moved(self) -> None:
        """A look that paused is followed by another, one that did not is the last."""
        changed = [8, 5, 2, 0]
        looks = (self.steps(f"look {number}", number, 0.4) for number in changed)
        settled = Deferred.fromCoroutine(self.slices.settle(lambda: next(looks)))
        self.turns()
        self.successResultOf(settled)
        self.assertEqual(
            {name for name, _ in self.taken}, {"look 8", "look 5", "look 2"}
        )

    def test_it_is_not_looked_for_ever(self) -> None:
        """Where something always moves, the last look is taken at once."""
        looks = 0

        def look() -> Iterator[None]:
            nonlocal looks
            looks += 1
            return self.steps(f"look {looks}", 10, 0.4)

        settled = Deferred.fromCoroutine(self.slices.settle(look))
        self.turns()
        self.successResultOf(settled)
        last = {turn for name, turn in self.taken if name == f"look {looks}"}
        self.assertEqual(len(last), 1)
        self.assertGreater(looks, 2)
