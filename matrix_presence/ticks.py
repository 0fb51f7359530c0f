"""The tick: all that changed since the last one gets one position and is shown.

The first change after a quiet time starts a tick; everything until it ends shares one
stream position and one wake-up per waiting client.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import attrs
from pyroaring import BitMap
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Cooperator, SchedulerStopped
from twisted.python.failure import Failure

from matrix_presence.cache.lists import ListNews
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.interfaces import IPositions
from matrix_presence.waiting import Waiting

logger = logging.getLogger(__name__)

#: Changed users whose viewers are found in one go, about a millisecond's work.
_AT_ONCE = 100
#: Seconds the reactor is held before it gets a turn.
_SLICE = 0.006
#: Seconds until a tick that got no position is tried again.
_RETRY = 1.0


@attrs.frozen
class Tick:
    """What one tick shows. Nothing of it is to be changed."""

    #: Whose state changed, and of whom there is only a newer activity.
    urgent: BitMap
    casual: BitMap
    #: Who joined which room: `(room, user)`.
    joins: Sequence[tuple[int, int]]
    #: Who is gone for good, and who saw them.
    farewells: Sequence[tuple[int, BitMap]]
    #: Entries of presence lists: `(observer, observed)`.
    listed: Sequence[tuple[int, int]] = ()


class Ticks:
    """Gathers changes and lets them be seen.

    Args:
        delay: ms from the first change to its tick; 0 shows each change at once.
    """

    def __init__(
        self,
        clock: IReactorTime,
        cache: PresenceCache,
        positions: IPositions,
        waiting: Waiting,
        delay: int,
    ) -> None:
        self._clock = clock
        self._cache = cache
        self._positions = positions
        self._waiting = waiting
        self._delay = delay
        #: Whose state changed since the last tick, and of whom there is a newer
        #: activity; who is in both counts as the first.
        self._urgent = BitMap()
        self._casual = BitMap()
        self._joins: list[tuple[int, int]] = []
        self._farewells: list[tuple[int, BitMap]] = []
        self._listed: list[tuple[int, int, ListNews]] = []
        self._timer: IDelayedCall | None = None
        self._ticking = False
        self._stopped = False
        #: Ticks whose viewers are still being looked for.
        self.busy = 0
        self._cooperator = Cooperator(
            terminationPredicateFactory=self._slice,
            scheduler=lambda step: clock.callLater(0, step),
        )
        #: Called with each tick, once everything in it can be read.
        self.observers: list[Callable[[Tick], None]] = []
        #: Ticks, and changes shown by them, since the start.
        self.count = 0
        self.shown = 0

    def _slice(self) -> Callable[[], bool]:
        ends = self._clock.seconds() + _SLICE
        return lambda: self._clock.seconds() >= ends

    def changed(self, user: int, *, urgent: bool) -> None:
        """What others see of this user has changed."""
        (self._urgent if urgent else self._casual).add(user)
        if self._timer is None:
            self._schedule(self._delay)

    def joined(self, room: int, user: int) -> None:
        """The user and the members of the room come into each other's sight.

        The tick comes at once: the client that joined looks next (A-88).
        """
        self._joins.append((room, user))
        self._schedule(0)

    def farewell(self, gone: int, viewers: BitMap) -> None:
        """The user is gone for good, and these are to be told (D-40)."""
        self._farewells.append((gone, viewers))
        self.changed(gone, urgent=True)

    def listed(self, observer: int, observed: int, news: ListNews) -> None:
        """There is something about this entry of a presence list."""
        self._listed.append((observer, observed, news))
        self._schedule(0)

    @property
    def waiting_changes(self) -> int:
        """How many changes wait for a tick, about: a user may count twice."""
        return len(self._urgent) + len(self._casual)

    def hasten(self, user: int) -> None:
        """Show this user's change at once, if it is the only one that waits.

        For a sync that is about to show it: what it shows is then behind its position,
        and its next poll is not woken by the same thing (A-87).
        """
        urgent, casual = self._urgent, self._casual
        if user in urgent or user in casual:
            if urgent.union_cardinality(casual) == 1:
                self.tick()

    def settle_joins(self) -> None:
        """Show at once the joins that the next tick would show.

        For a sync that is about to show the room: who has come in is seen already, and
        what they did since its last token would be told twice (A-88).
        """
        if self._joins:
            self.tick()

    def _schedule(self, delay: int) -> None:
        if self._stopped:
            return
        if self._delay == 0:
            self.tick()
            return
        if self._timer is not None:
            if delay:
                return
            self._timer.reset(0)
        else:
            self._timer = self._clock.callLater(delay / 1000, self.tick)

    def tick(self) -> None:
        """Show everything that has changed, now."""
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None
        if not self._ticking and self._pending():
            self._ticking = True
            done = Deferred.fromCoroutine(self._show())
            done.addErrback(self._failed)

    def _failed(self, why: Failure) -> None:
        """Nothing is lost: it is shown by the next tick that gets a position."""
        logger.error("A tick failed: %s", why)
        if not self._stopped and self._timer is None:
            self._timer = self._clock.callLater(_RETRY, self.tick)

    def _pending(self) -> bool:
        return bool(
            self._urgent
            or self._casual
            or self._joins
            or self._farewells
            or self._listed
        )

    async def _show(self) -> None:
        try:
            position = await self._positions.allocate()
        finally:
            self._ticking = False
        urgent, self._urgent = self._urgent, BitMap()
        casual, self._casual = self._casual, BitMap()
        changed = urgent | casual
        joins, self._joins = self._joins, []
        farewells, self._farewells = self._farewells, []
        listed, self._listed = self._listed, []
        cache = self._cache
        position_of = cache.users.position
        for user in changed:
            position_of[user] = position
        if changed:
            cache.changes.append(position, changed)
        cache.joins.append(position, joins)
        cache.position = position
        for gone, viewers in farewells:
            cache.farewells.append(position, gone, viewers)
            self._waiting.changed(viewers, urgent=True)
        for observer, observed, news in listed:
            self._show_listed(position, observer, observed, news)
        self.count += 1
        self.shown += len(changed)
        if joins:
            meeting = cache.rooms.carrying_among({room for room, _ in joins})
            self._waiting.changed(cache.rooms.members_of(meeting), urgent=True)
        casual -= urgent
        self._wake(urgent, casual)
        if self.observers:
            pairs = [(observer, observed) for observer, observed, _ in listed]
            self._tell(Tick(urgent, casual, joins, farewells, pairs))

    def _show_listed(
        self, position: int, observer: int, observed: int, news: ListNews
    ) -> None:
        is_invite = news is ListNews.INVITE
        viewer, other = (observed, observer) if is_invite else (observer, observed)
        if news is not ListNews.NONE and self._cache.users.is_local[viewer]:
            self._cache.lists.log.append(position, viewer, other, news)
            self._waiting.changed(BitMap([viewer]), urgent=True)

    def _tell(self, tick: Tick) -> None:
        for observer in self.observers:
            try:
                observer(tick)
            except Exception:  # It was shown all the same.
                logger.exception("An observer of ticks failed")

    def _wake(self, urgent: BitMap, casual: BitMap) -> None:
        if len(urgent) + len(casual) <= _AT_ONCE:
            for _ in self._find_viewers(urgent, casual):
                pass
        elif self._waiting.users:
            self.busy += 1
            found = self._cooperator.coiterate(self._find_viewers(urgent, casual))
            found.addErrback(self._not_found)
            found.addBoth(self._found)

    def _found(self, _: object) -> None:
        self.busy -= 1

    def _not_found(self, why: Failure) -> None:
        # What nobody is woken for they are shown with their next sync.
        if not why.check(SchedulerStopped):
            logger.error("Those who wait could not be woken: %s", why)

    def _find_viewers(self, urgent: BitMap, casual: BitMap) -> Iterator[None]:
        """Wish for those who wait and may see any of these; yields between slices."""
        rooms, listed = self._cache.rooms, self._cache.lists.accepted
        for users, is_urgent in ((urgent, True), (casual, False)):
            viewers, visited = users.copy(), BitMap()
            shown = self._cache.shown(users)
            if listed:
                listed.add_observers(viewers, shown)
            for start in range(0, len(shown), _AT_ONCE):
                more = rooms.carrying(shown[start : start + _AT_ONCE]) - visited
                visited |= more
                rooms.add_members(viewers, more)
                yield
            self._waiting.changed(viewers, urgent=is_urgent)

    def stop(self) -> None:
        """No more ticks; what was pending is shown first."""
        self._stopped = True
        self.tick()
        self._cooperator.stop()
