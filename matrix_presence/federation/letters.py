"""What other servers have to be told about presence lists.

Like all that goes out, it is a set of who it is about and not a queue of messages: what
a letter says is read from the entry when it is written. An invite that nobody answers
is sent again, seldom and ever more seldom (C-29).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from pyroaring import BitMap

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.ids import server_of
from matrix_presence.rules.lists import Entry
from matrix_presence.wire.lists import (
    ACCEPT,
    DENY,
    INVITE,
    list_edu,
    poll_edu,
)

Pair = tuple[int, int]

#: Pairs in one transaction: it has room for the pushes too, and a poll for all.
_MOST = 40
#: Pairs of a destination that survive a restart.
_MOST_KEPT = 1000
#: ms until an invite is sent again, at first and at last.
_FIRST, _LAST = 3_600_000, 7 * 24 * 3_600_000


class Letters:
    """By destination: the entries it has yet to be told of, and when again."""

    def __init__(self, cache: PresenceCache) -> None:
        self._cache = cache
        #: In the order in which they came.
        self._pending: dict[int, dict[Pair, None]] = {}
        #: By destination with unanswered invites: when they are sent again (epoch ms),
        #: and how long after the time before that is (ms).
        self._retries: dict[int, tuple[int, int]] = {}
        #: The soonest of these; when others are due does not matter until then.
        self._next_ts = 0
        #: Destinations that are being sent their unanswered invites again.
        self._repeating = BitMap()

    def __bool__(self) -> bool:
        return bool(self._pending)

    def destination_of(self, pair: Pair) -> int | None:
        """The server that has to be told of this entry; None for ours alone."""
        users = self._cache.users
        elsewhere = [user for user in pair if not users.is_local[user]]
        if not elsewhere:
            return None
        return self._cache.servers.find(server_of(users.ids[elsewhere[0]]))

    def put(self, pair: Pair) -> int | None:
        """The same, and it is told of it with the next transaction."""
        destination = self.destination_of(pair)
        if destination is not None:
            self._pending.setdefault(destination, {})[pair] = None
        return destination

    def of(self, destination: int) -> list[Pair]:
        """The entries that the next transaction to this destination is about."""
        return list(self._pending.get(destination, ()))[:_MOST]

    def kept(self, destination: int) -> tuple[tuple[str, str], ...]:
        """The entries it has yet to be told of, as user ids; the oldest of them."""
        ids, pending = self._cache.users.ids, self._pending.get(destination, ())
        some = islice(pending, _MOST_KEPT)
        return tuple((ids[observer], ids[observed]) for observer, observed in some)

    def restore(self, pairs: Iterable[tuple[str, str]]) -> None:
        """What a former life had yet to tell, as user ids."""
        users = self._cache.users
        for user_ids in pairs:
            observer, observed = map(users.intern, user_ids)
            for user, user_id in zip((observer, observed), user_ids, strict=True):
                if not users.is_local[user]:
                    self._cache.servers.meet(user, user_id)
            self.put((observer, observed))

    def written(self, pairs: list[Pair]) -> list[dict[str, Any]]:
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
                    reply = ACCEPT if entry is Entry.ACCEPTED else DENY
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

    def arrived(self, destination: int, pairs: list[Pair], now: int) -> bool:
        """It has been told of these; whether there is more to tell."""
        pending = self._pending.get(destination, {})
        for pair in pairs:
            pending.pop(pair, None)
        if any(self._is_unanswered(pair) for pair in pairs):
            wait = _FIRST
            if destination in self._repeating:
                self._repeating.discard(destination)
                wait = min(2 * self._retries[destination][1], _LAST)
            self._plan(destination, now, wait)
        if not pending:
            self._pending.pop(destination, None)
        return bool(pending)

    def drop(self, destination: int) -> None:
        """It is told of nothing that was for it until now."""
        self._pending.pop(destination, None)

    def _is_unanswered(self, pair: Pair) -> bool:
        is_elsewhere = not self._cache.users.is_local[pair[1]]
        return is_elsewhere and pair in self._cache.lists.pending

    def _plan(self, destination: int, now: int, wait: int) -> None:
        self._retries[destination] = now + wait, wait
        self._next_ts = min(self._next_ts or now + wait, now + wait)

    def restored(self, now: int) -> None:
        """Send the invites of a former life again when the first wait is over."""
        for pair in self._cache.lists.pending:
            if self._is_unanswered(pair):
                server = server_of(self._cache.users.ids[pair[1]])
                destination = self._cache.servers.find(server)
                if destination is not None:
                    self._plan(destination, now, _FIRST)

    def due(self, now: int) -> BitMap:
        """The destinations to whom invites are sent again now (epoch ms)."""
        again = BitMap()
        if not self._retries or now < self._next_ts:
            return again
        for destination, (when, wait) in list(self._retries.items()):
            if when > now:
                continue
            if not self._put_unanswered(destination):
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

    def _put_unanswered(self, destination: int) -> bool:
        lists, found = self._cache.lists, False
        residents = self._cache.servers.residents(destination)
        for observed in residents & lists.pending.observed:
            for observer in lists.pending.by(observed):
                found = True
                self.put((observer, observed))
        return found
