"""The core inside Synapse: its parts, how they start and how they end."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

from pyroaring import BitMap
from synapse.api.presence import UserPresenceState
from synapse.handlers.presence import PresenceFederationQueue
from synapse.server import HomeServer
from synapse.types import StreamKeyType
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from matrix_presence.cache.attention import Attention
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import PresenceConfig
from matrix_presence.federation.receiver import Receiver
from matrix_presence.federation.sender import Sender
from matrix_presence.lists import PresenceLists
from matrix_presence.rows import restore_row
from matrix_presence.service import slot_width
from matrix_presence.sweep import Sweep
from matrix_presence.synapse import profiles
from matrix_presence.synapse.accounts import Accounts
from matrix_presence.synapse.background import in_background, log_failure
from matrix_presence.synapse.counters import CountedHandler, Counters
from matrix_presence.synapse.eras import Eras
from matrix_presence.synapse.federation import SynapseFederation
from matrix_presence.synapse.journal import (
    Journal,
    JournaledPersistence,
    JournaledTicks,
)
from matrix_presence.synapse.listeners import Listeners
from matrix_presence.synapse.memberships import Memberships
from matrix_presence.synapse.options import Own
from matrix_presence.synapse.partings import PartingLog, Partings
from matrix_presence.synapse.peers import Peers
from matrix_presence.synapse.readiness import Readiness
from matrix_presence.synapse.routing import Routing
from matrix_presence.synapse.states import LONG_AGO, States
from matrix_presence.synapse.store import RESTORED, SynapseStore
from matrix_presence.synapse.workers import WorkerPolls
from matrix_presence.ticks import Tick

logger = logging.getLogger(__name__)

#: Stored users put into the cache in one go, some milliseconds' work.
_ROWS_AT_ONCE = 500
#: The same for who changed when.
_CHANGES_AT_ONCE = 1000


class Parts:
    """All of presence for one Synapse, on the process that writes presence."""

    def __init__(
        self, homeserver: HomeServer, config: PresenceConfig, own: Own
    ) -> None:
        self._homeserver = homeserver
        self._clock = clock = homeserver.get_reactor()
        self.config = config
        self.own = own
        store = homeserver.get_datastores().main
        self.cache = cache = PresenceCache(
            homeserver.hostname,
            excluded_rooms=config.exclude_rooms_from_presence,
            max_room_members=config.max_room_members,
            slot_width=slot_width(config),
        )
        cache.show_local(config.local)
        cache.position = store.get_current_presence_token()
        self.readiness = Readiness(clock)
        self.peers = Peers(own)
        self.eras = Eras(
            raw_on_r0=config.free_for_chat_on_r0 == "raw", is_used=own.free_for_chat
        )
        self.states = States(
            cache,
            config.last_active_granularity,
            self.eras,
            hides=config.hiding_outlasts_syncs,
            is_late=bool(config.timeout_step),
            has_profiles=own.profiles,
        )
        self.counters = Counters(homeserver.hostname, cache)
        self._store = SynapseStore(homeserver)
        self._journal = Journal(clock, cache, self._store)
        self.partings = PartingLog()
        self.listeners = Listeners(
            clock,
            Attention(config.client_window, config.client_wakeups_per_second),
            cache,
            homeserver.get_notifier(),
            self.partings,
        )
        self.ticks = JournaledTicks(
            clock, cache, self._journal, self.listeners, config.tick
        )
        self.persistence = JournaledPersistence(
            clock, cache, self._store, self._journal, config.persist_interval
        )
        self.accounts = Accounts(homeserver)
        self.lists = PresenceLists(
            cache,
            config,
            self.ticks,
            self.persistence,
            self.accounts.exists,
            self.readiness.now,
            tells_others=config.federation_outgoing and self.tracks,
        )
        self.handler = CountedHandler(
            clock, cache, config, self.ticks, self.persistence, self.lists
        )
        self.handler.counters = self.counters
        self.workers = WorkerPolls(clock, self.handler, own.worker_timeout)
        self.receiver = Receiver(cache, config, self.handler)
        self.memberships = Memberships(homeserver, self.handler)
        if own.leaving_ends_presence:
            leaving = Partings(cache, self.handler, self.ticks.parted, self._part)
            self.memberships.left = leaving.left
        self._sweep = Sweep(clock, self.handler, self.ticks, cache.wheel.width)
        self.sender: Sender | None = None
        #: Who is present only because they were before the restart.
        self.restored = BitMap()
        self._appservices = homeserver.get_application_service_handler()
        self.ticks.observers += [self._tell_appservices, self.counters.ticked]

    def came_back(self, user_id: str) -> None:
        """A client of this user has said something: that counts from now on."""
        user = self.cache.users.find(user_id)
        if user is not None and user in self.restored:
            self.restored.discard(user)
            self.handler.logged_out(user_id, RESTORED)

    @property
    def waiting(self) -> Listeners:
        """The open polls, by the name under which they are measured."""
        return self.listeners

    @property
    def tracks(self) -> bool:
        """Whether what people do is taken for presence; else only modules set it."""
        return self.config.enabled is True

    def federate(self, queue: PresenceFederationQueue) -> None:
        """From now on tell other servers, by this queue of Synapse's."""
        self._queue = queue
        self.routing = Routing(
            self._homeserver,
            self.cache,
            self.states,
            self.listeners,
            queue,
            self.readiness,
        )
        self.ticks.observers.append(self.routing.ticked)
        federation = SynapseFederation(
            self._homeserver,
            queue,
            self.states,
            self.readiness,
            self.peers.allow,
            self.counters,
        )
        if self.config.federation_outgoing and self.tracks:
            self.sender = Sender(self._clock, self.cache, self.config, federation)
            self.ticks.observers.append(self.sender.ticked)
            if self.receiver.lists is not None:
                self.receiver.lists.polled = self.sender.tell

    def _part(self, user_ids: Sequence[str], destinations: list[str]) -> None:
        """Servers that may not know of these users any more are told a last word."""
        if not (self.config.federation_outgoing and self.tracks):
            return
        states = [
            UserPresenceState.default(user_id).copy_and_replace(last_active_ts=LONG_AGO)
            for user_id in user_ids
        ]
        queue = self._queue
        done = in_background(
            self._homeserver,
            "presence_out",
            lambda: queue.send_presence_to_destinations(states, destinations),
        )
        done.addErrback(log_failure, "Other servers could not be told")

    def _tell_appservices(self, tick: Tick) -> None:
        users = self.cache.users
        changed = [users.ids[user] for user in tick.urgent | tick.casual]
        if changed:
            self._appservices.notify_interested_services_ephemeral(
                StreamKeyType.PRESENCE, self.cache.position, changed
            )

    # How it starts.

    async def start(self) -> None:
        """Load everything stored; ready when this is done."""
        try:
            await self._store.open()
            count = await self._restore()
            await self._restore_lists()
            if self.own.profiles:
                await in_background(
                    self._homeserver,
                    "presence_profiles",
                    lambda: profiles.load(self._homeserver, self.handler),
                )
            members = await in_background(
                self._homeserver, "presence_members", self.memberships.load
            )
            logger.info("Presence: %d users and %d memberships", count, members)
        except Exception:
            # With what there is by now: it heals, as people come back.
            logger.exception("Presence could not be loaded completely")
        self.ticks.joins_are_news = True
        self.counters.start()
        self.persistence.start()
        if self.tracks:
            # What only modules set, nothing but modules changes.
            self._sweep.start()
        if self.sender is not None:
            self.sender.start()
        self.readiness.ready()
        self.memberships.poke()

    async def _restore(self) -> int:
        """Load all users in slices; those who are present time out in their time."""
        cache, after, count = self.cache, "", 0
        changed: list[list[tuple[int, int]]] = []
        while rows := await self._store.load(after, _ROWS_AT_ONCE):
            now = self.readiness.now()
            some: list[tuple[int, int]] = []
            for row in rows:
                user = restore_row(cache, row, now)
                some.append((row.position, user))
                if user in cache.present:
                    cache.wheel.put(user, now)
                    self.restored.add(user)
            some.sort()
            changed.append(some)
            after = rows[-1].user_id
            count += len(rows)
        for row in self._store.only_held(cache.users.index):
            restore_row(cache, row, self.readiness.now())
        # Sorted as a whole they would hold the reactor for a while.
        await self._restore_changes(merge(*changed))
        return count

    async def _restore_lists(self) -> None:
        """Load all entries of presence lists, if there are lists at all."""
        after = "", ""
        while self.lists.enabled and (
            rows := await self._store.load_lists(after, _ROWS_AT_ONCE)
        ):
            for row in rows:
                self.lists.restore(row)
            after = rows[-1].observer, rows[-1].observed
        self.lists.restored(())

    async def _restore_changes(self, changed: Iterator[tuple[int, int]]) -> None:
        """Who changed when, so that tokens of the life before are answered exactly."""
        while some := list(islice(changed, _CHANGES_AT_ONCE)):
            users = BitMap([user for _, user in some])
            self.cache.changes.restore(some[0][0], some[-1][0], users)
            await deferLater(self._clock, 0)

    # How it ends.

    def stop(self) -> Deferred[None]:
        """Write everything that is pending."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if not self.readiness.is_ready:
            return
        self._sweep.stop()
        self.workers.stop()
        if self.sender is not None:
            self.sender.stop()
        self.listeners.stop()
        self.ticks.stop()
        await self._journal.finish()
        await self.persistence.flush()
