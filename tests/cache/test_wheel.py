"""The timing wheel, against a list of deadlines."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.cache.wheel import Wheel
from tests.base import TestCase

USERS = 8
EPOCH = 1_790_000_000_000
WIDTH = 100

steps = st.lists(
    st.one_of(
        # A user is due, this far from now; some already were.
        st.tuples(st.integers(0, USERS - 1), st.integers(-300, 2000)),
        # Time passes, and so many at most are taken out.
        st.tuples(st.none(), st.integers(0, 700), st.integers(1, 4)),
    ),
    max_size=60,
)


class WheelTests(TestCase):
    """Who comes up when."""

    def setUp(self) -> None:
        """An empty wheel."""
        self.wheel = Wheel(array("q", [0] * 1000), WIDTH)

    @given(steps)
    def test_everybody_comes_up_in_time(
        self, ops: list[tuple[int | None, ...]]
    ) -> None:
        """Nobody comes up before their earliest deadline nor a slot after it (B-54)."""
        wheel, now = Wheel(array("q", [0] * USERS), WIDTH), EPOCH
        due: dict[int, int] = {}
        for op in ops:
            if op[0] is not None:
                user, deadline = op[0], max(0, now + (op[1] or 0))
                wheel.put(user, deadline)
                # A deadline that has passed already counts from when it is put.
                counted = max(deadline, now - WIDTH)
                due[user] = min(due.get(user, counted), counted)
                continue
            now += op[1] or 0
            most = op[2]
            assert most is not None
            while True:
                found = wheel.due(now, most)
                for user in found:
                    self.assertLessEqual(due.pop(user), now, "too early")
                if len(found) < most:
                    break
            late = {u: now - ts for u, ts in due.items() if ts + 2 * WIDTH <= now}
            self.assertEqual({}, late, "too late")

    def test_a_deadline_is_met_within_a_slot(self) -> None:
        """Swept each slot, a user comes up after the deadline, by a slot at most."""
        for offset in range(2 * WIDTH):
            deadline = EPOCH + 1000 + offset
            self.wheel.put(offset, deadline)
        came: dict[int, int] = {}
        for now in range(EPOCH, EPOCH + 2000, 10):
            came.update({user: now for user in self.wheel.due(now, 1000)})
        for offset in range(2 * WIDTH):
            late = came[offset] - (EPOCH + 1000 + offset)
            self.assertTrue(0 < late <= WIDTH, f"{offset}: {late} ms")

    def test_the_earlier_of_two_deadlines_counts(self) -> None:
        """A later deadline changes nothing; an earlier one does."""
        self.wheel.put(1, EPOCH + 1000)
        self.wheel.put(1, EPOCH + 500)
        self.wheel.put(1, EPOCH + 5000)
        self.assertEqual([], self.wheel.due(EPOCH + 499, 10))
        self.assertEqual([1], self.wheel.due(EPOCH + 600, 10))
        self.assertEqual([], self.wheel.due(EPOCH + 9000, 10))

    def test_a_user_comes_up_once(self) -> None:
        """Who has come up does not come up again unless put in again."""
        self.wheel.put(1, EPOCH)
        self.assertEqual([1], self.wheel.due(EPOCH + WIDTH, 10))
        self.assertEqual([], self.wheel.due(EPOCH + 9 * WIDTH, 10))
        self.wheel.put(1, EPOCH)
        self.assertEqual([1], self.wheel.due(EPOCH + 10 * WIDTH, 10))

    def test_fewer_than_asked_for_are_all(self) -> None:
        """As long as anybody is due, as many as asked for come up."""
        for user in range(30):
            self.wheel.put(user, EPOCH + 5 * WIDTH)
        for user in range(0, 30, 3):  # These leave a stale entry behind.
            self.wheel.put(user, EPOCH + 2 * WIDTH)
        self.assertEqual(10, len(self.wheel.due(EPOCH + 3 * WIDTH, 30)))
        found = [len(self.wheel.due(EPOCH + 9 * WIDTH, 6)) for _ in range(4)]
        self.assertEqual([6, 6, 6, 2], found)

    def test_a_sweep_touches_who_is_due(self) -> None:
        """However many wait, only those whose slot has passed leave the wheel."""
        for user in range(1000):
            self.wheel.put(user, EPOCH + user * WIDTH)
        self.assertEqual(10, len(self.wheel.due(EPOCH + 10 * WIDTH, 1000)))
        self.assertEqual(990, len(self.wheel))
