"""Changes and joins since a position, against a list of all of them."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from matrix_presence.cache.farewells import FarewellLog
from matrix_presence.cache.stream import ChangeLog, JoinLog
from tests.base import TestCase

USERS = 12
users = st.integers(0, USERS - 1)
#: How far the position moves, and who changes at it.
ticks = st.lists(
    st.tuples(st.integers(1, 3), st.sets(users, min_size=1, max_size=4)), max_size=150
)


class ChangeLogTests(TestCase):
    """Who changed since."""

    @given(ticks, st.sets(users), st.integers(0, 40), st.data())
    def test_it_answers_what_a_list_of_all_changes_would(
        self,
        some: list[tuple[int, set[int]]],
        among: set[int],
        before: int,
        data: st.DataObject,
    ) -> None:
        """Merging old entries never loses and never adds anybody (A-87)."""
        position_of = array("q", [0] * USERS)
        log, position = ChangeLog(position_of), before
        for step, changed in some:
            position += step
            for user in changed:
                position_of[user] = position
            log.append(position, BitMap(changed))
            since = data.draw(st.integers(0, position + 1))
            expected = {user for user in among if position_of[user] > since}
            self.assertEqual(expected, set(log.since(since, BitMap(among))))

    def test_it_answers_for_every_position_after_many_ticks(self) -> None:
        """However old a token is, it is answered exactly (A-87)."""
        position_of = array("q", [0] * USERS)
        log = ChangeLog(position_of)
        for position in range(1, 1001):
            user = position * 7 % USERS if position % 3 else 0
            position_of[user] = position
            log.append(position, BitMap([user]))
        everybody = BitMap(range(USERS))
        for since in range(1001):
            expected = {u for u in everybody if position_of[u] > since}
            self.assertEqual(expected, set(log.since(since, everybody)))

    def test_a_hundred_thousand_ticks_are_few_entries(self) -> None:
        """The log grows with the logarithm of its age."""
        position_of = array("q", [0] * USERS)
        log = ChangeLog(position_of)
        for position in range(1, 100_001):
            log.append(position, BitMap([position % USERS]))
        self.assertLess(len(log), 150)


class JoinLogTests(TestCase):
    """Who joined which room since."""

    @given(
        st.lists(
            st.lists(st.tuples(st.integers(0, 3), users), max_size=3), max_size=60
        ),
        st.integers(1, 30),
        st.sets(st.integers(0, 4)),
    )
    def test_it_answers_what_a_list_of_all_joins_would(
        self, some: list[list[tuple[int, int]]], keep: int, rooms: set[int]
    ) -> None:
        """As far back as it is complete, it knows each join once (A-88)."""
        log = JoinLog(keep)
        everything: list[tuple[int, int, int]] = []
        for position, joins in enumerate(some, start=1):
            log.append(position, joins)
            everything.extend((position, room, user) for room, user in joins)
            for since in range(log.complete_since, position + 1):
                expected = sorted(
                    (r, u) for p, r, u in everything if p > since and r in rooms
                )
                self.assertEqual(expected, sorted(log.since(since, rooms)))
        self.assertEqual(max((p for p, _, _ in everything), default=0), log.last)

    @given(st.integers(1, 20), st.integers(0, 60))
    def test_it_keeps_as_much_as_it_promises(self, keep: int, many: int) -> None:
        """The last `keep` joins are known, and no more are held."""
        log = JoinLog(keep)
        for position in range(1, many + 1):
            log.append(position, [(0, position)])
        self.assertEqual(max(0, many - keep), log.complete_since)
        self.assertEqual(min(keep, many), len(log.since(0, (0,))))


class FarewellLogTests(TestCase):
    """Who is gone since."""

    @given(st.lists(st.tuples(users, st.sets(users)), max_size=30), users)
    def test_those_who_saw_them_are_told(
        self, some: list[tuple[int, set[int]]], viewer: int
    ) -> None:
        """A viewer hears of each farewell after their position (D-40)."""
        log = FarewellLog()
        for position, (gone, viewers) in enumerate(some, start=1):
            log.append(position, gone, BitMap(viewers))
        for since in range(len(some) + 1):
            expected = {gone for gone, viewers in some[since:] if viewer in viewers}
            self.assertEqual(expected, set(log.since(since, viewer)))
