"""PresenceLists: every change of a presence list comes in here.

What an invite leads to is decided in `rules.lists`. What changed is put into the cache,
written to the store, and shown with the next tick, which also takes it to the servers
of users elsewhere.

Nobody can find out by a list who exists (A-67). An invite to somebody who does not is
kept like one that waits for an answer, and both are denied when they have waited for
`presence_list_invite_lifetime`: so the entry is removed, as the first servers did at
once, and other servers are sent the `m.presence_deny` that they are owed (C-25), both
at a time that says nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice

from pyroaring import BitMap
from twisted.internet.defer import Deferred

from matrix_presence.cache.limits import Buckets
from matrix_presence.cache.lists import ListNews
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import PresenceConfig
from matrix_presence.errors import LimitExceeded, ResourceLimit
from matrix_presence.ids import server_of
from matrix_presence.interfaces import ListRow
from matrix_presence.persistence import Persistence
from matrix_presence.rules.lists import Entry, Reply, reply_to_invite
from matrix_presence.ticks import Ticks
from matrix_presence.wire.lists import ListUpdate

#: Entries that were taken from a list lately, of users elsewhere (C-27).
_DROPPED_KEPT = 1000
#: Invites that are denied in one go because nobody has answered.
_EXPIRED_AT_ONCE = 100
#: Servers that are remembered as old: who has many names must not fill the store.
_MOST_OLD = 10_000


class PresenceLists:
    """The lists of this server's users, and who of elsewhere observes them.

    Args:
        exists: whether an account of this name exists here.
        now: the time, epoch ms.
        tells_others: other servers are told of what concerns their users.
    """

    def __init__(
        self,
        cache: PresenceCache,
        config: PresenceConfig,
        ticks: Ticks,
        persistence: Persistence,
        exists: Callable[[str], bool],
        now: Callable[[], int],
        *,
        tells_others: bool,
    ) -> None:
        self._cache = cache
        self._lists = cache.lists
        self._config = config
        self._ticks = ticks
        self._persistence = persistence
        self._exists = exists
        self._now = now
        self._tells_others = tells_others
        limit = config.rc_presence.per_list
        self._limit = Buckets(limit.per_second, limit.burst_count)
        cache.lists.untold.when_told = lambda pair: persistence.list_changed(*pair)
        for server_name in config.presence_list_servers:
            cache.servers.old.add(cache.servers.intern(server_name))
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
            LimitExceeded: too many changes at once.

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
        wait = self._limit.take(user, self._now(), max(1, sum(map(len, changes))))
        if wait:
            raise LimitExceeded(wait)
        for observed_id in changes.invite:
            self._invite(user, intern(observed_id))
        # Of whom nothing is known there is no entry either.
        find = self._cache.users.find
        for observed_id in changes.drop:
            if (observed := find(observed_id)) is not None:
                self._drop(user, observed)
        for observer_id in changes.accept:
            if (observer := find(observer_id)) is not None:
                self._accept(observer, user)
        for observer_id in changes.deny:
            if (observer := find(observer_id)) is not None:
                self._deny(observer, user)
        return self._persistence.durable(user)

    def _invite(self, observer: int, observed: int) -> None:
        users, entry = self._cache.users, self._lists.entry(observer, observed)
        if observer == observed:
            self._put(observer, observed, Entry.ACCEPTED, ListNews.NONE)
        elif users.is_local[observed]:
            self._invited(observer, observed)
        elif entry is Entry.ACCEPTED:
            # Perhaps their server has forgotten; a poll reminds it.
            self._tell(observer, observed, ListNews.NONE)
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
        self._persistence.write_lists()

    def _invited(self, observer: int, observed: int) -> None:
        """A user of ours is invited."""
        cache, lists = self._cache, self._lists
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
            news = ListNews.NONE if entry >= Entry.ACCEPTED else ListNews.SIGHT
            self._put(observer, observed, Entry.ACCEPTED, news)
        elif reply is Reply.ASK:
            self._ask(observer, observed, ListNews.INVITE)
        elif reply is Reply.KEEP_QUIET:
            self._ask(observer, observed, ListNews.NONE)

    def _ask(self, observer: int, observed: int, news: ListNews) -> None:
        self._lists.asked.setdefault((observer, observed), self._now())
        self._put(observer, observed, Entry.PENDING, news)

    def expire(self, now: int) -> None:
        """Deny what nobody has answered for so long (C-25, C-30)."""
        since = now - self._config.presence_list_invite_lifetime
        expired: list[tuple[int, int]] = []
        for pair, asked_ts in islice(self._lists.asked.items(), _EXPIRED_AT_ONCE):
            if asked_ts > since:
                break
            expired.append(pair)
        for pair in expired:
            self._deny(*pair)
        if expired:
            self._persistence.write_lists()

    def accepted(self, observer: int, observed: int) -> None:
        """A user of another server agrees to be observed (C-24)."""
        self._accept(observer, observed)
        self._persistence.write_lists()

    def _accept(self, observer: int, observed: int) -> None:
        """The observed user agrees; nothing comes of it where nobody had asked."""
        match self._lists.entry(observer, observed):
            case Entry.PENDING:
                self._put(observer, observed, Entry.ACCEPTED, ListNews.SIGHT)
            case Entry.NONE if (observer, observed) in self._dropped:
                self._tell(observer, observed, ListNews.NONE)

    def denied(self, observer: int, observed: int) -> None:
        """A user of another server does not agree, or no longer (C-24, C-28)."""
        self._deny(observer, observed)
        self._persistence.write_lists()

    def _deny(self, observer: int, observed: int) -> None:
        """The observed user does not agree, or no longer (A-71, C-28)."""
        if self._lists.entry(observer, observed) is not Entry.NONE:
            self._put(observer, observed, Entry.NONE, ListNews.FAREWELL)

    def polled(self, origin: str, observed: int) -> None:
        """Another server wants to hear of this user of ours, as far as it may (C-20).

        Only who was accepted is (C-22).
        """
        for observer in self._of_origin(origin, self._lists.resting.by(observed)):
            self._change(observer, observed, Entry.ACCEPTED)
        self._persistence.write_lists()

    def unpolled(self, origin: str, observed: int) -> None:
        """Another server does not want to hear of this user of ours now (C-20).

        Servers of old say so when nobody there is online who observes the user, and
        poll again when somebody is (C-23). So who was accepted stays so.
        """
        for observer in self._of_origin(origin, self._lists.observers_of(observed)):
            is_pending = (observer, observed) in self._lists.pending
            entry = Entry.NONE if is_pending else Entry.RESTING
            self._change(observer, observed, entry)
        self._persistence.write_lists()

    def _of_origin(self, origin: str, users: BitMap) -> list[int]:
        ids = self._cache.users.ids
        return [user for user in users if server_of(ids[user]) == origin]

    def met_old(self, server_name: str) -> None:
        """This server has sent what only servers of the first releases send (X-9)."""
        servers = self._cache.servers
        server = servers.find(server_name)
        if server is not None and server not in servers.old:
            servers.old.add(server)
            if len(servers.old) <= _MOST_OLD:
                self._persistence.old_server(server_name)

    def deactivated(self, user: int) -> None:
        """An account is no more: it is on no list and has none (D-40)."""
        for observed in self._lists.observed_by(user):
            self._put(user, observed, Entry.NONE, ListNews.NONE)
        for observer in self._lists.observers_of(user):
            self._put(observer, user, Entry.NONE, ListNews.NONE)

    # How it ends up in the cache.

    def restore(self, row: ListRow) -> None:
        """An entry as it was before this process began.

        Nobody is told but those who had yet to be.
        """
        users = self._cache.users
        for user_id in (row.observer, row.observed):
            user = users.intern(user_id)
            if not users.is_local[user]:
                self._cache.servers.meet(user, user_id)
        observer, observed = users.index[row.observer], users.index[row.observed]
        lists = self._lists
        if row.accepted is not None:
            accepted = Entry.ACCEPTED if row.wanted else Entry.RESTING
            entry = accepted if row.accepted else Entry.PENDING
            lists.put(observer, observed, entry)
            if entry is Entry.PENDING and users.is_local[observed]:
                # Rows of before the time was kept begin to wait now.
                lists.asked[observer, observed] = row.asked_ts or self._now()
        destination = self._elsewhere(observer, observed)
        if row.untold and destination is not None and self._tells_others:
            lists.used = True
            lists.untold.add(destination, (observer, observed))

    def restored(self, old_servers: Iterable[str]) -> None:
        """All entries are there, and these servers are remembered as old."""
        in_order = sorted(self._lists.asked.items(), key=lambda asked: asked[1])
        self._lists.asked = OrderedDict(in_order)
        servers = self._cache.servers
        servers.old.update(map(servers.intern, old_servers))

    def _put(self, observer: int, observed: int, entry: Entry, news: ListNews) -> None:
        if self._lists.entry(observer, observed) is not entry:
            self._change(observer, observed, entry)
        self._tell(observer, observed, news)

    def _change(self, observer: int, observed: int, entry: Entry) -> None:
        self._lists.put(observer, observed, entry)
        self._persistence.list_changed(observer, observed)

    def _tell(self, observer: int, observed: int, news: ListNews) -> None:
        """Those here with the next tick; another server perhaps in another life."""
        destination = self._elsewhere(observer, observed)
        if destination is not None and self._tells_others:
            self._lists.untold.add(destination, (observer, observed))
            self._persistence.list_changed(observer, observed)
        self._ticks.listed(observer, observed, news)

    def _elsewhere(self, observer: int, observed: int) -> int | None:
        """The other server of the two; None if both are ours."""
        users = self._cache.users
        for user in (observer, observed):
            if not users.is_local[user]:
                return self._cache.servers.intern(server_of(users.ids[user]))
        return None
