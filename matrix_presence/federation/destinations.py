"""What is known of each destination, and what it therefore has yet to be told.

Whether it lives, rests or is left out, when it is pinged and when it is tried again. No
timer runs in here and nothing is sent: `Sender` says what time it is and what has
become of a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyroaring import BitMap

from matrix_presence.cache import interest
from matrix_presence.cache.backoff import Backoff
from matrix_presence.cache.outbox import Outbox
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import PresenceConfig
from matrix_presence.federation.admission import Admission
from matrix_presence.federation.kept import KeptDestinations
from matrix_presence.federation.letters import Letters, Numbered
from matrix_presence.federation.pings import Pings
from matrix_presence.interfaces import DestinationRow

_NOBODY = BitMap()


class Destinations:
    """All of them; every `now` is in epoch ms.

    Args:
        chance: a number from 0 up to 1, another each time.
    """

    def __init__(
        self, cache: PresenceCache, config: PresenceConfig, chance: Callable[[], float]
    ) -> None:
        self._cache = cache
        self.outbox = Outbox(
            config.destination_window,
            config.transactions_per_second,
            config.destination_busy_window,
            config.destination_burst_count,
        )
        self.backoff = Backoff(chance)
        grace = config.federation_timeout - config.federation_ping_interval
        self.pings = Pings(
            cache.servers, config.federation_ping_interval, grace, chance
        )
        self.letters = Letters(cache)
        self.admission = Admission(cache.servers)
        self._kept = KeptDestinations(
            cache.servers, self.outbox, self.backoff, self.pings, self.admission
        )

    def restored(
        self, rows: Sequence[DestinationRow], now: int, *, is_complete: bool
    ) -> None:
        """What is known of them from before a restart.

        Args:
            is_complete: whoever is not in the rows was owed nothing.
        """
        self._kept.restored(rows, now, is_complete=is_complete)

    def rows(self, now: int, *, is_end: bool) -> list[DestinationRow]:
        """What is to be kept of them, and has changed since the last call.

        Args:
            is_end: whether nothing is sent from now on.
        """
        if is_end:
            # What the rows before say of them has to be carried on.
            self.meet(now)
        return self._kept.rows(now, is_end=is_end)

    def meet(self, now: int) -> None:
        """Those that were not known before are from now on."""
        for destination in self.pings.meet(now):
            self._kept.met(destination, now)
            if destination in self.admission.refused:
                self.letters.drop(destination)

    def admit(self, admits: Callable[[str], bool], now: int) -> None:
        """From now on only those whose names pass are told anything.

        One that did not pass before, and does now, hears of everybody.
        """
        self.meet(now)
        met = range(len(self._cache.servers))
        refused, admitted = self.admission.admit(admits, met)
        for destination in refused:
            self._shut(destination)
        for destination in admitted:
            if self.letters.put_unanswered(destination):
                self.outbox.tell(BitMap([destination]), _NOBODY)
            if destination not in self.admission.closed:
                self.pings.begin_anew(destination, now)
                self._ping(destination, now)

    def letters_restored(self, now: int) -> BitMap:
        """The destinations to whom a former life still has something to tell."""
        untold = self.letters.restored(now)
        for destination in self.admission.refused:
            self.letters.drop(destination)
        return untold - self.admission.refused

    def _shut(self, destination: int) -> None:
        self.outbox.drop(destination)
        self.letters.drop(destination)
        self.backoff.is_back(destination)
        self._kept.changed.add(destination)

    # What becomes of a transaction.

    def answered(
        self, destination: int, letters: Numbered, now: int, left: BitMap = _NOBODY
    ) -> None:
        """It has heard what it was told, or there was nothing to tell.

        Args:
            letters: the entries of lists that it was told of.
            left: users who did not fit.
        """
        self._lives(destination)
        if destination in self.admission.refused:
            self.outbox.done(destination)
            return
        self.outbox.done(destination, left)
        if self.letters.arrived(destination, letters, now):
            self.outbox.tell(BitMap([destination]), _NOBODY)

    def _lives(self, destination: int) -> None:
        if destination in self.backoff.failing:
            self.backoff.is_back(destination)
            self._kept.changed.add(destination)

    def given_up(self, destination: int, users: BitMap) -> None:
        """Telling it of these was given up, which says nothing about it."""
        self.outbox.failed(destination, users)
        self._kept.changed.add(destination)

    def failed(self, destination: int, users: BitMap, now: int) -> int:
        """It has not heard of these, and rests; how often it has failed in a row."""
        self.given_up(destination, users)
        retry_ts = self.backoff.failed(destination, now)
        self.pings.wheel.put(destination, retry_ts)
        return self.backoff.of(destination).failures

    def unwanted(self, destination: int, until: int) -> None:
        """It wants no presence until then (epoch ms)."""
        self._lives(destination)
        self.outbox.done(destination)
        self.outbox.drop(destination)
        if self.letters.of(destination):
            # Without the presence that was beside them.
            self.outbox.tell(BitMap([destination]), _NOBODY)
        self.admission.unwanted(destination, until)
        self.pings.begin_anew(destination, until)
        self._kept.changed.add(destination)

    # What time does, and a sign of life.

    def back(self, name: str, now: int) -> bool:
        """This server lives; whether it can be told what it has missed."""
        destination = self._cache.servers.find(name)
        if destination is None or destination not in self.backoff.failing:
            return False
        self._lives(destination)
        if destination not in self.outbox.resting:
            return False
        self._try_again(destination, now)
        return True

    def look(self, now: int, most: int) -> int:
        """Try again, or ping, those whose time has come; how many were looked at."""
        pings = self.pings
        due = pings.wheel.due(now, most)
        for destination in due:
            if destination in self.outbox.resting:
                retry_ts = self.backoff.of(destination).retry_ts
                if retry_ts <= now:
                    self._try_again(destination, now)
                else:
                    pings.wheel.put(destination, retry_ts)
            elif pings.is_due(destination, now):
                self._ping(destination, now)
            pings.look_again(destination, now)
        return len(due)

    def _try_again(self, destination: int, now: int) -> None:
        """With all it has missed: changes, and pings if it was away for long."""
        pings = self.pings
        if pings.is_due(destination, now) or pings.is_first(destination):
            self._ping(destination, now)
        self.outbox.rested(destination)

    def _ping(self, destination: int, now: int) -> None:
        if destination in self.admission.closed:
            self._ping_closed(destination, now)
            return
        worth = self._worth_pinging(destination, now)
        if worth:
            self.outbox.tell(BitMap([destination]), worth, urgent=False)

    def along(self, destination: int, now: int) -> BitMap:
        """Of whom it is told with what it is sent anyway, instead of a ping soon."""
        pings, present = self.pings, self._cache.present
        if (
            destination in self.admission.closed
            or pings.is_first(destination)
            or not pings.is_near(destination, now)
            or not pings.whose_turn(destination, present, now)
        ):
            return _NOBODY
        return self._worth_pinging(destination, now)

    def _worth_pinging(self, destination: int, now: int) -> BitMap:
        """Of whom it is told by a ping now, and that counts as sent."""
        pings = self.pings
        visible = interest.visible_to(self._cache, destination)
        if not visible:
            pings.forget(destination)
            return _NOBODY
        if pings.is_first(destination):
            # What it was to be told before a restart is lost: it hears of everybody.
            worth = interest.worth_telling(self._cache, visible, now)
        else:
            present = visible & self._cache.present
            worth = pings.whose_turn(destination, present, now)
        pings.pinged(destination, now)
        return worth

    def _ping_closed(self, destination: int, now: int) -> None:
        until = self.admission.unwanted_until(destination)
        if destination in self.admission.refused:
            self.pings.forget(destination)
        elif until > now:
            self.pings.begin_anew(destination, until)
        else:
            self.admission.ask_again(destination)
            self._kept.changed.add(destination)
            self._ping(destination, now)
