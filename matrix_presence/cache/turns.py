"""One after the other, for each key."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

K = TypeVar("K", bound=Hashable)


class Turns(Generic[K]):
    """Who has the turn, and who waits for it, in the order in which they came."""

    def __init__(self) -> None:
        #: Only keys of which somebody has the turn.
        self._waiting: dict[K, deque[Deferred[None]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, key: K) -> AsyncIterator[None]:
        """Have the turn inside the `async with`; wait for it before.

        Whoever is cancelled while waiting has left the line.
        """
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = deque()
        else:
            mine: Deferred[None] = Deferred()
            waiting.append(mine)
            await mine
        try:
            yield
        finally:
            self._pass_on(key)

    def _pass_on(self, key: K) -> None:
        waiting = self._waiting[key]
        while waiting:
            following = waiting.popleft()
            if not following.called:
                following.callback(None)
                return
        del self._waiting[key]
