"""Ticks whose changes are in the database before anybody sees them.

A stream id that has been told to a client must never come back, not even by a crash,
and other processes read the rows of an id as soon as it counts. So a tick first writes
the users that changed, then shows them; who changes meanwhile belongs to the next tick.
"""

from __future__ import annotations

import attrs
from pyroaring import BitMap
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.errors import NotStored
from matrix_presence.interfaces import IPositions, UserRow
from matrix_presence.persistence import Persistence
from matrix_presence.rows import row_of
from matrix_presence.synapse.listeners import Listeners
from matrix_presence.synapse.store import SynapseStore
from matrix_presence.ticks import Tick, Ticks

#: Rows composed in one go: a few milliseconds of the reactor's time.
_ROWS_AT_ONCE = 500


@attrs.define
class _Entry:
    """Who changed, and who waits for it to be written."""

    users: BitMap = attrs.Factory(BitMap)
    waiting: dict[int, list[Deferred[None]]] = attrs.Factory(dict)


@implementer(IPositions)
class Journal:
    """Writes who changed and hands out the position at which they did."""

    def __init__(
        self, clock: IReactorTime, cache: PresenceCache, store: SynapseStore
    ) -> None:
        self._clock = clock
        self._cache = cache
        self._store = store
        #: Users of whom something derived has yet to be written; set by whoever
        #: writes it.
        self.dirty = BitMap()
        #: What the next tick will write, and what is being written.
        self._next = _Entry()
        self._current = _Entry()

    def current(self) -> int:
        """The last position handed out."""
        return self._cache.position

    def changed(self, user: int) -> None:
        """The next tick has to write this user."""
        self._next.users.add(user)

    def is_pending(self, user: int) -> bool:
        """Whether the user has changed visibly since they were written."""
        return user in self._next.users or user in self._current.users

    def when_written(self, user: int) -> Deferred[None] | None:
        """Fires when what is known of the user is stored; None if it is already.

        Fails with:
            NotStored: it could not be written; it is kept in memory.
        """
        for entry in (self._next, self._current):
            if user in entry.users:
                return self._wait(entry, user)
        return None

    def _wait(self, entry: _Entry, user: int) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        entry.waiting.setdefault(user, []).append(done)
        return done

    async def allocate(self) -> int:
        """Write all who changed up to now; their position."""
        self._current, self._next = self._next, _Entry()
        entry = self._current
        self.dirty -= entry.users
        try:
            rows = await self._composed(entry.users)
            position = await self._store.write_tick(rows)
        except Exception:
            # The tick is tried again, with the values of then.
            self._next.users |= entry.users
            self._answer(entry, stored=False)
            raise
        self._answer(entry, stored=True)
        return position

    async def _composed(self, users: BitMap) -> list[UserRow]:
        rows: list[UserRow] = []
        for start in range(0, len(users), _ROWS_AT_ONCE):
            if start:
                # The reactor gets its turn when very many have changed at once.
                await deferLater(self._clock, 0)
            some = users[start : start + _ROWS_AT_ONCE]
            rows += [row_of(self._cache, user) for user in some]
        return rows

    async def finish(self) -> None:
        """Write who is left, after the last tick."""
        if self._current.users:
            await self._wait(self._current, self._current.users.min())
        if self._next.users:
            await self.allocate()

    def _answer(self, entry: _Entry, *, stored: bool) -> None:
        self._current = _Entry()
        for waiting in entry.waiting.values():
            for done in waiting:
                if stored:
                    done.callback(None)
                else:
                    done.errback(NotStored("The status could not be stored"))


