"""The polls of Synapse's clients, as the handler hears of them."""

from __future__ import annotations

from types import TracebackType

from matrix_presence.synapse.parts import Parts
from matrix_presence.sync_inputs import OpenSync


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
        "_user",
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
        #: Whether it is, or will be when all is loaded.
        self._open = True
        self._user: int | None = None
        self._sync: OpenSync | None = None
        readiness = self._parts.readiness
        if readiness.is_ready:
            self._begin()
        else:
            readiness.then(self._begin)

    def _begin(self) -> None:
        if not self._open:
            return  # It has returned before anything was loaded.
        user_id, parts, sync = self._user_id, self._parts, None
        if self._counts:
            parts.counters.updates += 1
            sync = parts.handler.sync_began(user_id, self._device_id, self._stated)
            if parts.restored:
                parts.came_back(user_id)
        self._sync = sync
        self._user = user = sync[0] if sync else parts.cache.users.intern(user_id)
        parts.listeners.opened(user)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        if self._user is not None:
            self._parts.listeners.closed(self._user)
            if self._sync is not None:
                self._parts.handler.sync_ended(self._sync)
