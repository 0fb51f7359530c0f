"""The polls of Synapse's clients, as the handler hears of them.

Synapse fills in `set_presence=online` where a client left it out, which is not the
same: who set their status to offline is not revealed by a client that merely goes on
syncing (B-47). What was really asked is in the log context of the request.
"""

from __future__ import annotations

import re
from types import TracebackType

from synapse.logging.context import current_context

from matrix_presence.handler import OpenSync, PresenceHandler
from matrix_presence.rules.states import BY_NAME, OFFLINE, ONLINE
from matrix_presence.synapse.listeners import Listeners
from matrix_presence.synapse.readiness import Readiness

_SAYS_ONLINE = re.compile(r"[?&]set_presence=online(&|$)")


def stated_by(presence_state: str) -> int | None:
    """What the current request says about presence; None if it says nothing.

    Args:
        presence_state: what Synapse made of it.
    """
    stated = BY_NAME.get(presence_state)
    if stated != ONLINE:
        return stated
    request = getattr(current_context(), "request", None)
    url = getattr(request, "url", None)
    return ONLINE if isinstance(url, str) and _SAYS_ONLINE.search(url) else None


class Poll:
    """Held while a sync, or another stream of events, is open.

    Args:
        counts: it shows that its user is there. One that does not may still be waiting
            for the presence of others.
        stated: what it says about its own user.
    """

    __slots__ = (
        "_counts",
        "_device_id",
        "_handler",
        "_is_open",
        "_listeners",
        "_readiness",
        "_stated",
        "_sync",
        "_user",
        "_user_id",
    )

    def __init__(
        self,
        handler: PresenceHandler,
        listeners: Listeners,
        readiness: Readiness,
        user_id: str,
        device_id: str | None,
        stated: int | None,
        *,
        counts: bool,
    ) -> None:
        self._handler = handler
        self._listeners = listeners
        self._readiness = readiness
        self._user_id = user_id
        self._device_id = device_id
        self._stated = stated
        self._counts = counts
        self._is_open = False
        self._user = -1
        self._sync: OpenSync | None = None

    def __enter__(self) -> None:
        self._is_open = True
        if self._readiness.is_ready:
            self._begin()
        else:
            self._readiness.then(self._begin)

    def _begin(self) -> None:
        if not self._is_open:
            return  # It has returned before anything was loaded.
        self._user = self._handler.cache.users.intern(self._user_id)
        if self._counts or self._stated == OFFLINE:
            self._sync = self._handler.sync_began(
                self._user_id, self._device_id, self._stated
            )
        self._listeners.opened(self._user)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_open = False
        if self._user >= 0:
            self._listeners.closed(self._user)
            if self._sync is not None:
                self._handler.sync_ended(self._sync)
