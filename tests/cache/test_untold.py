"""What other servers have yet to be told about presence lists."""

from __future__ import annotations

from matrix_presence.cache.untold import Pair, Untold
from tests.base import TestCase

ONE, OTHER = 3, 4


class UntoldTests(TestCase):
    """Entries by destination."""

    def setUp(self) -> None:
        """Room for three a destination."""
        self.untold = Untold(3)
        self.told: list[Pair] = []
        self.untold.when_told = self.told.append

    def test_each_destination_is_told_its_own_in_order(self) -> None:
        """An entry is told once, those that came first before the others (C-24)."""
        for pair in ((1, 9), (2, 9), (1, 9)):
            self.untold.add(ONE, pair)
        self.untold.add(OTHER, (1, 8))
        self.assertEqual(list(self.untold.of(ONE, 5)), [(1, 9), (2, 9)])
        self.assertEqual(list(self.untold.of(ONE, 1)), [(1, 9)])
        self.assertEqual(list(self.untold.destinations), [ONE, OTHER])

    def test_what_is_told_is_gone(self) -> None:
        """It is not told again, and who keeps it on disk hears of it."""
        self.untold.add(ONE, (1, 9))
        self.assertTrue(self.untold)
        self.untold.told(ONE, self.untold.of(ONE, 5))
        self.assertEqual(self.told, [(1, 9)])
        self.assertNotIn((1, 9), self.untold)
        self.assertFalse(self.untold)
        self.assertEqual(list(self.untold.destinations), [])

    def test_what_changes_on_the_way_is_told_again(self) -> None:
        """What was told is older than what is untold now (C-24, C-28)."""
        self.untold.add(ONE, (1, 9))
        under_way = self.untold.of(ONE, 5)
        self.untold.add(ONE, (1, 9))
        self.untold.told(ONE, under_way)
        self.assertIn((1, 9), self.untold)
        self.assertEqual(self.told, [])

    def test_a_server_that_is_down_costs_so_much_and_no_more(self) -> None:
        """The oldest entry is given up for one too many, and only of this destination
        (C-30)."""
        self.untold.add(OTHER, (1, 8))
        for user in range(4):
            self.assertEqual(self.untold.has_room(ONE), user < 3)
            self.untold.add(ONE, (user, 9))
        self.assertEqual(list(self.untold.of(ONE, 5)), [(1, 9), (2, 9), (3, 9)])
        self.assertEqual(self.told, [(0, 9)])
        self.assertIn((1, 8), self.untold)
        # Once more is not one more.
        self.untold.add(ONE, (1, 9))
        self.assertEqual(self.told, [(0, 9)])

    def test_room_for_one_is_room(self) -> None:
        """A new entry takes the place of the only other."""
        untold = Untold(1)
        untold.add(ONE, (1, 9))
        untold.add(ONE, (2, 9))
        self.assertEqual(list(untold.of(ONE, 5)), [(2, 9)])
