"""Which users of other servers are polled because somebody here has come online.

The servers of old kept what they were polled for in memory alone, and polled when the
first who observes a user came online (C-23). So do we: it brings the present state, and
a server that has forgotten us remembers. Nothing is unpolled when the last one goes
offline: that would tell other servers who is there, and who hides still wants to see.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyroaring import BitMap

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.cache.untold import Pair


class Polls:
    """Remembers for whom somebody here is online."""

    def __init__(self, cache: PresenceCache) -> None:
        self._cache = cache
        #: Users of other servers with an observer here who is online.
        self._watched = BitMap()

    def polled(self, pair: Pair) -> None:
        """This entry is polled for another reason."""
        observer, observed = pair
        if observer in self._cache.present:
            self._watched.add(observed)

    def due(self, changed: BitMap) -> Iterator[Pair]:
        """An entry for each user who is to be polled, after these of ours changed."""
        cache, accepted = self._cache, self._cache.lists.accepted
        for observer in (changed & accepted.observers) - cache.servers.users:
            is_present = observer in cache.present
            for observed in accepted.of(observer) & cache.servers.users:
                if not is_present:
                    if not accepted.by(observed).intersect(cache.present):
                        self._watched.discard(observed)
                elif observed not in self._watched:
                    self._watched.add(observed)
                    yield observer, observed
