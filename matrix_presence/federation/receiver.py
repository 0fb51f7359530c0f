"""Takes what other servers tell of their users.

Whoever calls has found out who the origin is. Whatever an origin sends: nothing raises
here, nothing is applied to users of anybody else, and an origin that tells more than
its share is heard no further (C-3, C-4). Rules of room access do not play in: presence
belongs to no room (C-13).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from matrix_presence.cache.limits import Buckets
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import PresenceConfig
from matrix_presence.federation.early import Early
from matrix_presence.federation.list_receiver import ListReceiver
from matrix_presence.handler import PresenceHandler
from matrix_presence.rules.states import BUSY, UNAVAILABLE
from matrix_presence.wire.edu import entries_of, parse_entry

logger = logging.getLogger(__name__)

#: ms by which an EDU may be older than one before it and be taken for overtaken. By
#: more, the clock of the origin has been set back.
_OVERTAKEN = 600_000
#: How many limits all servers share of whose users none is known.
_STRANGERS = 1024


class Receiver:
    """Everything that comes in."""

    def __init__(
        self, cache: PresenceCache, config: PresenceConfig, handler: PresenceHandler
    ) -> None:
        self._cache = cache
        self._handler = handler
        #: Takes what is about presence lists; None where there are none.
        self.lists: ListReceiver | None = None
        if handler.lists is not None:
            self.lists = ListReceiver(cache, config, handler.lists, handler.now)
        self._enabled = bool(config.enabled)
        #: Whether anything is taken, and of whom.
        self.is_open = config.federation_incoming
        self.admits: Callable[[str], bool] = lambda name: True
        self._busy = config.busy
        limit = config.rc_presence.per_origin
        self._limit = Buckets(limit.per_second, limit.burst_count)
        #: By origin: when its newest transaction was sent, by its own clock.
        self._newest_ts: dict[int, int] = {}
        #: What was said of users whom nobody here may see yet.
        self._early = Early(config.federation_timeout)
        handler.met = self._met
        #: Entries that were applied, and that were not, since the start.
        self.applied = 0
        self.dropped = 0

    @property
    def wants_presence(self) -> bool:
        """Whether presence of other servers is of any use here (MSC4373)."""
        return self._enabled and self.is_open

    def edu_received(
        self, origin: str, edu: object, sent_ts: int | None = None
    ) -> None:
        """An EDU of a transaction of this origin.

        Others than those of presence and of presence lists are ignored.

        Args:
            sent_ts: the transaction's `origin_server_ts`. What was overtaken on its
                way by something newer is not applied.
        """
        if not (self.wants_presence and self.admits(origin)):
            return
        if self.lists is not None:
            self.lists.edu_received(origin, edu)
        entries = entries_of(edu)
        if not entries:
            return
        server = self._cache.servers.find(origin)
        if server is None:
            # Anybody may come with any name.
            server = -1 - hash(origin) % _STRANGERS
        elif type(sent_ts) is int and self._is_overtaken(server, sent_ts):
            self.dropped += len(entries)
            return
        now = self._handler.now()
        # Counted before anything is read: a flood costs next to nothing.
        most = self._limit.take_most(server, now, len(entries))
        applied = sum(self._is_taken(said, origin, now) for said in entries[:most])
        self.applied += applied
        self.dropped += len(entries) - applied

    def _is_overtaken(self, server: int, sent_ts: int) -> bool:
        newest = self._newest_ts.get(server, 0)
        if newest - _OVERTAKEN < sent_ts < newest:
            return True
        self._newest_ts[server] = sent_ts
        return False

    def _is_taken(self, said: object, origin: str, now: int) -> bool:
        """Apply one entry, if it is one that counts."""
        try:
            update = parse_entry(said, origin)
            if update is None:
                return False
            if update.presence == BUSY and not self._busy:
                update = update._replace(presence=UNAVAILABLE)
            if not self._is_of_interest(update.user_id):
                self._early.keep(update, now)
                return False
            self._early.forget(update.user_id)
            self._handler.told(update)
        except Exception:  # Presence never fails a transaction (C-4).
            logger.exception("An entry of presence could not be taken")
            return False
        return True

    def _met(self, user_id: str) -> None:
        """A user of another server has joined a room."""
        # First of all, because thousands may have joined.
        if user_id not in self._early:
            return
        if self.wants_presence and self._is_of_interest(user_id):
            heard = self._early.take(user_id, self._handler.now())
            if heard is not None:
                self.applied += 1
                self._handler.told(heard.update, heard.heard_ts)

    def _is_of_interest(self, user_id: str) -> bool:
        """Whether anybody here may see this user.

        One of us shares a room (C-2), or has the user on a presence list (C-24).
        """
        cache = self._cache
        user = cache.users.find(user_id)
        if user is None or cache.users.is_local[user]:
            return False
        return bool(
            cache.rooms.carrying((user,)) or user in cache.lists.accepted.observed
        )
