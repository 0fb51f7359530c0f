"""Whom each destination has yet to be told of, and which of them is next.

A destination keeps a set of users and never a message: what it is told is read when
the message is composed, so it gets the newest state, once, however long it took (C-10,
C-11). One that is down keeps that set and nothing else.

Sets are shared: a change of one user that five thousand servers see is one set, and
equal sets are mostly the same object. So a set in here is replaced, never changed.
"""

from __future__ import annotations

from pyroaring import BitMap

from matrix_presence.cache.attention import Attention

_NOBODY = BitMap()


class Outbox:
    """The sets, and the windows and the budget of `Attention` over destinations.

    Args:
        window: ms between two transactions to the same destination.
        per_second: transactions a second over all destinations; 0 for no limit.
        busy_window: ms between two transactions to one that was sent `burst` of them
            in short order; 0 for `window`.
        burst: see there.
    """

    def __init__(
        self, window: int, per_second: float, busy_window: int = 0, burst: int = 1
    ) -> None:
        self._attention = Attention(window, per_second, busy_window, burst)
        self._pending: dict[int, BitMap] = {}
        #: The destinations that have somebody pending.
        self.pending = BitMap()
        #: Those that have not answered yet. They are sent nothing meanwhile (C-42).
        self.under_way = BitMap()
        #: Those that failed and are left alone for a while.
        self.resting = BitMap()

    def of(self, destination: int) -> BitMap:
        """The users whom this destination has yet to be told of."""
        return self._pending.get(destination, _NOBODY)

    def tell(self, destinations: BitMap, users: BitMap, *, urgent: bool = True) -> None:
        """Each of these destinations has to be told of all of these users.

        `urgent` for changes of state. The bitmaps belong to the outbox from here on.
        """
        self._add(destinations, users)
        self._attention.wish(destinations, urgent=urgent)

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

    def ready(self, now: int, most: int, *, but: BitMap = _NOBODY) -> BitMap:
        """At most `most` destinations that may be sent a transaction now (epoch ms).

        They count as served: `take` what is for them.

        Args:
            but: those that may not, for a reason of the caller's.
        """
        return self._attention.ready(self._able() - but, now, most)

    def next_ts(self, now: int, *, but: BitMap = _NOBODY) -> int | None:
        """When to ask `ready` again (epoch ms); None if time alone changes nothing."""
        return self._attention.next_ts(self._able() - but, now)

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
