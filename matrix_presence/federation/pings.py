"""When which destination is told again of everybody who is not offline (C-9).

Other servers take users for offline of whom they hear nothing for too long. Each
destination has a time of its own, so that no two are asked in step. A ping is for those
whose turn it is (see `rounds`), and comes often enough for nobody to be late.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from pyroaring import BitMap

from matrix_presence.cache.servers import Servers
from matrix_presence.cache.wheel import Wheel
from matrix_presence.federation.rounds import Rounds

#: ms of a slot of the wheel.
SLOT = 1000
#: ms within which those hear of everybody who missed something by a restart.
_SOON = 10_000
#: Pings in the time in which everybody has their turn once.
_IN_AN_INTERVAL = 5


class Pings:
    """The times of all destinations, and one wheel for them and for retries.

    Args:
        interval: ms between two times that a destination is told of a user, at most.
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
        self._interval = interval // _IN_AN_INTERVAL
        self._grace = grace
        self._chance = chance
        #: By destination: when it is pinged next, epoch ms.
        self._next_ts = array("q")
        #: By destination: when it was pinged last, epoch ms; 0 if it was not yet.
        self._last_ts = array("q")
        #: By destination: its slot in the wheel.
        self._slots = array("q")
        #: Destinations that have heard of everybody since the start.
        self._met = BitMap()
        self.wheel = Wheel(self._slots, SLOT)
        self.rounds = Rounds(interval - self._interval)

    def meet(self, now: int) -> range:
        """Plan for the servers that were not known before; these.

        What was told them before a restart is running out, and nobody knows when: the
        first ping comes within the grace.
        """
        met = range(len(self._next_ts), len(self._servers))
        for destination in met:
            self._next_ts.append(0)
            self._last_ts.append(0)
            self._slots.append(0)
            self._plan(destination, now + int(self._grace * self._chance()))
        return met

    def knows(self, destination: int) -> None:
        """It has missed nothing by a restart."""
        self._met.add(destination)

    def has_missed_something(self, destination: int, now: int) -> None:
        """By a restart, and few others have: it need not wait as long as they all."""
        self._plan(destination, now + int(_SOON * self._chance()))

    def begin_anew(self, destination: int, when: int) -> None:
        """It has been told nothing for a while: at `when` it hears of everybody."""
        self._met.discard(destination)
        self._plan(destination, when)

    def next_ts(self, destination: int) -> int:
        """When it is pinged next, epoch ms; 0 for never."""
        return self._next_ts[destination]

    def introduced(self, destination: int, now: int) -> None:
        """It has just come in and is told of everybody there is to tell it of.

        That is also what it may have missed by a restart. Not for a server that is in
        other rooms too, with anybody in them of whom it is not told now.
        """
        self.pinged(destination, now)
        # Others may have come in with it.
        self._plan(destination, now + int(self._interval * self._chance()))

    def reached(self, destination: int, now: int) -> None:
        """It is told of somebody: it is pinged from now on, if it was not."""
        if not self._next_ts[destination]:
            self._plan(destination, now)

    def pinged(self, destination: int, now: int) -> None:
        """It is told of all there is to tell it of, and again after a while.

        Sooner than it has to be, and not always by as much: the same change may have
        come to many destinations, and their pings with it.
        """
        self._met.add(destination)
        self._last_ts[destination] = now
        wait = self._interval * (3 + self._chance()) / 4
        self._plan(destination, now + int(wait))

    def _plan(self, destination: int, when: int) -> None:
        self._next_ts[destination] = when
        self.wheel.put(destination, when)

    def is_due(self, destination: int, now: int) -> bool:
        """Whether its time has come; also if it was passed over then."""
        return 0 < self._next_ts[destination] <= now

    def is_near(self, destination: int, now: int) -> bool:
        """Whether the next ping may as well go with what is sent now."""
        when = self._next_ts[destination]
        return when > 0 and when - now <= self._interval // 2

    def whose_turn(self, destination: int, users: BitMap, now: int) -> BitMap:
        """Those of these of whom it is told with this ping."""
        last = self._last_ts[destination]
        return self.rounds.due(users, last, now) if last else users

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
