"""Tells other servers what changes, and never more than what changed.

Theory of operation. A tick is turned into pairs of destinations and users, and these
into the outbox. From there destinations are served as their windows and the budget
allow, one transaction under way for each. One that fails is left alone for longer and
longer; when it is tried again, or gives a sign of life, it gets everything it has
missed as it is then, in one go.

Timers and transactions are in here; what they make of a destination is in
`destinations`.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence

from pyroaring import BitMap
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Cooperator, SchedulerStopped
from twisted.python.failure import Failure

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import PresenceConfig
from matrix_presence.federation.activity import HeldActivity
from matrix_presence.federation.bodies import Bodies
from matrix_presence.federation.destinations import Destinations
from matrix_presence.federation.intake import Intake
from matrix_presence.federation.letters import Numbered
from matrix_presence.federation.pings import SLOT
from matrix_presence.interfaces import DestinationRow, IFederation, PresenceUnwanted
from matrix_presence.ticks import Tick
from matrix_presence.wire.edu import EDU_TYPE, MOST_EDUS, Edus

logger = logging.getLogger(__name__)

#: Destinations served in one turn of the reactor, and looked at in one turn.
_A_TURN = 64
_A_SWEEP = 100
#: Changed users, and joins, whose destinations are found in one go.
_AT_ONCE = 100
#: Seconds the reactor is held before it gets a turn.
_SLICE = 0.008
#: Seconds after which a link that has not answered is given up.
_PATIENCE = 180

_NOBODY = BitMap()


class Sender:
    """Everything that goes out.

    Args:
        chance: a number from 0 up to 1, another each time: what keeps destinations
            from being served in step.
    """

    def __init__(
        self,
        clock: IReactorTime,
        cache: PresenceCache,
        config: PresenceConfig,
        federation: IFederation,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._cache = cache
        self._federation = federation
        self._at_once = config.transactions_at_once
        self._destinations = destinations = Destinations(cache, config, chance)
        self.outbox = destinations.outbox
        self._letters = destinations.letters
        self._admission = destinations.admission
        self._activity = HeldActivity(cache.users, config.activity_window)
        self._bodies = Bodies(cache, config)
        self._intake = Intake(cache, destinations, self._activity)
        self._sending: dict[int, Deferred[None]] = {}
        self._serving: IDelayedCall | None = None
        self._sweeping: IDelayedCall | None = None
        self._cooperator = Cooperator(
            terminationPredicateFactory=self._slice,
            scheduler=lambda step: clock.callLater(0, step),
        )
        self._stopped = True
        #: Whether some may have to wait for the answers of others.
        self._is_full = False
        #: Transactions that were answered and that failed, since the start.
        self.answered = 0
        self.failed = 0

    def restored(self, rows: Sequence[DestinationRow], *, is_complete: bool) -> None:
        """What is known of destinations from before a restart; see `start`.

        Args:
            is_complete: whoever is not in the rows was owed nothing.
        """
        self._destinations.restored(rows, self._now(), is_complete=is_complete)

    def rows(self) -> list[DestinationRow]:
        """What is to be kept of destinations, and has changed since the last call."""
        return self._destinations.rows(self._now(), is_end=self._stopped)

    def start(self) -> None:
        """Send from now on."""
        self._stopped = False
        now = self._now()
        # Whoever failed before the restart is not asked again before their time.
        self._destinations.meet(now)
        untold = self._destinations.letters_restored(now)
        if untold:
            self.outbox.tell(untold, _NOBODY, urgent=False)
            self._serve_soon()
        self._sweeping = self._clock.callLater(SLOT / 1000, self._sweep)

    def stop(self) -> None:
        """Send no more; what is under way is given up."""
        self._stopped = True
        for timer in (self._serving, self._sweeping):
            if timer is not None:
                timer.cancel()
        self._serving = self._sweeping = None
        self._cooperator.stop()
        for sending in list(self._sending.values()):
            sending.cancel()

    def _now(self) -> int:
        return int(self._clock.seconds() * 1000)

    def _slice(self) -> Callable[[], bool]:
        ends = self._clock.seconds() + _SLICE
        return lambda: self._clock.seconds() >= ends

    def admit(self, admits: Callable[[str], bool]) -> None:
        """From now on only servers whose names pass are sent anything.

        One that did not pass before, and does now, hears of everybody.
        """
        self._destinations.admit(admits, self._now())
        self._serve_soon()

    # What goes into the outbox.

    def ticked(self, tick: Tick) -> None:
        """Other servers have to hear of what this tick shows."""
        servers, now = self._cache.servers, self._now()
        self._destinations.meet(now)
        if self._stopped or len(servers) <= len(self._admission.refused):
            return
        putting = self._intake.put(tick, now)
        size = len(tick.urgent) + len(tick.casual) + len(tick.joins) + len(tick.listed)
        if size <= _AT_ONCE:
            for _ in putting:
                pass
            self._serve()
        else:
            done = self._cooperator.coiterate(putting)
            done.addCallbacks(lambda _: self._serve(), self._not_put)

    def tell(self, destination: int, users: BitMap) -> None:
        """This destination asks for these users, and may know of them (C-21)."""
        if not self._stopped and destination not in self._admission.closed:
            self.outbox.tell(BitMap([destination]), users)
            self._serve_soon()

    def _not_put(self, why: Failure) -> None:
        # They hear of it with the next change, or the next ping.
        if not why.check(SchedulerStopped):
            logger.error("Other servers could not be told: %s", why)

    # When it goes out.

    def _serve(self) -> None:
        """Send to whom the windows and the budget allow; see to the others later."""
        if self._serving is not None:
            self._serving.cancel()
            self._serving = None
        if self._stopped:
            return
        now, outbox = self._now(), self.outbox
        self._bodies.begin(now)
        failing = self._destinations.backoff.failing
        most = min(_A_TURN, self._at_once - len(outbox.under_way))
        ready = outbox.ready(now, most, but=failing)
        if failing and len(ready) < most:
            most = min(most - len(ready), self._room_for_failing())
            ready |= outbox.ready(now, most)
        for destination in ready:
            self._send(destination, now)
        barred = _NOBODY if self._room_for_failing() else failing
        # Answers make room; until then time does not help.
        self._is_full = bool(barred) or len(outbox.under_way) >= self._at_once
        if len(outbox.under_way) < self._at_once and self._serving is None:
            again = outbox.next_ts(now, but=barred)
            if again is not None:
                delay = max(0, again - now) / 1000
                self._serving = self._clock.callLater(delay, self._serve_again)

    def _serve_again(self) -> None:
        self._serving = None
        self._serve()

    def _serve_soon(self) -> None:
        if self._stopped:
            return
        if self._serving is None:
            self._serving = self._clock.callLater(0, self._serve_again)
        elif self._serving.getTime() > self._clock.seconds():
            self._serving.reset(0)

    def _room_for_failing(self) -> int:
        """How many of those that failed before may be tried: half of all at most."""
        under_way = self.outbox.under_way
        failing = self._destinations.backoff.failing
        held = under_way.intersection_cardinality(failing)
        return max(0, max(1, self._at_once // 2) - held)

    def _send(self, destination: int, now: int) -> None:
        users = self.outbox.take(destination)
        if along := self._destinations.along(destination, now):
            users = users | along
        letters = self._letters.of(destination)
        written = self._letters.written(letters)
        if destination in self._admission.closed:
            users = _NOBODY
            written = [edu for edu in written if edu["edu_type"] != EDU_TYPE]
        edus, left = self._bodies.of(destination, users, now)
        if written and len(written) + len(edus) > MOST_EDUS:
            # What they are about comes first; they have next to nothing to say.
            edus, left = Edus(), users
        if not (edus or written):  # It shares no room with any of them any more.
            self._destinations.answered(destination, letters, now)
            return
        self._activity.read(destination, users)
        name = self._cache.servers.names[destination]
        try:
            sending = self._federation.send(
                name, [*written, *edus] if written else edus
            )
        except Exception:
            sending = fail()
        if not sending.called:
            self._sending[destination] = sending.addTimeout(_PATIENCE, self._clock)
        sending.addCallbacks(
            lambda _: self._answered(destination, left, letters),
            lambda why: self._failed(destination, users, why),
        )
        sending.addErrback(lambda why: logger.error("An answer was lost: %s", why))

    def _answered(self, destination: int, left: BitMap, letters: Numbered) -> None:
        self._sending.pop(destination, None)
        self.answered += 1
        self._destinations.answered(destination, letters, self._now(), left)
        if self._is_full or destination in self.outbox.pending:
            self._serve_soon()

    def _failed(self, destination: int, users: BitMap, why: Failure) -> None:
        self._sending.pop(destination, None)
        name, destinations = self._cache.servers.names[destination], self._destinations
        if isinstance(why.value, PresenceUnwanted):
            logger.info("%s wants no presence", name)
            destinations.unwanted(destination, why.value.until)
        elif destination in self._admission.refused:
            self.outbox.done(destination)
        elif self._stopped:
            destinations.given_up(destination, users)
        else:
            self.failed += 1
            failures = destinations.failed(destination, users, self._now())
            log = logger.info if failures == 1 else logger.debug
            log("%s was not told of presence: %s", name, why.getErrorMessage())
        if self._is_full:
            self._serve_soon()

    def back(self, name: str) -> None:
        """This server lives: it has sent a request, whose signature was right."""
        if self._destinations.back(name, self._now()):
            self._serve_soon()

    # What time does.

    def _sweep(self) -> None:
        more = False
        try:
            more = self._look()
        except Exception:
            logger.exception("A sweep of destinations failed")
        delay = 0 if more else SLOT / 1000
        self._sweeping = self._clock.callLater(delay, self._sweep)

    def _look(self) -> bool:
        """Look at some destinations that are due; whether there may be more."""
        now = self._now()
        self._destinations.meet(now)
        due = self._destinations.look(now, _A_SWEEP)
        told = self._intake.put_activity(now, _A_SWEEP)
        unanswered = self._letters.due(now)
        if unanswered:
            self.outbox.tell(unanswered, _NOBODY, urgent=False)
        if due or told or unanswered:
            self._serve()
        return due >= _A_SWEEP
