"""One call for all who ask for the same at the same time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Sharing(Generic[K, V]):
    """The calls that are under way, by what they are asked for."""

    def __init__(self) -> None:
        self._waiting: dict[K, list[Deferred[V]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: K) -> bool:
        return key in self._waiting

    async def share(
        self, key: K, call: Callable[[], Coroutine[Deferred[Any], Any, V]]
    ) -> V:
        """What `call` returns or raises; not called if one for `key` is under way.

        Whoever is cancelled leaves it to the others: a call once begun goes on to its
        end.
        """
        answer: Deferred[V] = Deferred()
        waiting = self._waiting.get(key)
        if waiting is None:
            self._waiting[key] = [answer]
            calling = Deferred.fromCoroutine(call())
            calling.addBoth(self._settle, key)
        else:
            waiting.append(answer)
        return await answer

    def _settle(self, outcome: V | Failure, key: K) -> None:
        for answer in self._waiting.pop(key):
            if isinstance(outcome, Failure):
                answer.errback(outcome)
            else:
                answer.callback(outcome)
