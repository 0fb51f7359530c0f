"""Moves time on: looks at the users who are due, a slice of the reactor at a time."""

from __future__ import annotations

import logging

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from matrix_presence.handler import PresenceHandler

logger = logging.getLogger(__name__)

#: Users looked at in one turn of the reactor, a few milliseconds' work.
_A_TURN = 250


class Sweep:
    """Calls `time_out` once for each slot of the timing wheel.

    Args:
        width: ms of a slot.
    """

    def __init__(self, clock: IReactorTime, handler: PresenceHandler, width: int):
        self._clock = clock
        self._handler = handler
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
        more = False
        try:
            more = self._handler.time_out(_A_TURN)
        except Exception:
            logger.exception("A time-out failed")
        delay = 0 if more else self._width / 1000
        self._timer = self._clock.callLater(delay, self._sweep)
