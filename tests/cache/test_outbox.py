"""Whom each destination has yet to be told of."""

from __future__ import annotations

import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from matrix_presence.cache.backoff import FIRST, LONGEST, Backoff
from matrix_presence.cache.outbox import Outbox
from tests.base import TestCase

EPOCH = 1_790_000_000_000
WINDOW = 5000

indices = st.integers(0, 5)
sets = st.sets(indices, min_size=1)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["tell", "mention"]), sets, sets),
        st.tuples(st.just("ready"), st.integers(1, 6), st.integers(0, 70_000)),
        st.tuples(st.sampled_from(["answer", "fail", "rest"]), indices),
    ),
    max_size=50,
)


class OutboxTests(TestCase):
    """Sets are kept until they are told; windows and budget say when."""

    def setUp(self) -> None:
        """An outbox without a budget."""
        self.outbox = Outbox(WINDOW, 0)
        self.now = EPOCH

    def ready(self, passed: int = 0) -> set[int]:
        """Who is served after so many ms; they answer at once."""
        self.now += passed
        found = set(self.outbox.ready(self.now, 1000))
        for one in found:
            self.outbox.take(one)
            self.outbox.done(one)
        return found

    @given(steps)
    def test_nobody_is_forgotten_and_nobody_told_twice(self, ops) -> None:
        """Each change is told once to each destination that answers (C-10, C-11)."""
        outbox, now = Outbox(WINDOW, 0), EPOCH
        due: dict[int, set[int]] = {}
        sent: dict[int, BitMap] = {}
        for kind, *rest in ops:
            if kind in ("tell", "mention"):
                destinations, users = BitMap(rest[0]), BitMap(rest[1])
                outbox.tell(destinations, users, urgent=kind == "tell")
                for one in rest[0]:
                    due.setdefault(one, set()).update(rest[1])
            elif kind == "ready":
                most, passed = rest
                now += passed
                ready = outbox.ready(now, most)
                self.assertLessEqual(len(ready), most)
                for one in ready:
                    self.assertNotIn(one, sent)
                    self.assertNotIn(one, outbox.resting)
                    sent[one] = outbox.take(one)
                    self.assertEqual(due.pop(one), set(sent[one]))
            elif kind == "rest":
                outbox.rested(rest[0])
            elif rest[0] in sent:
                users = sent.pop(rest[0])
                if kind == "answer":
                    outbox.done(rest[0])
                else:
                    outbox.failed(rest[0], users)
                    due.setdefault(rest[0], set()).update(users)
            for one in range(6):
                self.assertEqual(due.get(one, set()), set(outbox.of(one)))
        # In the end, everybody who answers has heard everything.
        for one in list(sent):
            outbox.done(one)
        for one in range(6):
            outbox.rested(one)
        while (again := outbox.next_ts(now)) is not None:
            self.assertGreaterEqual(again, now)
            now = again
            for one in outbox.ready(now, 6):
                self.assertEqual(due.pop(one), set(outbox.take(one)))
                outbox.done(one)
        self.assertEqual({}, due)

    def test_a_quiet_destination_is_told_of_a_state_at_once(self) -> None:
        """Nothing waits without a reason."""
        self.outbox.tell(BitMap([1]), BitMap([7]))
        self.assertEqual({1}, self.ready())

    def test_a_window_gathers_changes(self) -> None:
        """Changes within a window go out together when it ends (C-10, D-34)."""
        self.outbox.tell(BitMap([1]), BitMap([7]))
        self.ready()
        for user in (8, 9):
            self.outbox.tell(BitMap([1]), BitMap([user]))
            self.assertEqual(set(), self.ready(1000))
        self.assertEqual(BitMap([8, 9]), self.outbox.of(1))
        self.assertEqual({1}, self.ready(WINDOW))

    def test_states_come_before_mere_activity(self) -> None:
        """With a budget of one a second, who is told of a state is first."""
        outbox = Outbox(0, 1)
        outbox.tell(BitMap([1]), BitMap([7]), urgent=False)
        outbox.tell(BitMap([2]), BitMap([7]))
        self.assertEqual(BitMap([2]), outbox.ready(self.now, 10))

    def test_one_transaction_at_a_time(self) -> None:
        """A destination that has not answered is sent nothing else (C-42)."""
        self.outbox.tell(BitMap([1]), BitMap([7]))
        self.outbox.ready(self.now, 1)
        self.outbox.take(1)
        self.outbox.tell(BitMap([1]), BitMap([8]))
        self.assertEqual(set(), self.ready(60_000))
        self.assertIsNone(self.outbox.next_ts(self.now))
        self.outbox.done(1)
        self.assertEqual({1}, self.ready())

    def test_what_failed_joins_what_came_since(self) -> None:
        """One set is all that is kept for a destination that is down (C-11)."""
        self.outbox.tell(BitMap([1]), BitMap([7]))
        self.outbox.ready(self.now, 1)
        users = self.outbox.take(1)
        self.outbox.tell(BitMap([1]), BitMap([8]))
        self.outbox.failed(1, users)
        self.assertEqual(set(), self.ready(3_600_000))
        self.assertEqual(BitMap([7, 8]), self.outbox.of(1))
        self.outbox.rested(1)
        self.assertEqual({1}, self.ready())

    def test_destinations_that_are_down_share_what_they_miss(self) -> None:
        """A day of changes costs a thousand of them next to nothing (C-11)."""
        down = BitMap(range(1000))
        for one in down:
            self.outbox.failed(one, BitMap([0]))
        tracemalloc.start()
        chance = random.Random(1)
        for _ in range(1000):
            self.outbox.tell(down, BitMap([chance.randrange(5000)]))
        grown, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        self.assertLess(grown / 1000, 1024)
        self.assertGreater(len(self.outbox.of(0)), 800)


class BackoffTests(TestCase):
    """How long a destination that failed is left alone."""

    @given(st.floats(0, 1, exclude_max=True), st.integers(1, 40))
    def test_it_grows_to_a_limit(self, chance, failures) -> None:
        """Longer with each failure, never beyond the limit, never at once (C-11)."""
        backoff = Backoff(lambda: chance)
        waits = [backoff.failed(1, EPOCH) - EPOCH for _ in range(failures)]
        self.assertEqual(sorted(waits), waits)
        self.assertGreaterEqual(waits[0], FIRST // 2)
        self.assertLessEqual(waits[-1], LONGEST)
        self.assertEqual((failures, EPOCH), backoff.of(1)[:2])

    def test_two_that_fail_together_are_tried_apart(self) -> None:
        """What chance adds keeps them out of step."""
        backoff = Backoff(random.Random(1).random)
        retries = {backoff.failed(one, EPOCH) for one in range(100)}
        self.assertGreater(len(retries), 90)

    def test_a_sign_of_life_ends_it(self) -> None:
        """Nothing is held against one that is back."""
        backoff = Backoff(lambda: 0.5)
        for _ in range(5):
            backoff.failed(1, EPOCH)
        backoff.is_back(1)
        backoff.is_back(2)
        self.assertEqual((0, 0, 0), backoff.of(1))
        self.assertFalse(backoff.failing)
