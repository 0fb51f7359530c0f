"""The presence part of `/sync`, as a piece that any homeserver's own `/sync` calls.

    with presence.connected(requester, set_presence):
        events, position = presence.part(user_id, since)
        if nothing else to tell and not events:
            await first of: own news | presence.wait(user_id, since) | time-out
            events, position = presence.part(user_id, since)

`position` belongs into the token that the client brings back as `since`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from twisted.internet.defer import Deferred

from matrix_presence.config import PresenceConfig
from matrix_presence.handler import PresenceHandler
from matrix_presence.interfaces import Requester
from matrix_presence.sync_inputs import OpenSync
from matrix_presence.ticks import Ticks
from matrix_presence.view import PresenceView
from matrix_presence.waiting import Waiting
from matrix_presence.wire.content import MODERN, Era
from matrix_presence.wire.filters import EVERYTHING, PresenceFilter
from matrix_presence.wire.requests import (
    modern_states,
    old_states,
    parse_set_presence,
)


class _Connected(AbstractContextManager[None]):
    """A sync that is under way."""

    __slots__ = ("_handler", "_sync")

    def __init__(self, handler: PresenceHandler, sync: OpenSync) -> None:
        self._handler = handler
        self._sync = sync

    def __exit__(self, *_: object) -> None:
        self._handler.sync_ended(self._sync)


class PresenceSync:
    """Connects syncs to presence, both ways."""

    def __init__(
        self,
        handler: PresenceHandler,
        view: PresenceView,
        ticks: Ticks,
        waiting: Waiting,
        config: PresenceConfig,
    ) -> None:
        self._handler = handler
        self._view = view
        self._ticks = ticks
        self._waiting = waiting
        self._states = modern_states(busy=config.busy)
        self._old_states = old_states(busy=config.busy)
        self._enabled = config.enabled is not False
        self._tracked = config.enabled is True

    def era(self, version: str) -> Era:
        """How presence is told to those who come by this version: `r0`, `v3`."""
        return self._view.era(version)

    def connected(
        self, requester: Requester, set_presence: str | None, era: Era = MODERN
    ) -> AbstractContextManager[None]:
        """A sync of this requester begins; it is connected until the `with` ends.

        Guests are not shown as present by it (D-41).

        Args:
            era: of the path it came by.

        Raises:
            InvalidParam: `set_presence` has none of its values (A-81).
        """
        states = self._old_states if era.is_old else self._states
        stated = parse_set_presence(set_presence, states)
        if not self._tracked or requester.is_guest:
            return nullcontext()
        sync = self._handler.sync_began(requester.user_id, requester.device_id, stated)
        if sync is None:
            return nullcontext()
        self._ticks.hasten(sync[0])
        return _Connected(self._handler, sync)

    def part(
        self,
        user_id: str,
        since: int | None,
        *,
        full_state: bool = False,
        only: PresenceFilter = EVERYTHING,
        era: Era = MODERN,
    ) -> tuple[list[dict[str, Any]], int]:
        """The events of `presence.events`, and the position they go up to.

        Args:
            since: the position from the client's token; None for a first sync.
            full_state: everybody visible, not only who changed (A-89).
            only: the client's filter; see `wire.filters`.
            era: of the path it came by.
        """
        self._ticks.settle_joins()
        position = self._view.position()
        if not self._enabled or (since == position and not full_state):
            return [], position
        events = self._view.events(
            user_id, since, full_state=full_state, only=only, era=era
        )
        return events, position

    def wait(
        self,
        user_id: str,
        since: int,
        only: PresenceFilter = EVERYTHING,
        era: Era = MODERN,
    ) -> Deferred[None]:
        """Fires when `part` has something this client should be woken for.

        That is when it has, its window has passed and the budget allows. Cancel it when
        the sync ends for another reason.

        Args:
            era: of the path it came by.
        """
        if not self._enabled or not only.wanted:
            return Deferred()

        def has_news() -> bool:
            return self._view.has_news(user_id, since, only, era)

        cache = self._handler.cache
        user = cache.users.intern(user_id)
        return self._waiting.wait(
            user,
            has_news,
            already=since != self._view.position() and has_news(),
            # An invite to a presence list is not news for everybody.
            wants_all=only == EVERYTHING
            and not cache.ignored_by(user)
            and not cache.lists.used,
        )
