"""Token buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.cache.limits import Buckets
from tests.base import TestCase

EPOCH = 1_790_000_000_000

rates = st.sampled_from((0.1, 0.5, 1, 3, 20))
bursts = st.sampled_from((1, 2, 5))
#: By whom, and how many ms after the one before.
attempts = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4000)), max_size=60)


class BucketsTests(TestCase):
    """So many at once, and so many a second."""

    @given(rates, bursts, attempts)
    def test_nobody_gets_more_than_the_bucket_holds(
        self, rate: float, burst: int, some: list[tuple[int, int]]
    ) -> None:
        """In no stretch of time more than the burst and what it earned is allowed."""
        buckets, now = Buckets(rate, burst), EPOCH
        allowed: dict[int, list[int]] = {}
        for user, passes in some:
            now += passes
            if not buckets.take(user, now):
                allowed.setdefault(user, []).append(now)
        for stamps in allowed.values():
            for first, start in enumerate(stamps):
                for count, end in enumerate(stamps[first:], start=1):
                    most = burst + (end - start) * rate / 1000
                    self.assertLessEqual(count, most + 1e-6)

    @given(rates, bursts, attempts)
    def test_who_waits_as_told_is_allowed(
        self, rate: float, burst: int, some: list[tuple[int, int]]
    ) -> None:
        """The answer to a refusal is the time after which there is a token (A-28)."""
        buckets, now = Buckets(rate, burst), EPOCH
        for user, passes in some:
            now += passes
            wait = buckets.take(user, now)
            if wait:
                self.assertLessEqual(wait, 1000 / rate + 1)
                if wait > 1:
                    self.assertTrue(buckets.take(user, now + wait - 2), "too long")
                # A millisecond more is the price of counting with floats.
                now += wait + 1
                self.assertEqual(0, buckets.take(user, now))

    def test_users_have_a_bucket_each(self) -> None:
        """What one user spends is not missing in another's bucket."""
        buckets = Buckets(1, 1)
        self.assertEqual(0, buckets.take(1, EPOCH))
        self.assertEqual(0, buckets.take(2, EPOCH))
        self.assertEqual(1000, buckets.take(1, EPOCH))

    def test_no_rate_is_no_limit(self) -> None:
        """With 0 a second everything is allowed."""
        buckets = Buckets(0, 1)
        self.assertEqual({0}, {buckets.take(1, EPOCH) for _ in range(100)})

    def test_a_crowd_of_full_buckets_is_forgotten(self) -> None:
        """Memory follows those who used theirs lately."""
        buckets = Buckets(1, 1)
        for user in range(100_000):
            buckets.take(user, EPOCH + user)
        self.assertLess(len(buckets), 25_000)
        # Who is still short is not.
        self.assertGreater(buckets.take(99_999, EPOCH + 100_000), 0)
