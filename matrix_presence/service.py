"""Wires the parts into one service that a homeserver adds to its own.

    presence = PresenceService(reactor, homeserver, store, config)
    presence.setServiceParent(services)
    await presence.when_ready()

From then on the homeserver tells `presence.handler` what happens, and puts
`presence.status`, `presence.lists` and `presence.sync` into its client API; for old
clients also `presence.streams`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from matrix_presence.cache.attention import Attention
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import RELOADABLE, PresenceConfig
from matrix_presence.federation.receiver import Receiver
from matrix_presence.federation.sender import Sender
from matrix_presence.handler import PresenceHandler
from matrix_presence.interfaces import (
    Batch,
    DestinationRow,
    IFederation,
    IHomeserver,
    IPositions,
    IPresenceStore,
)
from matrix_presence.lists import PresenceLists
from matrix_presence.persistence import Persistence
from matrix_presence.positions import ReservedPositions
from matrix_presence.rows import restore_row
from matrix_presence.sweep import Sweep
from matrix_presence.ticks import Ticks
from matrix_presence.view import PresenceView
from matrix_presence.waiting import Waiting
from matrix_presence.web.lists import ListEndpoints
from matrix_presence.web.old_streams import PresenceStreams
from matrix_presence.web.status import StatusEndpoints
from matrix_presence.web.sync import PresenceSync

logger = logging.getLogger(__name__)

#: Stored users read in one go, a few milliseconds' work.
_ROWS_AT_ONCE = 500
#: Turns of the reactor in which statuses gather for one commit, at most.
_TURNS = 4


class PresenceService(Service):
    """All of presence for one homeserver.

    Args:
        clock: the reactor, or a `Clock` in tests.
        store: owned from here on: opened at the start, closed at the stop.
        positions: where stream positions come from; None for our own, which the
            store reserves.
        federation: how other servers are reached; None if they are not.
        chance: a number from 0 up to 1, another each time; see `Sender`.
    """

    name = "presence"

    def __init__(
        self,
        clock: IReactorTime,
        homeserver: IHomeserver,
        store: IPresenceStore,
        config: PresenceConfig,
        positions: IPositions | None = None,
        federation: IFederation | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._store = store
        self.config = config
        self.cache = PresenceCache(
            homeserver.server_name,
            excluded_rooms=config.exclude_rooms_from_presence,
            max_room_members=config.max_room_members,
            slot_width=slot_width(config),
        )
        self._own_positions = None
        if positions is None:
            positions = self._own_positions = ReservedPositions()
        attention = Attention(config.client_window, config.client_wakeups_per_second)
        self.waiting = Waiting(clock, attention)
        self.ticks = Ticks(
            clock,
            self.cache,
            positions,
            self.waiting,
            config.tick,
        )
        self.persistence = Persistence(
            clock,
            self.cache,
            store,
            self._own_positions,
            config.persist_interval,
            turns=_TURNS if IReactorThreads.providedBy(clock) else 0,
        )
        tells_others = federation is not None and bool(config.enabled)
        lists = PresenceLists(
            self.cache,
            config,
            self.ticks,
            self.persistence,
            homeserver.is_local_user,
            lambda: int(clock.seconds() * 1000),
            tells_others=tells_others,
        )
        self.handler = PresenceHandler(
            clock, self.cache, config, self.ticks, self.persistence, lists
        )
        self.view = PresenceView(clock, self.cache, config)
        self.status = StatusEndpoints(homeserver, self.handler, self.view, config)
        self.sync = PresenceSync(
            self.handler, self.view, self.ticks, self.waiting, config
        )
        self.streams = PresenceStreams(
            self.sync,
            self.view,
            self.cache,
            self.ticks,
            self.waiting,
            enabled=config.enabled is not False,
        )
        self.lists = ListEndpoints(
            homeserver,
            lists,
            self.view,
            on_v3=config.presence_lists_on_v3,
        )
        self.receiver = Receiver(self.cache, config, self.handler)
        #: What goes out to other servers; None if nothing does.
        self.sender: Sender | None = None
        if federation is not None and tells_others:
            self.sender = Sender(clock, self.cache, config, federation, chance)
            self.ticks.observers.append(self.sender.ticked)
            self.persistence.destinations = self.sender.rows
            if self.receiver.lists is not None:
                self.receiver.lists.polled = self.sender.tell
        self._sweep = Sweep(clock, self.handler, self.ticks, self.cache.wheel.width)
        self._admits: Callable[[str], bool] = lambda name: True
        self._toggle(config)
        if not config.federation_outgoing:
            self._open_doors()
        self._starting: Deferred[None] | None = None
        #: How the start went; None while it is under way.
        self._outcome: bool | Failure | None = None
        self._whens: list[Deferred[None]] = []

    def startService(self) -> None:
        """Open the store and restore what it holds; see `when_ready`."""
        super().startService()
        self._outcome = None
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addCallbacks(lambda _: self._settle(True), self._settle)

    def heard_from(self, server_name: str) -> None:
        """Another server lives: call it for each of its requests once it is checked."""
        if self.sender is not None:
            self.sender.back(server_name)

    def admit(self, admits: Callable[[str], bool]) -> None:
        """From now on presence goes to and comes from these other servers only.

        Args:
            admits: by the name of a server. Another function each time it changes.
        """
        self._admits = self.receiver.admits = admits
        self._open_doors()

    def reconfigure(self, config: PresenceConfig) -> None:
        """Take over the options that can change while this runs; see `RELOADABLE`."""
        changed = {key: getattr(config, key) for key in RELOADABLE}
        self.config = attrs.evolve(self.config, **changed)
        self._toggle(self.config)
        self._open_doors()

    def _toggle(self, config: PresenceConfig) -> None:
        self.cache.show_local(config.local)
        self.receiver.is_open = config.federation_incoming

    def _open_doors(self) -> None:
        if self.sender is not None:
            goes_out = self.config.federation_outgoing
            self.sender.admit(self._admits if goes_out else _nobody)

    def when_ready(self) -> Deferred[None]:
        """Fires when everything stored is restored; requests may come from then on.

        Fails with whatever the store failed with at its opening.
        """
        when: Deferred[None] = Deferred()
        self._whens.append(when)
        if self._outcome is not None:
            self._settle(self._outcome)
        return when

    def _settle(self, outcome: bool | Failure) -> None:
        self._outcome = outcome
        whens, self._whens = self._whens, []
        for when in whens:
            if isinstance(outcome, Failure):
                when.errback(outcome)
            else:
                when.callback(None)

    async def _start(self) -> None:
        head = await self._store.open()
        count = await self._restore()
        await self._restore_lists()
        if self.sender is not None:
            await self._restore_destinations(self.sender, head.clean)
        cache = self.cache
        # After a crash, nothing that was told up to the last reserved position is sure.
        position = head.reserved if head.clean else head.reserved + 1
        cache.position = cache.joins.complete_since = position
        if self._own_positions is not None:
            self._own_positions.begin(position)
            reserved = self._own_positions.to_reserve()
            await self._store.write(Batch(reserved=reserved))
            self._own_positions.reserved(reserved)
        self.persistence.start()
        self._sweep.start()
        if self.sender is not None:
            self.sender.start()
        logger.info("Presence of %d users is restored", count)

    async def _restore(self) -> int:
        """Load all users in slices; those who are present time out in their time."""
        cache, count, after = self.cache, 0, ""
        while rows := await self._store.load(after, _ROWS_AT_ONCE):
            now = self.handler.now()
            for row in rows:
                user = restore_row(cache, row, now)
                if user in cache.present:
                    cache.wheel.put(user, now)
            count += len(rows)
            after = rows[-1].user_id
            if len(rows) == _ROWS_AT_ONCE:
                # The reactor gets its turn, even if the store answers at once.
                await deferLater(self._clock, 0)
        return count

    async def _restore_lists(self) -> None:
        """Load all entries of presence lists, if there are lists at all."""
        lists, after = self.handler.lists, ("", "")
        if lists is None or not lists.enabled:
            return
        while rows := await self._store.load_lists(after, _ROWS_AT_ONCE):
            for row in rows:
                lists.restore(row)
            after = rows[-1].observer, rows[-1].observed
            if len(rows) == _ROWS_AT_ONCE:
                await deferLater(self._clock, 0)
        lists.restored(await self._store.load_old_servers())

    async def _restore_destinations(self, sender: Sender, is_clean: bool) -> None:
        """Load what is kept of other servers."""
        rows: list[DestinationRow] = []
        while more := await self._store.load_destinations(
            rows[-1].server_name if rows else "", _ROWS_AT_ONCE
        ):
            rows += more
        sender.restored(rows, is_complete=is_clean)

    def stopService(self) -> Deferred[None]:
        """Show and write everything that is pending, then close the store."""
        super().stopService()
        if self._outcome is True:
            return Deferred.fromCoroutine(self._stop())
        if self._outcome is None and self._starting is not None:
            self._starting.cancel()
            return self._store.close(None)
        return succeed(None)

    async def _stop(self) -> None:
        self._sweep.stop()
        self.ticks.stop()
        if self.sender is not None:
            self.sender.stop()
        self.waiting.stop()
        complete = await self.persistence.flush()
        await self._store.close(self.cache.position if complete else None)


def _nobody(server_name: str) -> bool:
    return False


def slot_width(config: PresenceConfig) -> int:
    """How finely time-outs are told apart, ms: a second, less when they are short."""
    if config.timeout_step:
        return max(20, config.timeout_step)
    timeouts = (
        config.last_active_granularity,
        config.sync_online_timeout,
        config.idle_timeout,
    )
    return max(20, min(1000, *(length // 10 for length in timeouts if length)))
