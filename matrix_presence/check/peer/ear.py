"""Everything that other servers have told this one, and who waits for more of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from matrix_presence.wire.edu import EDU_TYPE


@attrs.frozen
class Heard:
    """One EDU, as it came."""

    origin: str
    edu: Any
    #: Epoch ms.
    heard_ts: int

    def entries(self) -> Iterator[dict[str, Any]]:
        """What it pushes, as far as it has the form of an entry."""
        if not isinstance(self.edu, dict) or self.edu.get("edu_type") != EDU_TYPE:
            return
        content = self.edu.get("content")
        push = content.get("push") if isinstance(content, dict) else None
        for said in push if isinstance(push, list) else ():
            if isinstance(said, dict):
                yield said


def entries_of(user_id: str, heard: Iterable[Heard]) -> list[dict[str, Any]]:
    """All that these EDUs push of a user, in their order."""
    return [
        said
        for each in heard
        for said in each.entries()
        if said.get("user_id") == user_id
    ]


class Ear:
    """Keeps what it hears, in its order."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.heard: list[Heard] = []
        self._waiting: list[Deferred[None]] = []

    def hears(self, origin: str, edu: Any, sent_ts: int | None) -> None:
        """An EDU has come."""
        self.heard.append(Heard(origin, edu, int(self._clock.seconds() * 1000)))
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            news.callback(None)

    async def until(self, fulfilled: Callable[[], Any], within: float) -> Any:
        """What `fulfilled` returns as soon as it is true; in the end its last word.

        Args:
            within: seconds to wait for EDUs that make it so.
        """
        ends = self._clock.seconds() + within
        while not (found := fulfilled()):
            left = ends - self._clock.seconds()
            if left <= 0:
                break
            news: Deferred[None] = Deferred()
            self._waiting.append(news)
            try:
                await news.addTimeout(left, self._clock)
            except TimeoutError:
                self._waiting.remove(news)
        return found
