"""`IPositions`: our own."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from matrix_presence.interfaces import IPositions
from matrix_presence.positions import ReservedPositions
from tests.base import TestCase


class ReservedPositionsTests(TestCase):
    """Positions of a block that is reserved."""

    async def test_each_is_greater_than_the_one_before(self) -> None:
        """They grow from where the last life ended."""
        positions = ReservedPositions()
        verifyObject(IPositions, positions)
        positions.begin(41)
        positions.reserved(43)
        self.assertEqual(await positions.allocate(), 42)
        self.assertEqual(positions.current(), 42)
        self.assertEqual(await positions.allocate(), 43)

    def test_none_is_handed_out_before_it_is_reserved(self) -> None:
        """Whoever asks too early waits, and somebody is asked to reserve more."""
        asked = []
        positions = ReservedPositions()
        positions.when_out = lambda: asked.append(positions.to_reserve())
        waiting = Deferred.fromCoroutine(positions.allocate())
        self.assertNoResult(waiting)
        positions.reserved(asked[0])
        self.assertEqual(self.successResultOf(waiting), 1)
