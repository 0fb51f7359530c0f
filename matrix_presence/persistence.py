"""Keeps the cache on disk: at once what a person typed, by and by what was derived.

Users are dirty, not updates: a row is composed when it is written. While one batch
commits, the next gathers, so under load many acknowledgements share one commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import attrs
from pyroaring import BitMap
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.errors import NotStored
from matrix_presence.interfaces import (
    Batch,
    DestinationRow,
    IPresenceStore,
    ListRow,
)
from matrix_presence.positions import ReservedPositions
from matrix_presence.rows import list_row_of, row_of

logger = logging.getLogger(__name__)

#: Rows composed in one go: a few milliseconds of the reactor's time.
_ROWS_AT_ONCE = 500


@attrs.define
class _Gathering:
    """What the next batch is to hold, and who waits for it."""

    users: BitMap = attrs.Factory(BitMap)
    #: Entries of presence lists, as observer and observed.
    pairs: set[tuple[int, int]] = attrs.Factory(set)
    #: By name: other servers.
    destinations: dict[str, DestinationRow] = attrs.Factory(dict)
    #: Servers that turned out to be old (X-9).
    old_servers: set[str] = attrs.Factory(set)
    waiting: dict[int, list[Deferred[None]]] = attrs.Factory(dict)

    def __bool__(self) -> bool:
        return bool(self.users or self.pairs or self.destinations or self.old_servers)


class Persistence:
    """Writes dirty users to the store.

    Args:
        positions: of our own, whose reservations the batches carry; None where the
            positions are somebody else's.
        interval: ms between two writes of derived state.
        turns: of the reactor that a batch waits for more, at most. It leaves after the
            first turn that brought nothing: who asks in the same moment shares one
            commit, and the batches do not fall into a long and a short one in turn.
    """

    def __init__(
        self,
        clock: IReactorTime,
        cache: PresenceCache,
        store: IPresenceStore,
        positions: ReservedPositions | None,
        interval: int,
        turns: int = 0,
    ) -> None:
        self._turns = turns
        self._clock = clock
        self._cache = cache
        self._store = store
        self._positions = positions
        self._interval = interval
        #: Asked with each interval, and at the end, for what has become different about
        #: other servers.
        self.destinations: Callable[[], Sequence[DestinationRow]] = tuple
        #: Users whose rows the store refused: tried again with each interval.
        self._refused = BitMap()
        #: Users of whom what they typed is perhaps not in the store.
        self._unsure = BitMap()
        #: Users of whom something derived is newer than the store's. Changed in place
        #: only: the handler adds to it, on paths where a call would count.
        self.dirty = BitMap()
        #: Those of them whom the present interval is to write.
        self._due = BitMap()
        self._gathering = _Gathering()
        self._writing = False
        self._written: list[Deferred[None]] = []
        self._timer: IDelayedCall | None = None
        if positions is not None:
            positions.when_out = self._reserve
        #: Rows and batches written since the start.
        self.rows = 0
        self.batches = 0

    def start(self) -> None:
        """Begin to write derived state every interval."""
        self._timer = self._clock.callLater(self._interval / 1000, self._write_derived)

    def durable(self, user: int) -> Deferred[None]:
        """Fires when everything about this user as of now is committed.

        Fails with:
            NotStored: it could not be written; it is kept in memory.
        """
        done: Deferred[None] = Deferred()
        self._unsure.add(user)
        self._gathering.users.add(user)
        self._gathering.waiting.setdefault(user, []).append(done)
        self._write_gathered()
        return done

    def list_changed(self, observer: int, observed: int) -> None:
        """This entry of a presence list is to be written as it is then.

        With whatever is written next: whoever changes several calls `durable` or
        `write_lists` when all of them are noted, so that one transaction has them all.
        """
        self._gathering.pairs.add((observer, observed))

    def write_lists(self) -> None:
        """Write the entries that have changed, at once."""
        if self._gathering.pairs:
            self._write_gathered()

    def old_server(self, server_name: str) -> None:
        """This server turned out to be old; written with whatever comes next."""
        self._gathering.old_servers.add(server_name)

    def is_sure(self, user: int) -> bool:
        """Whether what this user typed last is in the store already."""
        return user not in self._unsure

    def _write_derived(self) -> None:
        self.start()
        self._take_dirty()
        self._due |= self._refused
        self._gather_derived()
        self._gather_destinations()
        short = self._positions is not None and self._positions.is_short()
        self._write_gathered(always=short)

    def _reserve(self) -> None:
        """Positions have run out before an interval has: write, if only for them."""
        self._write_gathered(always=True)

    def _take_dirty(self) -> None:
        self._due |= self.dirty
        self.dirty.clear()

    def _gather_destinations(self) -> None:
        for row in self.destinations():
            self._gathering.destinations[row.server_name] = row

    def _gather_derived(self) -> None:
        some = self._due[:_ROWS_AT_ONCE]
        self._due -= some
        self._gathering.users |= some

    def _write_gathered(self, *, always: bool = False) -> None:
        if not self._writing and (self._gathering or always):
            self._writing = True
            if self._turns:
                # After a commit this comes before the reactor has looked for what those
                # send who have just been answered.
                self._clock.callLater(0, self._gather, 0, self._turns - 1)
            else:
                self._gather(0, 0)

    def _gather(self, seen: int, turns: int) -> None:
        waiting = len(self._gathering.waiting)
        if turns and waiting != seen:
            self._clock.callLater(0, self._gather, waiting, turns - 1)
            return
        gathered, self._gathering = self._gathering, _Gathering()
        done = Deferred.fromCoroutine(self._write(gathered))
        done.addCallback(self._wrote)
        done.addErrback(lambda why: logger.error("A flush failed: %s", why))

    def _wrote(self, stored: bool) -> None:
        self._writing = False
        if stored and self._due:
            self._gather_derived()
        # A store in trouble is tried again for those who wait for an answer, else
        # at the next interval.
        if self._gathering.waiting or (stored and self._gathering):
            self._write_gathered()
            return
        written, self._written = self._written, []
        for waiting in written:
            waiting.callback(None)

    async def _write(self, gathered: _Gathering) -> bool:
        """Whether the store could be written at all."""
        self.dirty -= gathered.users
        self._due -= gathered.users
        gone = gathered.users & self._cache.gone
        rows = [row_of(self._cache, user) for user in gathered.users - gone]
        forgotten = [self._cache.users.ids[user] for user in gone]
        lists: list[ListRow] = [
            list_row_of(self._cache, *pair) for pair in sorted(gathered.pairs)
        ]
        reserved = self._positions.to_reserve() if self._positions else 0
        servers = list(gathered.destinations.values())
        old_servers = sorted(gathered.old_servers)
        batch = Batch(rows, forgotten, reserved, lists, servers, old_servers)
        try:
            refused = await self._store.write(batch)
        except Exception:
            logger.exception("Presence of %d users could not be stored", len(rows))
            self.dirty |= gathered.users
            self._gathering.pairs |= gathered.pairs
            self._gathering.destinations = (
                gathered.destinations | self._gathering.destinations
            )
            self._gathering.old_servers |= gathered.old_servers
            self._answer(gathered, gathered.users)
            return False
        if self._positions is not None:
            self._positions.reserved(reserved)
        self.rows += len(rows)
        self.batches += 1
        if refused:
            logger.warning("The store refused the presence of %d users", len(refused))
        index = self._cache.users.index
        failed = BitMap([index[user_id] for user_id in refused])
        self._refused -= gathered.users
        self._refused |= failed
        self._unsure -= gathered.users - failed - self._gathering.users
        self._answer(gathered, failed)
        return True

    def _answer(self, gathered: _Gathering, failed: BitMap) -> None:
        for user, waiting in gathered.waiting.items():
            for done in waiting:
                if user in failed:
                    done.errback(NotStored("The status could not be stored"))
                else:
                    done.callback(None)

    async def flush(self) -> bool:
        """Write everything that is dirty; whether all of it is in the store now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._take_dirty()
        self._gather_derived()
        self._gather_destinations()
        self._write_gathered(always=True)
        if self._writing:
            done: Deferred[None] = Deferred()
            self._written.append(done)
            await done
        return not (self.dirty or self._due or self._refused or self._gathering)
