"""What other servers have to be told about presence lists, in words.

Which entries that are is in `cache.untold`; what a letter says is read from the entry
when it is written. An invite that nobody answers is sent again, seldom and ever more
seldom (C-29). What waits survives a restart with the entries themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyroaring import BitMap

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.cache.untold import Pair
from matrix_presence.ids import server_of
from matrix_presence.rules.lists import Entry
from matrix_presence.wire.lists import (
    ACCEPT,
    DENY,
    INVITE,
    list_edu,
    poll_edu,
)

#: Entries in one transaction, and by what numbers `Untold` knows them.
Numbered = Mapping[Pair, int]

#: Pairs in one transaction: it has room for the pushes too, and a poll for all.
_MOST = 40
#: ms until an invite is sent again, at first and at last.
_FIRST, _LAST = 3_600_000, 7 * 24 * 3_600_000


class Letters:
    """Writes what is untold, and sees to it that invites are repeated."""

    def __init__(self, cache: PresenceCache) -> None:
        self._cache = cache
        self._untold = cache.lists.untold
        #: By destination with unanswered invites: when they are sent again (epoch ms),
        #: and how long after the time before that is (ms).
        self._retries: dict[int, tuple[int, int]] = {}
        #: The soonest of these; when others are due does not matter until then.
        self._next_ts = 0
        #: Destinations that are being sent their unanswered invites again.
        self._repeating = BitMap()

    def destination_of(self, pair: Pair) -> int | None:
        """Whom an entry is told to; None for one of ours alone."""
        users = self._cache.users
        for user in pair:
            if not users.is_local[user]:
                return self._cache.servers.find(server_of(users.ids[user]))
        return None

    def of(self, destination: int) -> Numbered:
        """The entries that the next transaction to this destination is about."""
        return self._untold.of(destination, _MOST)

    def put(self, destination: int, pair: Pair) -> None:
        """This destination is told of this entry, though it has not changed."""
        self._untold.add(destination, pair)

    def put_unanswered(self, destination: int) -> bool:
        """It is sent again what it has not answered; whether there is anything."""
        lists, found = self._cache.lists, False
        residents = self._cache.servers.residents(destination)
        for observed in residents & lists.pending.observed:
            for observer in lists.pending.by(observed):
                found = True
                # Nothing else is given up for what is sent again anyhow.
                if self._untold.has_room(destination):
                    self._untold.add(destination, (observer, observed))
        return found

    def drop(self, destination: int) -> None:
        """It is told of nothing that was for it until now, and not again either."""
        self._repeating.discard(destination)
        self._retries.pop(destination, None)
        while pairs := self._untold.of(destination, _MOST):
            self._untold.told(destination, pairs)

    def written(self, pairs: Iterable[Pair]) -> list[dict[str, Any]]:
        """The EDUs about these entries as they are now."""
        edus: list[dict[str, Any]] = []
        polled: dict[str, None] = {}
        unpolled: dict[str, None] = {}
        lists, users = self._cache.lists, self._cache.users
        for observer, observed in pairs:
            observer_id, observed_id = users.ids[observer], users.ids[observed]
            entry = lists.entry(observer, observed)
            if users.is_local[observed]:
                # A pending entry says nothing: its user has not answered.
                if entry is not Entry.PENDING:
                    reply = DENY if entry is Entry.NONE else ACCEPT
                    edus.append(list_edu(reply, observer_id, observed_id))
            elif entry is Entry.PENDING:
                edus.append(list_edu(INVITE, observer_id, observed_id))
            elif entry is Entry.ACCEPTED:
                polled[observed_id] = None
            elif not self._has_observer_here(observed):
                unpolled[observed_id] = None
        if polled:
            edus.append(poll_edu("poll", polled))
        if unpolled:
            edus.append(poll_edu("unpoll", unpolled))
        return edus

    def _has_observer_here(self, observed: int) -> bool:
        observers = self._cache.lists.observers_of(observed)
        return bool(observers - self._cache.servers.users)

    def arrived(self, destination: int, pairs: Numbered, now: int) -> bool:
        """It has been told of these; whether there is more to tell."""
        self._untold.told(destination, pairs)
        if any(self._is_unanswered(pair) for pair in pairs):
            wait = _FIRST
            if destination in self._repeating:
                self._repeating.discard(destination)
                wait = min(2 * self._retries[destination][1], _LAST)
            self._plan(destination, now, wait)
        return bool(self._untold.of(destination, 1))

    def _is_unanswered(self, pair: Pair) -> bool:
        is_elsewhere = not self._cache.users.is_local[pair[1]]
        return is_elsewhere and pair in self._cache.lists.pending

    def _plan(self, destination: int, now: int, wait: int) -> None:
        self._retries[destination] = now + wait, wait
        self._next_ts = min(self._next_ts or now + wait, now + wait)

    def restored(self, now: int) -> BitMap:
        """The destinations that have yet to be told something by a former life.

        Invites that it had told go again when the first wait is over.
        """
        for pair in self._cache.lists.pending:
            destination = self.destination_of(pair)
            if destination is not None and self._is_unanswered(pair):
                self._plan(destination, now, _FIRST)
        return self._untold.destinations

    def due(self, now: int) -> BitMap:
        """The destinations to whom invites are sent again now (epoch ms)."""
        again = BitMap()
        if not self._retries or now < self._next_ts:
            return again
        for destination, (when, wait) in list(self._retries.items()):
            if when > now:
                continue
            if not self.put_unanswered(destination):
                # All of them are answered.
                self._repeating.discard(destination)
                del self._retries[destination]
                continue
            again.add(destination)
            # Planned anew when it has arrived; that may take as long as it likes.
            self._repeating.add(destination)
            self._retries[destination] = now + _LAST, wait
        self._next_ts = min((when for when, _ in self._retries.values()), default=0)
        return again
