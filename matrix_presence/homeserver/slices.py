"""Long work without holding the reactor for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, TaskFinished, deferLater

#: Seconds the reactor is held before it gets a turn.
SLICE = 0.008
#: Looks at something, each at what changed during the one before. The one after these
#: is taken at once, however long that is.
_LOOKS = 4


class Slices:
    """Does short work at once, and long work a slice in each turn of the reactor.

    All that is long shares the slices, step by step in turn.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._cooperator = Cooperator(
            terminationPredicateFactory=lambda: self._is_over(SLICE),
            scheduler=lambda step: clock.callLater(0, step),
        )
        #: Works that go on in later turns.
        self._long = 0

    def _is_over(self, seconds: float) -> Callable[[], bool]:
        ends = self._clock.seconds() + seconds
        return lambda: self._clock.seconds() >= ends

    async def done(self, steps: Iterator[None]) -> bool:
        """Take all the steps; cancelled, take no more.

        Returns:
            Whether it was done at once, so that nothing else has happened meanwhile.
        """
        # Many who come in one turn are not to have a slice each.
        is_over = self._is_over(0 if self._long else SLICE)
        for _ in steps:
            if is_over():
                await self._later(steps)
                return False
        return True

    async def pause(self) -> None:
        """Give the reactor a turn before what is not to come on top of this one."""
        await deferLater(self._clock, 0)

    async def settle(self, look: Callable[[], Iterator[None]]) -> None:
        """Look again and again, until all that was seen is of one moment.

        Args:
            look: makes the steps of a look at what was not seen as it is now.
        """
        for _ in range(_LOOKS):
            if await self.done(look()):
                return
        # There is always something new: nobody is to wait for ever.
        for _ in look():
            pass

    async def _later(self, steps: Iterator[None]) -> None:
        task = self._cooperator.cooperate(steps)
        self._long += 1
        try:
            await task.whenDone()
            # This turn has been used; what is made of it gets another.
            await self.pause()
        finally:
            self._long -= 1
            try:
                task.stop()
            except TaskFinished:
                pass
