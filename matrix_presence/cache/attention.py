"""Who may be served now: a window for each, a budget for all.

Whoever was served less than a window ago waits until it ends. Over all there is a
budget of services per second; when it is spent, those who have waited longest come
first, and those with a change of state before those with mere activity. Nobody's wish
is ever lost and none is counted twice: a wish is one bit.

Used for waiting clients and, with their own numbers, for other servers.
"""

from __future__ import annotations

from collections import deque

from pyroaring import BitMap

#: A window is remembered in this many parts, which is how exact its end is.
_PARTS = 16
#: More waves than this of equally long waiting are not told apart.
_WAVES = 64


class Attention:
    """Wishes to be served, and when each may come true.

    Args:
        window: ms between two services of the same one; 0 for none.
        per_second: services a second over all; 0 for no limit.
    """

    def __init__(self, window: int, per_second: float) -> None:
        self.window = window
        self.per_second = per_second
        self._part = max(1, window // _PARTS)
        self._urgent = _Wishes()
        self._casual = _Wishes()
        #: Those served within the window, and in which part of it.
        self._recent = BitMap()
        self._recent_parts: deque[tuple[int, BitMap]] = deque()
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
        chosen = self._urgent.take(among, self._recent, most)
        # Who wishes for both is served once.
        self._casual.open -= chosen
        if len(chosen) < most:
            chosen |= self._casual.take(among, self._recent, most - len(chosen))
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
        if self._recent_parts and not wanting - self._recent:
            when = max(when, self._recent_parts[0][0])
        return when

    def _serve(self, chosen: BitMap, now: int) -> None:
        if not self.window:
            return
        ends = (now // self._part + 1) * self._part + self.window
        if not self._recent_parts or self._recent_parts[-1][0] != ends:
            self._recent_parts.append((ends, BitMap()))
        self._recent_parts[-1][1].update(chosen)
        self._recent |= chosen

    def _pass_time(self, now: int) -> None:
        if self.per_second:
            earned = (now - self._budget_ts) * self.per_second / 1000
            self._budget = min(self.per_second, self._budget + max(0.0, earned))
            self._budget_ts = now
        ended = False
        while self._recent_parts and self._recent_parts[0][0] <= now:
            self._recent_parts.popleft()
            ended = True
        if ended:
            self._recent = BitMap().union(*(part for _, part in self._recent_parts))


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
