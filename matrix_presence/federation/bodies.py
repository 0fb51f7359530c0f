"""What a transaction says: the state of users at the moment it is composed.

Many destinations are told of the same users within a moment. They get the same object,
composed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyroaring import BitMap

from matrix_presence.cache.interest import servers_of, visible_to
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import PresenceConfig
from matrix_presence.rules.profiles import NO_PROFILE
from matrix_presence.wire.edu import Edus, entry, packed

#: How long what was composed may be sent to others too, ms. By so much the times in it
#: are off, and not by a change that anybody can see.
_GOOD_FOR = 1000
#: Sets of at most so many users are looked at user by user.
_FEW = 16

_NOBODY = BitMap()


class Bodies:
    """Composes, and remembers for a moment what it has composed."""

    def __init__(self, cache: PresenceCache, config: PresenceConfig) -> None:
        self._cache = cache
        self._with_profile = config.federate_profile_keys
        self._busy = config.busy
        #: By the id of the set, which is kept along so that it stays the only one.
        self._composed: dict[int, tuple[BitMap, Edus, BitMap]] = {}
        #: The same for old servers, which know one more state (X-9).
        self._composed_for_old: dict[int, tuple[BitMap, Edus, BitMap]] = {}
        self._composed_ts = 0
        self._composed_at = -1
        #: By the id of a set: the destinations that may be told of all of it.
        self._open_to: dict[int, tuple[BitMap, BitMap]] = {}

    def begin(self, now: int) -> None:
        """A new turn at `now` (epoch ms): who is in which room may have changed."""
        self._open_to.clear()
        position = self._cache.position
        if position != self._composed_at or now - self._composed_ts >= _GOOD_FOR:
            self._composed.clear()
            self._composed_for_old.clear()
            self._composed_at, self._composed_ts = position, now

    def of(self, destination: int, users: BitMap, now: int) -> tuple[Edus, BitMap]:
        """What to tell this destination of these users, and who did not fit.

        Only of those whom it may know of now: they shared a room when they changed.
        """
        users = self._allowed(destination, users)
        is_old = destination in self._cache.servers.old
        composed = self._composed_for_old if is_old else self._composed
        known = composed.get(id(users))
        if known is None:
            edus, pushed = packed(self._entries(users, now, is_old))
            left = users[pushed:] if pushed < len(users) else _NOBODY
            known = composed[id(users)] = users, edus, left
        return known[1], known[2]

    def _allowed(self, destination: int, users: BitMap) -> BitMap:
        """The same object if all of them are."""
        cache = self._cache
        if len(users) <= _FEW:
            known = self._open_to.get(id(users))
            if known is None:
                open_to = servers_of(cache, users[:1])
                for user in users[1:]:
                    open_to &= servers_of(cache, (user,))
                known = self._open_to[id(users)] = users, open_to
            if destination in known[1]:
                return users
        # Of accounts that are no more the last word goes out, wherever they were.
        allowed = users & (visible_to(cache, destination) | cache.gone)
        return users if len(allowed) == len(users) else allowed

    def _entries(
        self, users: BitMap, now: int, is_old: bool
    ) -> Iterator[dict[str, Any]]:
        columns = self._cache.users
        profiles = columns.profiles if self._with_profile else {}
        for user in users:
            presence = columns.presence(user)
            # Of somebody who hides, what others knew before: it tells no more than
            # that they are offline (B-47).
            if columns.is_hidden(user):
                active_ts = columns.shown_active_ts[user]
            else:
                active_ts = columns.last_active_ts[user]
            yield entry(
                columns.ids[user],
                presence,
                columns.status_msg[user],
                now - active_ts,
                # Not worked out anew: what was announced holds until the end of it
                # is announced (B-31).
                columns.is_shown_active(user),
                profiles.get(user, NO_PROFILE),
                busy=self._busy,
                free_for_chat=is_old,
            )