class JournaledTicks(Ticks):
    """Ticks that keep what changes during a write for the tick after it.

    The first change after a quiet time goes out at once, for whoever set a status waits
    for it; from then on there is a tick every `delay` at most.

    Joins are shown without a tick: Synapse's own /sync shows newcomers to a room, so
    only observers hear of them.
    """

    def __init__(
        self,
        clock: IReactorTime,
        cache: PresenceCache,
        journal: Journal,
        waiting: Listeners,
        delay: int,
    ) -> None:
        super().__init__(clock, cache, journal, waiting, delay)
        self._journal = journal
        self._late: list[tuple[int, bool]] = []
        #: When the last tick began, epoch ms.
        self._began = 0.0
        self._came: list[tuple[int, int]] = []
        #: Who is gone from whose sight since the last tick, and before it.
        self._parted: list[tuple[BitMap, BitMap]] = []
        self._partings = waiting.partings
        self._came_timer: IDelayedCall | None = None
        #: Whether joins are news. They are not while memberships are loaded.
        self.joins_are_news = False

    def changed(self, user: int, *, urgent: bool) -> None:
        """What others see of this user has changed."""
        self._journal.changed(user)
        if self._ticking:
            self._late.append((user, urgent))
        else:
            super().changed(user, urgent=urgent)

    @property
    def waiting_changes(self) -> int:
        """How many changes wait for a tick, those among them that came during one."""
        return super().waiting_changes + len(self._late)

    def _schedule(self, delay: int) -> None:
        # After a quiet time there is no need to gather: the write does it.
        since = self._clock.seconds() * 1000 - self._began
        super()._schedule(max(0, min(delay, self._delay - int(since))))

    async def _show(self) -> None:
        self._began = self._clock.seconds() * 1000
        try:
            await super()._show()
            self._show_parted()
        finally:
            late, self._late = self._late, []
            for user, urgent in late:
                super().changed(user, urgent=urgent)

    def parted(self, gone: BitMap, viewers: BitMap) -> None:
        """These are gone from the sight of those, who are told so."""
        self._parted.append((gone, viewers))
        self._schedule(0)

    def _pending(self) -> bool:
        return bool(self._parted) or super()._pending()

    def _show_parted(self) -> None:
        some, self._parted = self._parted, []
        for gone, viewers in some:
            self._partings.append(self._cache.position, gone, viewers)
            self._waiting.changed(viewers, urgent=True)

    def joined(self, room: int, user: int) -> None:
        """Observers hear of it, together with other joins of the same moment."""
        if self.joins_are_news:
            self._came.append((room, user))
            if self._came_timer is None:
                delay = self._delay / 1000
                self._came_timer = self._clock.callLater(delay, self._tell_of_joins)

    def _tell_of_joins(self) -> None:
        self._came_timer = None
        came, self._came = self._came, []
        self._tell(Tick(BitMap(), BitMap(), came, ()))

    def stop(self) -> None:
        """No more ticks; what was pending is shown first."""
        super().stop()
        if self._came_timer is not None:
            self._came_timer.cancel()
            self._came_timer = None


class JournaledPersistence(Persistence):
    """Waits for the tick where a status is visible, which nearly every status is."""

    def __init__(
        self,
        clock: IReactorTime,
        cache: PresenceCache,
        store: SynapseStore,
        journal: Journal,
        interval: int,
    ) -> None:
        super().__init__(clock, cache, store, None, interval)
        self._journal = journal
        self._synapse_store = store
        journal.dirty = self.dirty

    def is_sure(self, user: int) -> bool:
        """Whether what this user typed last is in the store already."""
        return not self._journal.is_pending(user) and super().is_sure(user)

    def durable(self, user: int) -> Deferred[None]:
        """Fires when everything a person typed is committed.

        Fails with:
            NotStored: it could not be written; it is kept in memory.
        """
        ticked = self._journal.when_written(user)
        if not self._gathering.pairs:
            if ticked is not None:
                return ticked
            if not self._synapse_store.owes(row_of(self._cache, user)):
                return succeed(None)
        stored = super().durable(user)
        if ticked is None:
            return stored
        # Presence lists are not part of a tick.
        return gatherResults([ticked, stored], consumeErrors=True).addCallbacks(
            lambda _: None, lambda why: why.value.subFailure
        )
