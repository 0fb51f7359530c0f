"""The entries of presence lists in the cache."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from matrix_presence.cache.lists import ListLog, ListNews, Lists, Pairs
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.rules.lists import Entry
from tests.base import TestCase

users = st.integers(0, 5)
entries = st.sampled_from(Entry)


class ListsTests(TestCase):
    """Pairs, both ways."""

    @given(st.lists(st.tuples(users, users, entries)))
    def test_both_ways_agree(self, steps) -> None:
        """Whatever happens, each question has the answer of a plain dict (A-72)."""
        lists, plain = Lists(), {}
        for observer, observed, entry in steps:
            lists.put(observer, observed, entry)
            plain[observer, observed] = entry
        for pairs, wanted in (
            (lists.pending, Entry.PENDING),
            (lists.accepted, Entry.ACCEPTED),
        ):
            expected = {pair for pair, entry in plain.items() if entry is wanted}
            self.assertEqual(set(pairs), expected)
            self.assertEqual(len(pairs), len(expected))
            self.assertEqual(bool(pairs), bool(expected))
            self.assertEqual(set(pairs.observed), {pair[1] for pair in expected})
            for user in range(6):
                self.assertEqual(
                    set(pairs.of(user)), {b for a, b in expected if a == user}
                )
                self.assertEqual(
                    set(pairs.by(user)), {a for a, b in expected if b == user}
                )
        for (observer, observed), entry in plain.items():
            self.assertIs(lists.entry(observer, observed), entry)

    def test_observers_of_many(self) -> None:
        """Everybody who observes any of them is added (A-70)."""
        pairs, viewers = Pairs(), BitMap([9])
        pairs.add(1, 2)
        pairs.add(3, 4)
        pairs.add_observers(viewers, BitMap([2, 7]))
        self.assertEqual(viewers, BitMap([1, 9]))


class SightTests(TestCase):
    """What an entry means for who sees whom."""

    def setUp(self) -> None:
        """Alice observes Bob."""
        self.cache = PresenceCache("hs")
        intern = self.cache.users.intern
        self.alice, self.bob = intern("@alice:hs"), intern("@bob:hs")

    def test_one_direction_only(self) -> None:
        """The observer sees the observed, who does not see the observer
        (D-20, D-21)."""
        cache, alice, bob = self.cache, self.alice, self.bob
        cache.lists.put(alice, bob, Entry.ACCEPTED)
        self.assertEqual(cache.seen_by(alice), BitMap([alice, bob]))
        self.assertEqual(cache.seen_by(bob), BitMap([bob]))
        self.assertTrue(cache.may_see(alice, bob))
        self.assertFalse(cache.may_see(bob, alice))
        self.assertEqual(cache.viewers_of(BitMap([bob])), BitMap([alice, bob]))
        self.assertEqual(cache.viewers_of(BitMap([alice])), BitMap([alice]))

    def test_pending_shows_nothing(self) -> None:
        """Nothing is seen until the observed user has accepted (A-62)."""
        self.cache.lists.put(self.alice, self.bob, Entry.PENDING)
        self.assertFalse(self.cache.may_see(self.alice, self.bob))
        self.assertEqual(self.cache.seen_by(self.alice), BitMap([self.alice]))


class ListLogTests(TestCase):
    """What was news to whom."""

    def test_only_what_is_newer_and_of_the_kind(self) -> None:
        """Each kind of news is found by who looks and since when (A-70, A-71)."""
        log = ListLog()
        log.append(1, 7, 3, ListNews.SIGHT)
        log.append(2, 7, 4, ListNews.FAREWELL)
        log.append(3, 8, 5, ListNews.SIGHT)
        self.assertEqual(log.since(0, 7, ListNews.SIGHT), BitMap([3]))
        self.assertEqual(log.since(1, 7, ListNews.SIGHT), BitMap())
        self.assertEqual(log.since(1, 7, ListNews.FAREWELL), BitMap([4]))
        self.assertEqual(log.since(0, 9, ListNews.SIGHT), BitMap())

    def test_what_is_forgotten_is_known_to_be(self) -> None:
        """Only so much is kept, and it tells from where on it is complete."""
        log = ListLog(keep=2)
        for position in (1, 2, 3):
            log.append(position, position, 0, ListNews.SIGHT)
        self.assertEqual(log.complete_since, 1)
        self.assertEqual(log.since(0, 1, ListNews.SIGHT), BitMap())
        self.assertEqual(log.since(0, 2, ListNews.SIGHT), BitMap([0]))
