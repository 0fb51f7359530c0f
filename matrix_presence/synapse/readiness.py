"""Whether everything stored has been loaded, and what waits for it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

logger = logging.getLogger(__name__)


class Readiness:
    """Not ready until told so, once."""

    def __init__(self, clock: IReactorTime) -> None:
        self._seconds = clock.seconds
        self.is_ready = False
        self._waiting: list[Deferred[None]] = []
        self._later: list[Callable[[], object]] = []

    def now(self) -> int:
        """The time, epoch ms."""
        return int(self._seconds() * 1000)

    def when_ready(self) -> Deferred[None]:
        """Fires when everything is loaded."""
        if self.is_ready:
            return succeed(None)
        # A request that goes away takes its place with it.
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def then(self, do: Callable[[], object]) -> None:
        """Do this now, or when everything is loaded, in the order of the calls."""
        if self.is_ready:
            do()
        else:
            self._later.append(do)

    def ready(self) -> None:
        """Everything is loaded."""
        self.is_ready = True
        later, self._later = self._later, []
        for do in later:
            try:
                do()
            except Exception:  # Everybody else is still waiting.
                logger.exception("Something that had to wait for presence failed")
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(None)
