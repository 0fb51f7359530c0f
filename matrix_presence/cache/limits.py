"""Token buckets, one for each user or server that used theirs lately."""

from __future__ import annotations

#: Above this many, full buckets are thrown away: they say nothing.
_CROWD = 10_000
#: Who waited as long as told is not refused for the last bit of a float.
_ROUNDING = 1e-9


class Buckets:
    """Allow `per_second` actions each, and `burst` at once.

    Args:
        per_second: how fast a bucket fills; 0 for no limit at all.
        burst: how much it holds.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_ms = per_second / 1000
        self._burst = max(burst, 1.0)
        self._crowd = _CROWD
        #: What is left, and since when (epoch ms).
        self._buckets: dict[int | str, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, one: int | str, now: int, cost: int = 1) -> int:
        """Take one token: 0 when there was one, else the ms until there will be.

        Args:
            cost: how much is taken. It may be more than there is: then it is owed,
                and the next one waits until it is paid.
        """
        if not self._per_ms:
            return 0
        left = self._left(one, now)
        if left < 1 - _ROUNDING:
            # At least 1: less would be read as allowed.
            return max(1, -int(-(1 - left) // self._per_ms))
        self._buckets[one] = (left - cost, now)
        if len(self._buckets) > self._crowd:
            self._forget_full(now)
        return 0

    def take_most(self, one: int | str, now: int, wanted: int) -> int:
        """Take as many tokens as there are, at most `wanted`; how many."""
        if not self._per_ms:
            return wanted
        left = self._left(one, now)
        taken = min(wanted, int(left))
        self._buckets[one] = (left - taken, now)
        return taken

    def _left(self, one: int | str, now: int) -> float:
        left, since = self._buckets.get(one, (self._burst, now))
        return min(self._burst, left + max(0, now - since) * self._per_ms)

    def _forget_full(self, now: int) -> None:
        full = [one for one in self._buckets if self._left(one, now) >= self._burst]
        for one in full:
            del self._buckets[one]
        # Twice what is left: a crowd that is really there is not searched each time.
        self._crowd = max(_CROWD, 2 * len(self._buckets))
