"""Windows and the budget: who is served when, and who first."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from pyroaring import BitMap

from matrix_presence.cache.attention import Attention
from tests.base import TestCase

ONES = 8
EPOCH = 1_790_000_000_000
WINDOW = 1000

ones = st.sets(st.integers(0, ONES - 1), min_size=1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("urgent"), ones),
        st.tuples(st.just("casual"), ones),
        st.tuples(st.just("withdraw"), st.integers(0, ONES - 1)),
        st.tuples(st.just("ready"), ones, st.integers(0, 1500), st.integers(1, ONES)),
    ),
    max_size=60,
)


def many(length: int) -> BitMap:
    """So many, from 0 on."""
    return BitMap(range(length))


class AttentionTests(TestCase):
    """Wishes come true, in their order and not too often."""

    @given(steps, st.sampled_from((0, WINDOW)), st.sampled_from((0, 2, 1000)))
    @example(
        [
            ("urgent", {0}),
            ("withdraw", 0),
            ("urgent", {0, 1}),
            ("ready", {0, 1}, 0, 2),
        ],
        0,
        0,
    )
    def test_it_keeps_what_it_promises(
        self, ops: list[tuple[Any, ...]], window: int, per_second: int
    ) -> None:
        """No wish is lost or served twice, none in its window, none over budget."""
        attention, now = Attention(window, per_second), EPOCH
        urgent: set[int] = set()
        casual: set[int] = set()
        served_ts: dict[int, int] = {}
        services: list[int] = []
        for kind, *rest in ops:
            if kind == "urgent":
                urgent |= rest[0]
                attention.wish(BitMap(rest[0]), urgent=True)
            elif kind == "casual":
                casual |= rest[0]
                attention.wish(BitMap(rest[0]), urgent=False)
            elif kind == "withdraw":
                urgent.discard(rest[0])
                casual.discard(rest[0])
                attention.withdraw(rest[0])
            else:
                among, passes, most = rest
                now += passes
                chosen = set(attention.ready(BitMap(among), now, most))
                self.assertLessEqual(chosen, (urgent | casual) & among)
                self.assertLessEqual(len(chosen), most)
                for one in chosen:
                    self.assertGreaterEqual(now - served_ts.get(one, 0), window)
                    served_ts[one] = now
                    services.append(now)
                left = {
                    one
                    for one in ((urgent | casual) & among) - chosen
                    if now - served_ts.get(one, 0) > window + window // 16 + 1
                }
                if chosen & casual - urgent:
                    self.assertEqual(set(), left & urgent, "casual came first")
                if not per_second and len(chosen) < most:
                    self.assertEqual(set(), left, "left out for no reason")
                urgent -= chosen
                casual -= chosen
        if per_second:
            for start in services:
                second = [ts for ts in services if start <= ts < start + 1000]
                self.assertLessEqual(len(second), 2 * per_second)

    @given(steps, st.sampled_from((0, WINDOW)), st.sampled_from((0, 2, 1000)))
    def test_asking_when_told_to_serves_everybody(
        self, ops: list[tuple[Any, ...]], window: int, per_second: int
    ) -> None:
        """Whoever asks again at `next_ts` soon has nobody left who wishes."""
        attention, now = Attention(window, per_second), EPOCH
        wishing: set[int] = set()
        for kind, *rest in ops:
            if kind in ("urgent", "casual"):
                wishing |= rest[0]
                attention.wish(BitMap(rest[0]), urgent=kind == "urgent")
        for _asked in range(100):
            again = attention.next_ts(many(ONES), now)
            if again is None:
                break
            self.assertGreaterEqual(again, now)
            now = again
            served = set(attention.ready(many(ONES), now, 3))
            self.assertLessEqual(served, wishing)
            wishing -= served
        self.assertEqual(set(), wishing)
        self.assertLessEqual(now - EPOCH, 10_000)

    @given(st.permutations(range(ONES)), st.integers(1, 3), st.booleans())
    def test_those_who_have_waited_longest_come_first(
        self, order: list[int], most: int, urgent: bool
    ) -> None:
        """Wishes are served in the order in which they came."""
        attention = Attention(0, 0)
        for one in order:
            attention.wish(BitMap([one]), urgent=urgent)
        served: list[int] = []
        while some := attention.ready(many(ONES), EPOCH, most):
            wave = order[len(served) : len(served) + most]
            self.assertEqual(set(wave), set(some))
            served.extend(some)
        self.assertEqual(ONES, len(served))

    def test_a_wish_made_again_keeps_its_place(self) -> None:
        """Wishing once more neither helps nor hurts."""
        attention = Attention(0, 0)
        for one in (2, 1, 0, 2, 1):
            attention.wish(BitMap([one]), urgent=True)
        order = [attention.ready(many(3), EPOCH, 1)[0] for _ in range(3)]
        self.assertEqual([2, 1, 0], order)

    def test_a_change_of_state_comes_before_mere_activity(self) -> None:
        """Who has waited longer for mere activity still waits."""
        attention = Attention(0, 0)
        attention.wish(BitMap([1]), urgent=False)
        attention.wish(BitMap([2]), urgent=True)
        self.assertEqual([2], list(attention.ready(many(3), EPOCH, 1)))
        self.assertEqual([1], list(attention.ready(many(3), EPOCH, 1)))

    def test_both_kinds_of_wish_are_one_service(self) -> None:
        """Served for a change of state is served for the activity too."""
        attention = Attention(0, 0)
        attention.wish(BitMap([1]), urgent=False)
        attention.wish(BitMap([1]), urgent=True)
        self.assertEqual([1], list(attention.ready(many(3), EPOCH, 9)))
        self.assertEqual([], list(attention.ready(many(3), EPOCH, 9)))
        self.assertIsNone(attention.next_ts(many(3), EPOCH))

    def test_nobody_starves_when_the_budget_is_short(self) -> None:
        """With a wish each tick and ten services a second, a hundred take turns."""
        attention = Attention(0, 10)
        served = dict.fromkeys(range(100), 0)
        for tick in range(20 * 60):
            now = EPOCH + 50 * tick
            attention.wish(many(100), urgent=True)
            for one in attention.ready(many(100), now, 32):
                served[one] += 1
        # 600 services in a minute, and ten at once: six or seven each.
        self.assertGreaterEqual(min(served.values()), 4)
        self.assertLessEqual(max(served.values()), 9)

    def test_the_budget_is_spent_and_earned(self) -> None:
        """A second's worth at once, then as many as the time that has passed."""
        attention = Attention(0, 10)
        attention.wish(many(100), urgent=True)
        self.assertEqual(10, len(attention.ready(many(100), EPOCH, 99)))
        self.assertEqual(0, len(attention.ready(many(100), EPOCH + 99, 99)))
        self.assertEqual(1, len(attention.ready(many(100), EPOCH + 100, 99)))
        self.assertEqual(10, len(attention.ready(many(100), EPOCH + 60_000, 99)))

    def test_a_window_ends_in_time(self) -> None:
        """It ends a window after the service, or a sixteenth of it later."""
        for offset in range(0, 200, 7):
            attention, now = Attention(WINDOW, 0), EPOCH + offset
            attention.wish(BitMap([1]), urgent=True)
            attention.ready(many(2), now, 9)
            attention.wish(BitMap([1]), urgent=True)
            self.assertFalse(attention.ready(many(2), now + WINDOW - 1, 9))
            again = attention.next_ts(many(2), now + WINDOW - 1)
            assert again is not None
            self.assertLessEqual(again, now + WINDOW + WINDOW // 16 + 1)
            self.assertTrue(attention.ready(many(2), again, 9))

    def test_who_withdraws_is_not_served(self) -> None:
        """A wish that is taken back is nobody's."""
        attention = Attention(0, 0)
        attention.wish(BitMap([1, 2]), urgent=True)
        attention.withdraw(1)
        self.assertEqual([2], list(attention.ready(many(3), EPOCH, 9)))

    def test_who_is_not_there_keeps_the_wish(self) -> None:
        """A wish waits for its owner, and does not hold up the others."""
        attention = Attention(0, 0)
        attention.wish(BitMap([1, 2]), urgent=True)
        self.assertEqual([2], list(attention.ready(BitMap([2]), EPOCH, 9)))
        self.assertIsNone(attention.next_ts(BitMap([2]), EPOCH))
        self.assertEqual([1], list(attention.ready(BitMap([1]), EPOCH, 9)))


class LongWindowTests(TestCase):
    """Who has been served often waits longer."""

    def setUp(self) -> None:
        """Windows of a second, and of a minute from the fourth service on."""
        self.attention = Attention(WINDOW, 0, 60 * WINDOW, 3)
        self.now = EPOCH

    def services(self, seconds: int, *, each: int = 1) -> int:
        """How often the first is served, who wishes so every `each` seconds."""
        count = 0
        for _ in range(seconds):
            self.now += WINDOW
            if self.now // WINDOW % each == 0:
                self.attention.wish(many(1), urgent=True)
            count += len(self.attention.ready(many(1), self.now, 9))
        return count

    def test_a_burst_is_served_at_once(self) -> None:
        """And what follows, once in a long window."""
        self.assertEqual(2, self.services(4))
        self.assertLessEqual(self.services(600), 13)

    def test_quiet_gives_it_back(self) -> None:
        """One service for each five long windows, and no more than the burst."""
        self.services(60)
        self.now += 3600 * WINDOW
        self.assertGreaterEqual(self.services(10), 3)

    def test_who_wishes_seldom_never_waits(self) -> None:
        """However long it goes on."""
        self.assertEqual(40, self.services(40 * 301, each=301))

    def test_others_do_not_wait_for_it(self) -> None:
        """Each has a burst of its own."""
        self.services(60)
        self.attention.wish(many(2), urgent=True)
        self.assertEqual(BitMap([1]), self.attention.ready(many(2), self.now, 9))

    def test_it_is_told_when_the_window_ends(self) -> None:
        """And can be served then, also if others have short windows."""
        self.services(60)
        self.attention.wish(many(2), urgent=True)
        self.attention.ready(many(2), self.now, 9)
        self.attention.wish(many(1), urgent=True)
        for _ in range(100):
            again = self.attention.next_ts(many(2), self.now)
            assert again is not None and again >= self.now
            self.now = max(again, self.now + 1)
            if self.attention.ready(many(2), self.now, 9):
                return
        self.fail("its turn does not come")
