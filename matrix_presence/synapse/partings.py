"""Users who share no room any more are out of sight, and are told so a last time.

Synapse leaves everybody with what they saw last. Here both sides are shown the other as
offline once, and servers that no longer may know of a user are told the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from pyroaring import BitMap

from matrix_presence.cache.interest import servers_of, visible_to
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.handler import PresenceHandler
from matrix_presence.ids import server_of

#: Given who is gone out of whose sight: both are told.
Part = Callable[[BitMap, BitMap], None]
#: Given user ids and destinations: these are told that those are offline.
Tell = Callable[[Sequence[str], list[str]], None]


class PartingLog:
    """Who went out of whose sight, as far back as it is kept.

    Args:
        keep: partings; who was away for more of them keeps what they saw last.
    """

    def __init__(self, keep: int = 1000) -> None:
        #: Position, who is gone, from whose sight. The oldest first.
        self._entries: deque[tuple[int, BitMap, BitMap]] = deque(maxlen=keep)
        #: The position of the newest.
        self.last = 0

    def append(self, position: int, gone: BitMap, viewers: BitMap) -> None:
        """These are gone from the sight of those, at the highest position so far."""
        self._entries.append((position, gone, viewers))
        self.last = position

    def since(self, position: int, viewer: int) -> BitMap:
        """Who is gone from the sight of the viewer, who may see them again by now."""
        found = BitMap()
        if self.last <= position:
            return found
        for parted_at, gone, viewers in reversed(self._entries):
            if parted_at <= position:
                break
            if viewer in viewers:
                found |= gone
        return found


class Partings:
    """Finds out whom a leave takes out of whose sight.

    Args:
        part: shows it to clients.
        tell: tells other servers.
    """

    def __init__(
        self, cache: PresenceCache, handler: PresenceHandler, part: Part, tell: Tell
    ) -> None:
        self._cache = cache
        self._handler = handler
        self._part = part
        self._tell = tell

    def left(self, room_id: str, user_id: str) -> None:
        """A user is joined to a room no more."""
        cache = self._cache
        room = cache.rooms.index.get(room_id)
        user = cache.users.find(user_id)
        was_seen = (
            room is not None and user is not None and not cache.rooms.is_silent(room)
        )
        self._handler.left(room_id, user_id)
        if was_seen and room is not None and user is not None:
            apart = cache.rooms.members_of((room,)) - cache.rooms.seen_by(user)
            if apart:
                self._part_here(user, apart)
            if cache.servers:
                self._part_elsewhere(user, user_id, room)

    def _part_here(self, user: int, apart: BitMap) -> None:
        cache, accepted = self._cache, self._cache.lists.accepted
        if user in cache.present:
            viewers = apart - accepted.by(user) - cache.servers.users
            if viewers:
                self._part(BitMap([user]), viewers)
        if cache.users.is_local[user]:
            gone = (apart - accepted.of(user)) & cache.present
            if gone:
                self._part(gone, BitMap([user]))

    def _part_elsewhere(self, user: int, user_id: str, room: int) -> None:
        cache = self._cache
        if cache.users.is_local[user]:
            if user in cache.present:
                left = cache.servers.in_room(room) - servers_of(cache, (user,))
                if left:
                    # A large room may be the last one shared with thousands.
                    self._tell([user_id], [cache.servers.names[one] for one in left])
            return
        name = server_of(user_id)
        server = cache.servers.find(name)
        if server is None or server in cache.servers.in_room(room):
            return
        members = cache.rooms.members_of((room,)) - cache.servers.users
        gone = (members & cache.present) - visible_to(cache, server)
        if gone:
            self._tell([cache.users.ids[one] for one in gone], [name])
