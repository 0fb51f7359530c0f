"""Entries of presence lists of which another server does not know what they are now.

No message is kept: what a server is told is read from the entry when it is told. So a
server that is down costs a pair for each entry, however often that changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice

from pyroaring import BitMap

#: An observer and an observed user, one of them ours.
Pair = tuple[int, int]

#: Entries that are kept for one server.
_MOST = 10_000


class Untold:
    """By destination: the entries it has yet to be told of, in the order they came."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._of: dict[int, dict[Pair, None]] = {}
        #: By entry: how often it was added; tells what was told from what came later.
        self._numbers: dict[Pair, int] = {}
        #: Called with each entry that is not untold any more.
        self.when_told: Callable[[Pair], None] = lambda pair: None

    def __contains__(self, pair: object) -> bool:
        return pair in self._numbers

    def __bool__(self) -> bool:
        return bool(self._numbers)

    @property
    def destinations(self) -> BitMap:
        """Those that have yet to be told of something."""
        return BitMap(self._of)

    def has_room(self, destination: int) -> bool:
        """Whether one more is kept without giving up another."""
        return len(self._of.get(destination, ())) < self._most

    def add(self, destination: int, pair: Pair) -> None:
        """This destination has to be told; the oldest is given up if it has too many.

        An invite that is given up is sent again in its time (C-29); of anything else
        the other server hears when it next asks about it (C-27).
        """
        pairs = self._of.setdefault(destination, {})
        if pair not in pairs and not self.has_room(destination):
            self._forget(destination, next(iter(pairs)))
        # Anew, should the last one have been forgotten.
        self._of.setdefault(destination, {})[pair] = None
        self._numbers[pair] = self._numbers.get(pair, 0) + 1

    def of(self, destination: int, most: int) -> dict[Pair, int]:
        """The first of its entries, and by what number `told` will know them."""
        pairs = self._of.get(destination, ())
        return {pair: self._numbers[pair] for pair in islice(pairs, most)}

    def told(self, destination: int, pairs: Mapping[Pair, int]) -> None:
        """It knows of these, unless they have been added again in the meantime."""
        for pair, number in pairs.items():
            if self._numbers.get(pair) == number:
                self._forget(destination, pair)

    def _forget(self, destination: int, pair: Pair) -> None:
        del self._numbers[pair]
        pairs = self._of[destination]
        del pairs[pair]
        if not pairs:
            del self._of[destination]
        self.when_told(pair)
