"""Who may be served now: a window for each, a budget for all.

Whoever was served less than a window ago waits until it ends; for one who has been
served often in short order the window may be longer. Over all there is a budget of
services per second; when it is spent, those who have waited longest come first, and
those with a change of state before those with mere activity. Nobody's wish is ever lost
and none is counted twice: a wish is one bit.

Used for waiting clients and, with their own numbers, for other servers.
"""

from __future__ import annotations

from collections import deque

from pyroaring import BitMap

from matrix_presence.cache.limits import Buckets

#: A window is remembered in this many parts, which is how exact its end is.
_PARTS = 16
#: More waves than this of equally long waiting are not told apart.
_WAVES = 64


class Attention:
    """Wishes to be served, and when each may come true.

    Args:
        window: ms between two services of the same one; 0 for none.
        per_second: services a second over all; 0 for no limit.
        long_window: ms between two services of one that was served `burst` times in
            short order; 0 for the same as `window`. What a service takes from the
            burst is given back after five long windows.
        burst: see there.
    """

    def __init__(
        self, window: int, per_second: float, long_window: int = 0, burst: int = 0
    ) -> None:
        self.window = window
        self.per_second = per_second
        self._windows = _Windows(window)
        self._long_windows = _Windows(long_window)
        self._bursts = Buckets(1000 / (5 * long_window) if long_window else 0, burst)
        self._urgent = _Wishes()
        self._casual = _Wishes()
        self._budget = per_second
        self._budget_ts = 0

    def wish(self, ones: BitMap, *, urgent: bool) -> None:
        """These want to be served; `urgent` for a change of state."""
        if urgent:
            self._urgent.add(ones)
        else:
            self._casual.add(ones - self._urgent.open)

    def withdraw(self, one: int) -> None:
        """This one wants nothing any more."""
        self._urgent.open.discard(one)
        self._casual.open.discard(one)

    def ready(self, among: BitMap, now: int, most: int) -> BitMap:
        """At most `most` of `among` to serve now (epoch ms): they count as served."""
        self._pass_time(now)
        if self.per_second:
            most = min(most, int(self._budget))
        recent = self._windows.open | self._long_windows.open
        chosen = self._urgent.take(among, recent, most)
        # Who wishes for both is served once.
        self._casual.open -= chosen
        if len(chosen) < most:
            chosen |= self._casual.take(among, recent, most - len(chosen))
        if chosen:
            self._budget -= len(chosen)
            self._serve(chosen, now)
        return chosen

    def next_ts(self, among: BitMap, now: int) -> int | None:
        """When to ask `ready` again (epoch ms); None when nobody of `among` wants."""
        wanting = (self._urgent.open | self._casual.open) & among
        if not wanting:
            return None
        self._pass_time(now)
        when = now
        if self.per_second and self._budget < 1:
            # Not for every single service: a tenth of a second's worth at a time.
            lacking = max(1.0, self.per_second / 10) - self._budget
            when = now + int(lacking * 1000 / self.per_second) + 1
        if not wanting - self._windows.open - self._long_windows.open:
            ends = (self._windows.next_ts(), self._long_windows.next_ts())
            when = max(when, min(end for end in ends if end is not None))
        return when

    def _serve(self, chosen: BitMap, now: int) -> None:
        if self._long_windows.length:
            tired = BitMap([one for one in chosen if self._bursts.take(one, now)])
            self._long_windows.add(tired, now)
            chosen = chosen - tired
        self._windows.add(chosen, now)

    def _pass_time(self, now: int) -> None:
        if self.per_second:
            earned = (now - self._budget_ts) * self.per_second / 1000
            self._budget = min(self.per_second, self._budget + max(0.0, earned))
            self._budget_ts = now
        self._windows.pass_time(now)
        self._long_windows.pass_time(now)


class _Windows:
    """Those served less than a window ago.

    Args:
        length: ms; 0 for none.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._part = max(1, length // _PARTS)
        self.open = BitMap()
        #: In the order of the ends of their windows (epoch ms).
        self._parts: deque[tuple[int, BitMap]] = deque()

    def add(self, served: BitMap, now: int) -> None:
        """These are served now (epoch ms)."""
        if not (self.length and served):
            return
        ends = (now // self._part + 1) * self._part + self.length
        if not self._parts or self._parts[-1][0] != ends:
            self._parts.append((ends, BitMap()))
        self._parts[-1][1].update(served)
        self.open |= served

    def next_ts(self) -> int | None:
        """When the first window ends (epoch ms); None if there is none."""
        return self._parts[0][0] if self._parts else None

    def pass_time(self, now: int) -> None:
        """It is `now` (epoch ms)."""
        ended = False
        while self._parts and self._parts[0][0] <= now:
            self._parts.popleft()
            ended = True
        if ended:
            self.open = BitMap().union(*(part for _, part in self._parts))


class _Wishes:
    """Wishes of one kind, in the order in which they came."""

    def __init__(self) -> None:
        #: Who wants. The waves tell for how long; a bit only there is stale.
        self.open = BitMap()
        self._waves: list[BitMap] = []

    def add(self, ones: BitMap) -> None:
        new = ones - self.open
        if not new:
            return
        self.open |= new
        self._waves.append(new)
        if len(self._waves) > _WAVES:
            # The newest, and not the oldest: those are next, and keep their order.
            self._waves[-2:] = [self._waves[-2] | self._waves[-1]]

    def take(self, among: BitMap, recent: BitMap, most: int) -> BitMap:
        chosen = BitMap()
        if not self._waves or most <= 0:
            return chosen
        able = (self.open & among) - recent
        kept = []
        for wave in self._waves:
            room = most - len(chosen)
            if room > 0 and able:
                # Who withdrew and wished again is in two waves.
                can = (wave & able) - chosen
                chosen |= can if len(can) <= room else can[:room]
            wave &= self.open
            wave -= chosen
            if wave:
                kept.append(wave)
        self._waves = kept
        self.open -= chosen
        return chosen
