"""Stream positions of our own: a counter that never goes back, not even by a crash.

A block of positions is reserved in the store before any of it is handed out, so that
the next life begins above everything this one may have told anybody.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from matrix_presence.interfaces import IPositions

#: An hour and a half of ticks at twenty a second.
BLOCK = 100_000


@implementer(IPositions)
class ReservedPositions:
    """Counts up to what is reserved, and says when to reserve more."""

    def __init__(self) -> None:
        self._current = 0
        self._reserved = 0
        self._short: list[Deferred[None]] = []
        #: Called when none is left: somebody waits.
        self.when_out: Callable[[], None] = lambda: None

    def current(self) -> int:
        """The last position handed out."""
        return self._current

    def begin(self, position: int) -> None:
        """Start above `position`; nothing is reserved yet."""
        self._current = self._reserved = position

    def is_short(self) -> bool:
        """Whether it is time to reserve more."""
        return self._reserved - self._current <= BLOCK // 2

    def to_reserve(self) -> int:
        """Up to which position the store should reserve with its next batch."""
        return self._current + BLOCK if self.is_short() else self._reserved

    def reserved(self, upto: int) -> None:
        """The store has reserved every position up to this one."""
        self._reserved = max(self._reserved, upto)
        short, self._short = self._short, []
        for waiting in short:
            waiting.callback(None)

    async def allocate(self) -> int:
        """The next position; waits while none is reserved."""
        while self._current >= self._reserved:
            waiting: Deferred[None] = Deferred()
            self._short.append(waiting)
            self.when_out()
            await waiting
        self._current += 1
        return self._current
