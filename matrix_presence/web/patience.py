"""How long a connection waits for its client, without a timer for each request.

Twisted's `TimeoutMixin` cancels a delayed call as a request begins to be answered and
makes one as it is. Here one call per connection looks, when it comes up, whether time
is really over, and else comes up again when it would be.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Patience:
    """The time-out of one connection.

    Args:
        over: called when the time is over.
    """

    __slots__ = ("_clock", "_ends", "_look_at", "_over", "period")

    def __init__(self, clock: IReactorTime, over: Callable[[], None]) -> None:
        self._clock = clock
        self._over = over
        #: Seconds; None while nothing is waited for.
        self.period: float | None = None
        self._ends = 0.0
        self._look_at: IDelayedCall | None = None

    def set(self, period: float | None) -> None:
        """Wait this many seconds from now on; None to wait for ever."""
        self.period = period
        if period is not None:
            self._ends = self._clock.seconds() + period
            if self._look_at is None:
                self._look_at = self._clock.callLater(period, self._look)
            elif self._look_at.getTime() > self._ends:
                self._look_at.reset(period)

    def renew(self) -> None:
        """The client has given a sign of life."""
        if self.period is not None:
            self._ends = self._clock.seconds() + self.period

    def _look(self) -> None:
        self._look_at = None
        if self.period is None:
            return  # The next `set` looks again.
        left = self._ends - self._clock.seconds()
        if left <= 0:
            self._over()
        else:
            self._look_at = self._clock.callLater(left, self._look)

    def stop(self) -> None:
        """The connection is gone."""
        self.period = None
        if self._look_at is not None:
            self._look_at.cancel()
            self._look_at = None
