"""PresenceLists: every change of a presence list comes in here.

What an invite leads to is decided in `rules.lists`. What changed is put into the cache,
written to the store, and shown with the next tick, which also takes it to the servers
of users elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from twisted.internet.defer import Deferred

from matrix_presence.cache.lists import ListNews
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import PresenceConfig
from matrix_presence.errors import ResourceLimit
from matrix_presence.ids import server_of
from matrix_presence.interfaces import ListRow
from matrix_presence.persistence import Persistence
from matrix_presence.rules.lists import Entry, Reply, reply_to_invite
from matrix_presence.ticks import Ticks
from matrix_presence.wire.lists import ListUpdate

#: Entries that were taken from a list lately, of users elsewhere (C-27).
_DROPPED_KEPT = 1000


class PresenceLists:
    """The lists of this server's users, and who of elsewhere observes them.

    Args:
        exists: whether an account of this name exists here.
    """

    def __init__(
        self,
        cache: PresenceCache,
        config: PresenceConfig,
        ticks: Ticks,
        persistence: Persistence,
        exists: Callable[[str], bool],
    ) -> None:
        self._cache = cache
        self._lists = cache.lists
        self._config = config
        self._ticks = ticks
        self._persistence = persistence
        self._exists = exists
        self._dropped: OrderedDict[tuple[int, int], None] = OrderedDict()

    @property
    def enabled(self) -> bool:
        """Whether there are lists at all."""
        return self._config.presence_lists and bool(self._config.enabled)

    # What clients do.

    def update(self, user_id: str, changes: ListUpdate) -> Deferred[None]:
        """All of this, or none of it; fires when it is on disk (A-66).

        Raises:
            ResourceLimit: the list would be too long (A-67).

        Fails with:
            NotStored: the store could not write it.
        """
        intern = self._cache.users.intern
        user = intern(user_id)
        before = {self._cache.users.ids[one] for one in self._lists.observed_by(user)}
        after = before.union(changes.invite).difference(changes.drop)
        most = self._config.presence_list_max_entries
        if len(after) > most and len(after) > len(before):
            raise ResourceLimit(f"A presence list must not exceed {most} entries")
        for observed_id in changes.invite:
            self._invite(user, intern(observed_id))
        # Of whom nothing is known there is no entry either.
        find = self._cache.users.find
        for observed_id in changes.drop:
            if (observed := find(observed_id)) is not None:
                self._drop(user, observed)
        for observer_id in changes.accept:
            if (observer := find(observer_id)) is not None:
                self.accepted(observer, user)
        for observer_id in changes.deny:
            if (observer := find(observer_id)) is not None:
                self.denied(observer, user)
        return self._persistence.durable(user)

    def _invite(self, observer: int, observed: int) -> None:
        users, entry = self._cache.users, self._lists.entry(observer, observed)
        if observer == observed:
            self._put(observer, observed, Entry.ACCEPTED, ListNews.NONE)
        elif users.is_local[observed]:
            self._invited(observer, observed)
        elif entry is Entry.ACCEPTED:
            # Perhaps their server has forgotten; a poll reminds it.
            self._ticks.listed(observer, observed, ListNews.NONE)
        else:
            self._cache.servers.meet(observed, users.ids[observed])
            self._put(observer, observed, Entry.PENDING, ListNews.NONE)

    def _drop(self, observer: int, observed: int) -> None:
        if self._lists.entry(observer, observed) is not Entry.NONE:
            self._put(observer, observed, Entry.NONE, ListNews.NONE)
            if not self._cache.users.is_local[observed]:
                self._dropped[observer, observed] = None
                if len(self._dropped) > _DROPPED_KEPT:
                    self._dropped.popitem(last=False)

    # What either side, here or elsewhere, says.

    def invited_from_elsewhere(self, observer_id: str, observed_id: str) -> None:
        """A user of another server wants to observe one of ours (C-24)."""
        users = self._cache.users
        observer, observed = users.intern(observer_id), users.intern(observed_id)
        self._cache.servers.meet(observer, observer_id)
        self._invited(observer, observed)

    def _invited(self, observer: int, observed: int) -> None:
        """A user of ours is invited."""
        cache, lists = self._cache, self._lists
        is_local = cache.users.is_local[observer]
        entry = lists.entry(observer, observed)
        waiting = len(lists.pending.by(observed))
        reply = reply_to_invite(
            entry,
            self._config.presence_list_policy,
            exists=self._exists(cache.users.ids[observed]),
            is_ignored=observer in cache.ignored_by(observed),
            is_observed_back=(observed, observer) in lists.accepted,
            share_a_room=cache.rooms.share(observer, observed),
            has_room_for_more=waiting < self._config.presence_list_max_pending,
        )
        if reply is Reply.ACCEPT:
            news = ListNews.NONE if entry is Entry.ACCEPTED else ListNews.SIGHT
            self._put(observer, observed, Entry.ACCEPTED, news)
        elif reply is Reply.ASK:
            self._put(observer, observed, Entry.PENDING, ListNews.INVITE)
        elif is_local and waiting < self._config.presence_list_max_pending:
            # For the observer it waits, like any other: whether the user exists or
            # ignores them cannot be told by it.
            self._put(observer, observed, Entry.PENDING, ListNews.NONE)
        elif reply is Reply.DENY:
            self._ticks.listed(observer, observed, ListNews.NONE)

    def accepted(self, observer: int, observed: int) -> None:
        """The observed user agrees; nothing comes of it where nobody had asked."""
        match self._lists.entry(observer, observed):
            case Entry.PENDING:
                self._put(observer, observed, Entry.ACCEPTED, ListNews.SIGHT)
            case Entry.NONE if (observer, observed) in self._dropped:
                self._ticks.listed(observer, observed, ListNews.NONE)

    def denied(self, observer: int, observed: int) -> None:
        """The observed user does not agree, or no longer (A-71, C-28)."""
        if self._lists.entry(observer, observed) is not Entry.NONE:
            self._put(observer, observed, Entry.NONE, ListNews.FAREWELL)

    def unpolled(self, origin: str, observed: int) -> None:
        """Nobody of another server observes this user of ours any more (C-20)."""
        users = self._cache.users
        for observer in self._lists.observers_of(observed):
            if server_of(users.ids[observer]) == origin:
                self._lists.put(observer, observed, Entry.NONE)
                self._persistence.list_changed(observer, observed)

    def deactivated(self, user: int) -> None:
        """An account is no more: it is on no list and has none (D-40)."""
        for observed in self._lists.observed_by(user):
            self._put(user, observed, Entry.NONE, ListNews.NONE)
        for observer in self._lists.observers_of(user):
            self._put(observer, user, Entry.NONE, ListNews.NONE)

    # How it ends up in the cache.

    def restore(self, row: ListRow) -> None:
        """An entry as it was before this process began; nobody is told."""
        users = self._cache.users
        for user_id in (row.observer, row.observed):
            user = users.intern(user_id)
            if not users.is_local[user]:
                self._cache.servers.meet(user, user_id)
        entry = Entry.ACCEPTED if row.accepted else Entry.PENDING
        self._lists.put(users.index[row.observer], users.index[row.observed], entry)

    def _put(self, observer: int, observed: int, entry: Entry, news: ListNews) -> None:
        if self._lists.entry(observer, observed) is not entry:
            self._lists.put(observer, observed, entry)
            self._persistence.list_changed(observer, observed)
        self._ticks.listed(observer, observed, news)
