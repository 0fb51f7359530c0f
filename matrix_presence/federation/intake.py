"""Puts what a tick shows into the outbox: for each destination, whom it concerns."""

from __future__ import annotations

from collections.abc import Iterator

from pyroaring import BitMap

from matrix_presence.cache import interest
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.cache.untold import Pair
from matrix_presence.federation.activity import HeldActivity
from matrix_presence.federation.destinations import Destinations
from matrix_presence.federation.polls import Polls
from matrix_presence.ticks import Tick

_NOBODY = BitMap()


class Intake:
    """The way into the outbox for what happens here."""

    def __init__(
        self,
        cache: PresenceCache,
        destinations: Destinations,
        activity: HeldActivity,
    ) -> None:
        self._cache = cache
        self._outbox = destinations.outbox
        self._pings = destinations.pings
        self._letters = destinations.letters
        self._admission = destinations.admission
        self._polls = Polls(cache)
        self._activity = activity

    def put(self, tick: Tick, now: int) -> Iterator[None]:
        """Put a tick into the outbox, a pair at a time."""
        cache = self._cache
        for gone, viewers in tick.farewells:
            servers = cache.servers.of(viewers, cache.users.ids)
            self._tell(servers, BitMap([gone]))
        self._activity.told(tick.urgent)
        self._pings.rounds.told(tick.urgent - cache.servers.users, now)
        for destinations, users in interest.changed(cache, tick.urgent):
            self._tell(destinations, users)
            yield
        self._activity.hold(tick.casual - cache.servers.users, now)
        for destinations, users, came_in in interest.introduced(cache, tick.joins, now):
            self._tell(destinations, users)
            for destination in self._open(destinations):
                if came_in:
                    self._introduce(destination, users, now)
                self._pings.reached(destination, now)
            yield
        for pair in tick.listed:
            self._put_letter(pair, now)
            yield
        if cache.lists.used:
            for pair in self._polls.due(tick.urgent):
                self._put_poll(pair)
                yield

    def put_activity(self, now: int, most: int) -> bool:
        """Put in whose activity has changed and stayed so; whether there was anybody.

        Args:
            now: epoch ms.
            most: users looked at.
        """
        found = False
        for user, exposed in self._activity.due(now, most):
            users, found = BitMap([user]), True
            if exposed is None:
                self._activity.told(users)
                self._pings.rounds.told(users, now)
                for destinations, _ in interest.changed(self._cache, users):
                    self._tell(destinations, users, urgent=False)
            else:
                self._tell(exposed, users, urgent=False)
        return found

    def _introduce(self, destination: int, users: BitMap, now: int) -> None:
        """It is told of these; if there are others, its ping is still to come.

        Also the first one after a restart, for what it has missed by that.
        """
        others = interest.visible_to(self._cache, destination) - users
        if not interest.worth_telling(self._cache, others, now):
            self._pings.introduced(destination, now)

    def _open(self, destinations: BitMap) -> BitMap:
        closed = self._admission.closed
        return destinations - closed if closed else destinations

    def _tell(
        self, destinations: BitMap, users: BitMap, *, urgent: bool = True
    ) -> None:
        self._outbox.tell(self._open(destinations), users, urgent=urgent)

    def _put_letter(self, pair: Pair, now: int) -> None:
        destination = self._letters.destination_of(pair)
        if destination is None:
            return
        if destination in self._admission.refused:
            self._letters.drop(destination)
            return
        self._polls.polled(pair)
        observed = pair[1]
        news = _NOBODY
        is_ours = bool(self._cache.users.is_local[observed])
        if pair in self._cache.lists.accepted and is_ours:
            if destination not in self._admission.closed:
                # A new observer is told at once (C-24), and pinged from now on.
                news = BitMap([observed])
                self._introduce(destination, news, now)
                self._pings.reached(destination, now)
        self._outbox.tell(BitMap([destination]), news)

    def _put_poll(self, pair: Pair) -> None:
        destination = self._letters.destination_of(pair)
        if destination is not None and destination not in self._admission.closed:
            self._letters.put(destination, pair)
            self._outbox.tell(BitMap([destination]), _NOBODY)
