"""When which destination is told again of everybody who is not offline (C-9).

Other servers take users for offline of whom they hear nothing for too long. Each
destination has a time of its own, so that no two are asked in step.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from pyroaring import BitMap

from matrix_presence.cache.servers import Servers
from matrix_presence.cache.wheel import Wheel

#: ms of a slot of the wheel.
SLOT = 1000
#: ms within which those hear of everybody who missed something by a restart.
_SOON = 10_000


class Pings:
    """The times of all destinations, and one wheel for them and for retries.

    Args:
        interval: ms between two pings of a destination, at most.
        grace: ms by which others wait longer than that.
        chance: a number from 0 up to 1, another each time.
    """

    def __init__(
        self,
        servers: Servers,
        interval: int,
        grace: int,
        chance: Callable[[], float],
    ) -> None:
        self._servers = servers
        self._interval = interval
        self._grace = grace
        self._chance = chance
        #: By destination: when it is pinged next, epoch ms.
        self._next_ts = array("q")
        #: By destination: its slot in the wheel.
        self._slots = array("q")
        #: Destinations that have heard of everybody since the start.
        self._met = BitMap()
        #: Those that missed something by a restart and have not been told yet.
        self._missed = BitMap()
        self.wheel = Wheel(self._slots, SLOT)

    def meet(self, now: int) -> range:
        """Plan for the servers that were not known before; these.

        What was told them before a restart is running out, and nobody knows when: the
        first ping comes within the grace.
        """
        met = range(len(self._next_ts), len(self._servers))
        for destination in met:
            self._next_ts.append(0)
            self._slots.append(0)
            self._plan(destination, now + int(self._grace * self._chance()))
        return met

    def knows(self, destination: int) -> None:
        """It has missed nothing by a restart."""
        self._met.add(destination)

    def has_missed_something(self, destination: int, now: int) -> None:
        """By a restart, and few others have: it need not wait as long as they all."""
        self._missed.add(destination)
        self._plan(destination, now + int(_SOON * self._chance()))

    def begin_anew(self, destination: int, when: int) -> None:
        """It has been told nothing for a while: at `when` it hears of everybody."""
        self._met.discard(destination)
        self._plan(destination, when)

    def next_ts(self, destination: int) -> int:
        """When it is pinged next, epoch ms; 0 for never."""
        return self._next_ts[destination]

    def introduced(self, destination: int, now: int) -> None:
        """It has just come in and hears of everybody there is to hear of.

        If it was in before, it may need to hear of more: that ping stays.
        """
        if destination in self._missed:
            return
        self._met.add(destination)
        wait = self._interval * (1 + self._chance()) / 2
        self._plan(destination, now + int(wait))

    def pinged(self, destination: int, now: int) -> None:
        """It is told now, and again after the interval, a little less each time."""
        self._met.add(destination)
        self._missed.discard(destination)
        wait = self._interval * (0.9 + self._chance() / 10)
        self._plan(destination, now + int(wait))

    def _plan(self, destination: int, when: int) -> None:
        self._next_ts[destination] = when
        self.wheel.put(destination, when)

    def is_due(self, destination: int, now: int) -> bool:
        """Whether its time has come; also if it was passed over then."""
        return 0 < self._next_ts[destination] <= now

    def is_first(self, destination: int) -> bool:
        """Whether it has not been told of everybody since the start."""
        return destination not in self._met

    def owes_everybody(self, destination: int) -> bool:
        """Whether it has yet to be told of everybody since the start."""
        return destination not in self._met and self._next_ts[destination] > 0

    def unmet(self) -> BitMap:
        """Those that may have to be told of everybody, as they have not been yet."""
        return BitMap(range(len(self._next_ts))) - self._met

    def forget(self, destination: int) -> None:
        """There is nobody to tell it of."""
        self._next_ts[destination] = 0

    def look_again(self, destination: int, now: int) -> None:
        """It came up early: see to it that it comes up at its time."""
        when = self._next_ts[destination]
        if when > now:
            self.wheel.put(destination, when)
