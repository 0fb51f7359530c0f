"""The polls of Synapse's clients, as the handler hears of them."""

from __future__ import annotations

from types import TracebackType

from matrix_presence.device_inputs import OpenSync
from matrix_presence.synapse.parts import Parts


class Poll:
    """Held while a sync, or another stream of events, is open.

    Args:
        stated: what it says about its own user.
        counts: it says something about its user at all. One that does not may still be
            waiting for the presence of others.
    """

    # Every sync makes one of these.
    __slots__ = (
        "_counts",
        "_device_id",
        "_open",
        "_parts",
        "_stated",
        "_sync",
        "_user_id",
    )

    def __init__(
        self,
        parts: Parts,
        user_id: str,
        device_id: str | None,
        stated: int | None,
        counts: bool,
    ) -> None:
        self._parts = parts
        self._user_id = user_id
        self._device_id = device_id
        self._stated = stated
        self._counts = counts

    def __enter__(self) -> None:
        self._open: bool | None = None
        self._sync: OpenSync | None = None
        if self._parts.readiness.is_ready:
            self._begin()
        else:
            self._parts.readiness.then(self._begin)

    def _begin(self) -> None:
        if self._open is False:
            return  # It has returned before anything was loaded.
        self._open = True
        user_id, parts = self._user_id, self._parts
        if self._counts:
            parts.counters.updates += 1
            self._sync = parts.handler.sync_began(
                user_id, self._device_id, self._stated
            )
            parts.came_back(user_id)
        parts.listeners.opened(user_id)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open:
            self._parts.listeners.closed(self._user_id)
            if self._sync is not None:
                self._parts.handler.sync_ended(self._sync)
        self._open = False
