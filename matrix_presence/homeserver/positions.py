"""The positions that events, receipts and typing notices of this server get.

One number grows with each of them, so that "what is new since" is a comparison of
integers.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime


class Positions:
    """Integers that grow, also over restarts.

    They start at the time of day in milliseconds. Typing notices take positions that
    nobody writes down, and a crash loses events that were not acknowledged but perhaps
    seen: a position can come twice only after more than a thousand a second since the
    last start.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.current = int(clock.seconds() * 1000)

    def next(self) -> int:
        """A position greater than all before."""
        self.current += 1
        return self.current

    def seen(self, position: int) -> None:
        """This position was handed out before the last restart."""
        self.current = max(self.current, position)
