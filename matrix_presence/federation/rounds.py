"""Whose turn it is in a ping: everybody once in a round, by when they were told last.

Whoever was told to all servers a moment ago need not be in the next ping, nor in those
after it until what was told runs out. No time is kept for a user and a server, nor for
a user: a round is cut into parts, and a user belongs to the part in which all servers
that may know of them were told last. A ping is for the parts that have begun again
since the one before it.
"""

from __future__ import annotations

from pyroaring import BitMap

#: Parts of a round, which is how exact a time is.
_PARTS = 20


class Rounds:
    """Users by the part of the round in which their turn is.

    Args:
        length: ms from when a user was told until they are told again, at least.
    """

    def __init__(self, length: int) -> None:
        self._part = max(1, length // _PARTS)
        #: By part: those who were told in it, in an earlier round. Those of whom
        #: nothing was told yet are spread over all parts.
        self._turns = [BitMap() for _ in range(_PARTS)]
        #: By part: those who were told in it, in this round. It is not their turn yet.
        self._told = [BitMap() for _ in range(_PARTS)]
        #: The newest part that has begun, counted from the epoch.
        self._newest = 0
        #: Users with a lower number are in one of the parts.
        self._size = 0

    def told(self, users: BitMap, now: int) -> None:
        """All servers that may know of these are told of them at `now` (epoch ms)."""
        self._grow(users)
        self._begin(now)
        for part in (*self._turns, *self._told):
            part -= users
        self._told[self._newest % _PARTS] |= users

    def due(self, users: BitMap, then: int, now: int) -> BitMap:
        """Those of these whose turn has come after `then`, until `now` (epoch ms)."""
        self._grow(users)
        self._begin(now)
        passed = min(_PARTS, self._newest - then // self._part)
        begun = range(self._newest - passed + 1, self._newest + 1)
        turns = (self._turns[part % _PARTS] for part in begun)
        return users & BitMap().union(*turns)

    def _grow(self, users: BitMap) -> None:
        """Give a turn to those up to the highest of these who have none."""
        size = users.max() + 1 if users else 0
        for part in range(_PARTS) if size > self._size else ():
            first = self._size + (part - self._size) % _PARTS
            self._turns[part] |= BitMap(range(first, size, _PARTS))
        self._size = max(size, self._size)

    def _begin(self, now: int) -> None:
        """Begin the parts that have come until `now`."""
        newest = now // self._part
        for begun in range(max(self._newest + 1, newest - _PARTS + 1), newest + 1):
            part = begun % _PARTS
            self._turns[part] |= self._told[part]
            self._told[part] = BitMap()
        self._newest = max(self._newest, newest)
