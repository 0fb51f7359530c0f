"""Moves time on: looks at the users who are due, a slice of the reactor at a time."""

from __future__ import annotations

import logging

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from matrix_presence.handler import PresenceHandler
from matrix_presence.ticks import Ticks

logger = logging.getLogger(__name__)

#: Users looked at in one turn of the reactor, a few milliseconds' work.
_A_TURN = 250
#: Changes that may wait for a tick before more are made: after a restart all who do not
#: come back time out together, and what one tick shows is shown in one go.
_MOST_WAITING = 2500
#: Seconds until it is looked whether that tick is through.
_PAUSE = 0.05


class Sweep:
    """Calls `time_out` once for each slot of the timing wheel.

    Args:
        width: ms of a slot.
    """

    def __init__(
        self, clock: IReactorTime, handler: PresenceHandler, ticks: Ticks, width: int
    ) -> None:
        self._clock = clock
        self._handler = handler
        self._ticks = ticks
        self._width = width
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Sweep from now on."""
        self._timer = self._clock.callLater(self._width / 1000, self._sweep)

    def stop(self) -> None:
        """Sweep no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        delay = self._width / 1000
        if self._ticks.waiting_changes >= _MOST_WAITING:
            delay = _PAUSE
        else:
            try:
                if self._handler.time_out(_A_TURN):
                    delay = 0
            except Exception:
                logger.exception("A time-out failed")
        self._timer = self._clock.callLater(delay, self._sweep)
