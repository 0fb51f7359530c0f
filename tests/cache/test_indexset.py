"""Sets of indices, packed and as bitmaps, against a set of Python's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from matrix_presence.cache.indexset import (
    EMPTY,
    PACKED_MAX,
    IndexSet,
    added,
    as_bitmap,
    contains,
    packed,
    removed,
    size,
    union,
)
from tests.base import TestCase

#: Few enough to meet again, and some that need all four bytes.
indices = st.integers(0, 300) | st.integers(0, 2**32 - 1)
#: On both sides of where the form changes.
sets = st.sets(indices, max_size=8) | st.integers(0, 2 * PACKED_MAX).map(
    lambda length: set(range(length))
)
steps = st.lists(st.tuples(st.booleans(), st.integers(0, 2 * PACKED_MAX)), max_size=60)


class IndexSetTests(TestCase):
    """It does what a set does."""

    def check(self, expected: set[int], members: IndexSet) -> None:
        """Both sets are the same by every question there is."""
        self.assertEqual(len(expected), size(members))
        self.assertEqual(expected, set(as_bitmap(members)))
        for index in (*expected, 301):
            self.assertEqual(index in expected, contains(members, index))

    @given(sets, steps)
    def test_it_is_a_set(self, start: set[int], ops: list[tuple[bool, int]]) -> None:
        """Whatever is added and removed, its members are those of a set."""
        expected, members = set(start), packed(start)
        self.check(expected, members)
        for adds, index in ops:
            if adds:
                expected.add(index)
                members = added(members, index)
            else:
                expected.discard(index)
                members = removed(members, index)
        self.check(expected, members)

    @given(st.lists(sets, max_size=6))
    def test_a_union_has_the_members_of_all(self, some: list[set[int]]) -> None:
        """Packed and large sets unite alike."""
        united = union(map(packed, some))
        self.assertEqual(set().union(*some), set(united))

    @given(st.lists(sets, min_size=1, max_size=3))
    def test_a_union_is_nobody_elses(self, some: list[set[int]]) -> None:
        """What is done to a union is not done to the sets it came from."""
        members = list(map(packed, some))
        united = union(members)
        united.add(2**32 - 1)
        united.discard(0)
        for expected, one in zip(some, members, strict=True):
            self.check(expected, one)

    def test_a_small_set_is_packed(self) -> None:
        """Four bytes a member, up to the size at which a bitmap is smaller."""
        self.assertEqual(b"", EMPTY)
        self.assertEqual(4 * PACKED_MAX, len(packed(range(PACKED_MAX))))
        self.assertIsInstance(packed(range(PACKED_MAX + 1)), BitMap)

    def test_a_set_on_the_edge_keeps_its_form(self) -> None:
        """One in and one out, over and over, is no work."""
        large = packed(range(PACKED_MAX + 1))
        self.assertIs(large, removed(large, 0))
        self.assertIs(large, added(large, 0))
        packs = large
        for index in range(PACKED_MAX):
            packs = removed(packs, index)
        self.assertIsInstance(packs, bytes)

    def test_a_packed_set_is_never_changed_in_place(self) -> None:
        """Whoever holds an old value goes on holding it."""
        one = packed((1, 2))
        added(one, 3)
        removed(one, 1)
        self.check({1, 2}, one)
