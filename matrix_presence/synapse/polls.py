"""The polls of Synapse's clients, as the handler hears of them."""

from __future__ import annotations

from matrix_presence.cache.devices import NO_ROW
from matrix_presence.synapse.parts import Parts


def begin(
    parts: Parts, user_id: str, device_id: str | None, stated: int | None, counts: bool
) -> Poll:
    """A sync, or another stream of events, is open from now on.

    Args:
        stated: what it says about its own user.
        counts: it says something about its user at all. One that does not may still be
            waiting for the presence of others.
    """
    sync = None
    if counts:
        parts.counters.updates += 1
        sync = parts.handler.sync_began(user_id, device_id, stated)
        if parts.restored:
            parts.came_back(user_id)
    if sync is None:
        sync = parts.cache.users.intern(user_id), NO_ROW
    user, row = sync
    parts.listeners.opened(user, user_id)
    return Poll(parts, user, row)


class Poll:
    """Ends, when it is left, what began when it was made, as Synapse's own do."""

    # Ten thousand people keep as many, and what was kept for half a minute is in no
    # cache of the processor: so there is as little of it as can be.
    __slots__ = ("_parts", "_row", "_user")

    def __init__(self, parts: Parts, user: int, row: int) -> None:
        self._parts = parts
        self._user = user
        self._row = row

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        parts, user = self._parts, self._user
        parts.listeners.closed(user)
        if row := self._row:
            parts.handler.sync_ended((user, row))


class EarlyPoll:
    """One that is made before everything is loaded, and begins when it is.

    Args:
        what: as for `begin`.
    """

    def __init__(
        self,
        parts: Parts,
        *what: *tuple[str, str | None, int | None, bool],
    ) -> None:
        self._parts = parts
        self._what = what
        self._poll: Poll | None = None
        self._has_returned = False

    def __enter__(self) -> None:
        self._parts.readiness.then(self._begin)

    def _begin(self) -> None:
        if not self._has_returned:
            self._poll = begin(self._parts, *self._what)

    def __exit__(self, *_: object) -> None:
        self._has_returned = True
        if self._poll is not None:
            self._poll.__exit__()
