"""Whom each destination has yet to be told of, and which of them is next.

A destination keeps a set of users and never a message: what it is told is read when
the message is composed, so it gets the newest state, once, however long it took (C-10,
C-11). One that is down keeps that set and nothing else.

Sets are shared: a change of one user that five thousand servers see is one set, and
equal sets are mostly the same object. So a set in here is replaced, never changed.
"""

from __future__ import annotations

from collections import deque

from pyroaring import BitMap

from matrix_presence.cache.attention import Attention

_NOBODY = BitMap()


class Outbox:
    """The sets, and the windows and the budget of `Attention` over destinations.

    Args:
        window: ms between two transactions to the same destination.
        per_second: transactions a second over all destinations; 0 for no limit.
        patience: ms for which mere activity waits for company.
    """

    def __init__(self, window: int, per_second: float, patience: int) -> None:
        self._attention = Attention(window, per_second)
        self._patience = patience
        self._pending: dict[int, BitMap] = {}
        #: The destinations that have somebody pending.
        self.pending = BitMap()
        #: Those that have not answered yet. They are sent nothing meanwhile (C-42).
        self.under_way = BitMap()
        #: Those that failed and are left alone for a while.
        self.resting = BitMap()
        #: Who is told of mere activity from when on (epoch ms), the soonest first.
        self._later: deque[tuple[int, BitMap]] = deque()

    def of(self, destination: int) -> BitMap:
        """The users whom this destination has yet to be told of."""
        return self._pending.get(destination, _NOBODY)

    def tell(self, destinations: BitMap, users: BitMap, *, urgent: bool = True) -> None:
        """Each of these destinations has to be told of all of these users.

        `urgent` for changes of state. The bitmaps belong to the outbox from here on.
        """
        self._add(destinations, users)
        self._attention.wish(destinations, urgent=urgent)

    def mention(self, destinations: BitMap, users: BitMap, now: int) -> None:
        """The same, but it is mere activity: it waits for company first."""
        self._add(destinations, users)
        if self._patience:
            self._wish_later(destinations, now + self._patience)
        else:
            self._attention.wish(destinations, urgent=False)

    def _add(self, destinations: BitMap, users: BitMap) -> None:
        pending = self._pending
        # By the set there was before: most destinations share it, and so the union.
        unions: dict[int, tuple[BitMap, BitMap]] = {}
        for destination in destinations:
            before = pending.get(destination)
            if before is None:
                pending[destination] = users
                continue
            known = unions.get(id(before))
            if known is None:
                both = before if users.issubset(before) else before | users
                known = unions[id(before)] = before, both
            pending[destination] = known[1]
        self.pending |= destinations

    def _wish_later(self, destinations: BitMap, when: int) -> None:
        # A sixteenth of the wait is how exact its end is; so there are few of these.
        part = max(1, self._patience // 16)
        when = (when // part + 1) * part
        if self._later and self._later[-1][0] >= when:
            self._later[-1][1].update(destinations)
        else:
            self._later.append((when, BitMap(destinations)))

    def ready(self, now: int, most: int, *, but: BitMap = _NOBODY) -> BitMap:
        """At most `most` destinations that may be sent a transaction now (epoch ms).

        They count as served: `take` what is for them.

        Args:
            but: those that may not, for a reason of the caller's.
        """
        while self._later and self._later[0][0] <= now:
            _, destinations = self._later.popleft()
            # What came in time to be company has taken it along.
            self._attention.wish(destinations & self.pending, urgent=False)
        return self._attention.ready(self._able() - but, now, most)

    def next_ts(self, now: int, *, but: BitMap = _NOBODY) -> int | None:
        """When to ask `ready` again (epoch ms); None if time alone changes nothing."""
        when = self._attention.next_ts(self._able() - but, now)
        later = self._later[0][0] if self._later else None
        if when is None or later is None:
            return later if when is None else when
        return min(when, later)

    def _able(self) -> BitMap:
        return self.pending - self.under_way - self.resting

    def take(self, destination: int) -> BitMap:
        """What this destination is told now; it is under way until it is `done`."""
        self.pending.discard(destination)
        self.under_way.add(destination)
        return self._pending.pop(destination, _NOBODY)

    def drop(self, destination: int) -> None:
        """It is told nothing of what was for it until now."""
        self.pending.discard(destination)
        self.resting.discard(destination)
        self._pending.pop(destination, None)

    def done(self, destination: int, left: BitMap = _NOBODY) -> None:
        """It has answered, or there was nothing to say; `left` did not fit."""
        self.under_way.discard(destination)
        if left:
            self._put_back(destination, left)

    def failed(self, destination: int, users: BitMap) -> None:
        """It has not answered; it is told of these when it has `rested`."""
        self.under_way.discard(destination)
        self.resting.add(destination)
        self._put_back(destination, users)

    def rested(self, destination: int) -> None:
        """It may be tried again."""
        self.resting.discard(destination)
        if destination in self.pending:
            self._attention.wish(BitMap([destination]), urgent=True)

    def _put_back(self, destination: int, users: BitMap) -> None:
        before = self._pending.get(destination)
        self._pending[destination] = users if before is None else before | users
        self.pending.add(destination)
        self._attention.wish(BitMap([destination]), urgent=True)
