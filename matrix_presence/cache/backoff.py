"""How long a destination that failed is left alone.

Twice as long after each failure in a row, up to a limit, and never quite the same for
two of them: servers that went down together must not be asked together (C-11).
"""

from __future__ import annotations

from collections.abc import Callable

from pyroaring import BitMap

#: ms after the first failure, and at most.
FIRST = 15_000
LONGEST = 4 * 3_600_000


class Backoff:
    """Only those that failed are in here.

    Args:
        chance: a number from 0 up to 1, another each time.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        #: By destination: failures in a row, and when to try again (epoch ms).
        self._failed: dict[int, tuple[int, int]] = {}
        #: The destinations whose last transaction failed.
        self.failing = BitMap()

    def failed(self, destination: int, now: int) -> int:
        """One more failure; when to try again (epoch ms)."""
        failures, _ = self._failed.get(destination, (0, 0))
        # An exponent has to end somewhere, and 2**10 quarter minutes are above four
        # hours.
        longest = min(LONGEST, FIRST << min(failures, 10))
        retry_ts = now + int(longest * (0.5 + self._chance() / 2))
        self._failed[destination] = failures + 1, retry_ts
        self.failing.add(destination)
        return retry_ts

    def failures(self, destination: int) -> int:
        """How often in a row it has failed."""
        return self._failed.get(destination, (0, 0))[0]

    def retry_ts(self, destination: int) -> int:
        """When to try again (epoch ms); 0 for one that did not fail."""
        return self._failed.get(destination, (0, 0))[1]

    def is_back(self, destination: int) -> None:
        """It lives: nothing is held against it any more."""
        if destination in self.failing:
            self.failing.discard(destination)
            del self._failed[destination]
