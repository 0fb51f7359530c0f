"""Whose turn it is in a ping."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from matrix_presence.federation.rounds import Rounds
from tests.base import TestCase

MINUTE = 60_000
ROUND = 20 * MINUTE
BEGIN = 1_790_000_000_000 // ROUND * ROUND
EVERYBODY = BitMap(range(50))

minutes = st.integers(0, 200)


class RoundsTests(TestCase):
    """A round of twenty parts of a minute."""

    def due(self, rounds: Rounds, then: float, now: float) -> BitMap:
        """Whose turn has come between these minutes."""
        return rounds.due(
            EVERYBODY, BEGIN + int(then * MINUTE), BEGIN + int(now * MINUTE)
        )

    def test_everybody_has_one_turn_in_a_round(self) -> None:
        """Also those of whom nothing was told yet, and not all in one part (C-9)."""
        rounds = Rounds(ROUND)
        turns = [self.due(rounds, part, part + 1) for part in range(20)]
        self.assertEqual(list(EVERYBODY), sorted(user for one in turns for user in one))
        self.assertLessEqual(max(map(len, turns)), 3)

    def test_who_was_told_has_their_turn_a_round_later(self) -> None:
        """Not before that, however often it is asked (C-9)."""
        rounds = Rounds(ROUND)
        rounds.told(BitMap([7]), BEGIN + 30_500)
        found = [
            part + 1 for part in range(60) if 7 in self.due(rounds, part, part + 1)
        ]
        self.assertEqual([20, 40, 60], found)

    def test_after_a_long_time_it_is_everybodys_turn(self) -> None:
        """But for those who were told in this round (C-9)."""
        rounds = Rounds(ROUND)
        rounds.told(BitMap([7]), BEGIN + 100 * MINUTE)
        self.assertEqual(EVERYBODY - BitMap([7]), self.due(rounds, 1, 101))

    @given(st.lists(minutes), st.lists(minutes, min_size=1))
    def test_no_turn_comes_too_soon_or_twice(
        self, told: list[int], pings: list[int]
    ) -> None:
        """A round at least lies between two tellings, and no round is left out."""
        rounds = Rounds(ROUND)
        heard = 0
        last_ping = 0
        for minute in range(201):
            if minute in told:
                rounds.told(BitMap([3]), BEGIN + minute * MINUTE)
                heard = minute
            if minute in pings:
                is_due = 3 in self.due(rounds, last_ping, minute)
                if is_due and told and heard >= min(told):
                    self.assertGreaterEqual(minute - heard, 20)
                if minute - max(heard, last_ping) >= 20:
                    self.assertTrue(is_due)
                last_ping = minute
