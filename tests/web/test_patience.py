"""`Patience`: when a connection's time is over, and what timers that takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from matrix_presence.web.patience import Patience
from tests.base import TestCase

steps = st.lists(
    st.tuples(st.sampled_from(("set", "forever", "renew", "pass")), st.integers(1, 20)),
    max_size=40,
)


class PatienceTests(TestCase):
    """One connection's time-out, beside one that is written in the plainest way."""

    @given(steps)
    def test_it_ends_when_a_plain_timer_would(
        self, some: list[tuple[str, int]]
    ) -> None:
        """To the second, with never more than one delayed call."""
        clock, over = Clock(), []
        patience = Patience(clock, lambda: over.append(clock.seconds()))
        period: float | None = None
        ends, expected = 0.0, []
        for kind, number in some:
            if kind == "set":
                period, ends = number, clock.seconds() + number
                patience.set(number)
            elif kind == "forever":
                period = None
                patience.set(None)
            elif kind == "renew":
                patience.renew()
                if period is not None:
                    ends = clock.seconds() + period
            else:
                for _ in range(number):
                    before = len(over)
                    clock.advance(1)
                    if period is not None and clock.seconds() == ends:
                        expected.append(ends)
                    if len(over) > before:
                        # The connection is closed by it.
                        self.assertEqual(expected, over)
                        patience.stop()
                        self.assertEqual([], clock.getDelayedCalls())
                        return
            self.assertLessEqual(len(clock.getDelayedCalls()), 1)
        self.assertEqual(expected, over)
        patience.stop()
        self.assertEqual([], clock.getDelayedCalls())
