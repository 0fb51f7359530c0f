"""How long a destination that failed is left alone.

Twice as long after each failure in a row, up to a limit, and never quite the same for
two of them: servers that went down together must not be asked together (C-11).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyroaring import BitMap

#: ms after the first failure, and at most.
FIRST = 15_000
LONGEST = 4 * 3_600_000


class Failing(NamedTuple):
    """How a destination fails. Times are epoch ms."""

    #: In a row.
    failures: int = 0
    since: int = 0
    retry_ts: int = 0


_NOT_FAILING = Failing()


class Backoff:
    """Only those that failed are in here.

    Args:
        chance: a number from 0 up to 1, another each time.
    """

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._failed: dict[int, Failing] = {}
        #: The destinations whose last transaction failed.
        self.failing = BitMap()

    def failed(self, destination: int, now: int) -> int:
        """One more failure; when to try again (epoch ms)."""
        failures, since, _ = self.of(destination)
        # An exponent has to end somewhere, and 2**10 quarter minutes are above four
        # hours.
        longest = min(LONGEST, FIRST << min(failures, 10))
        retry_ts = now + int(longest * (0.5 + self._chance() / 2))
        self._failed[destination] = Failing(failures + 1, since or now, retry_ts)
        self.failing.add(destination)
        return retry_ts

    def restore(self, destination: int, how: Failing, now: int) -> int:
        """It failed before a restart; when to try again (epoch ms)."""
        # The clock may have been set back meanwhile.
        how = how._replace(retry_ts=min(how.retry_ts, now + LONGEST))
        self._failed[destination] = how
        self.failing.add(destination)
        return how.retry_ts

    def of(self, destination: int) -> Failing:
        """How it fails, all 0 if it does not."""
        return self._failed.get(destination, _NOT_FAILING)

    def is_back(self, destination: int) -> None:
        """It lives: nothing is held against it any more."""
        if destination in self.failing:
            self.failing.discard(destination)
            del self._failed[destination]
