"""Who is joined to which room, and who therefore sees whom.

Only joined members count: an invitation or a knock shows nothing (D-22). A room may
carry no presence, because it is excluded or has too many members (D-31); it then
counts for membership and for nothing else here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pyroaring import BitMap

from matrix_presence.cache.indexset import (
    EMPTY,
    IndexSet,
    added,
    as_bitmap,
    contains,
    packed,
    removed,
    size,
    union,
    unite,
)


class Rooms:
    """Memberships both ways, as sets of indices.

    Args:
        excluded: ids of rooms that carry no presence.
        max_members: rooms with more joined members carry none; 0 for no limit.
    """

    def __init__(self, excluded: Collection[str] = (), max_members: int = 0) -> None:
        self._excluded_ids = frozenset(excluded)
        self._max_members = max_members
        self._excluded = BitMap()
        self.index: dict[str, int] = {}
        #: By room: the users joined to it.
        self.members: list[IndexSet] = []
        #: By user: the rooms joined. As long as the highest user that joined any.
        self._joined: list[IndexSet] = []
        #: Rooms that carry no presence, for whichever reason.
        self._silent = BitMap()

    def __len__(self) -> int:
        return len(self.members)

    def intern(self, room_id: str) -> int:
        """The index of a room, known from here on."""
        room = self.index.get(room_id)
        if room is None:
            room = self.index[room_id] = len(self.members)
            self.members.append(EMPTY)
            if room_id in self._excluded_ids:
                self._excluded.add(room)
                self._silent.add(room)
        return room

    def restore(self, room_id: str, users: Iterable[int]) -> None:
        """Members that a room had before it was known; nobody joins by it."""
        room = self.intern(room_id)
        members = as_bitmap(self.members[room])
        more = BitMap(users) - members
        self.members[room] = packed(members | more)
        for user in more:
            self._enter(user, room)
        self._measure(room)

    def join(self, room: int, user: int) -> bool:
        """Whether the user was not joined before."""
        members = self.members[room]
        if contains(members, user):
            return False
        self.members[room] = added(members, user)
        self._enter(user, room)
        self._measure(room)
        return True

    def leave(self, room: int, user: int) -> bool:
        """Whether the user was joined."""
        members = self.members[room]
        if not contains(members, user):
            return False
        self.members[room] = removed(members, user)
        self._joined[user] = removed(self._joined[user], room)
        self._measure(room)
        return True

    def _enter(self, user: int, room: int) -> None:
        joined = self._joined
        if user >= len(joined):
            joined.extend([EMPTY] * (user + 1 - len(joined)))
        joined[user] = added(joined[user], room)

    def _measure(self, room: int) -> None:
        """Decide anew whether a room is too large to carry presence."""
        if not self._max_members or room in self._excluded:
            return
        if size(self.members[room]) > self._max_members:
            self._silent.add(room)
        else:
            self._silent.discard(room)

    def rooms_of(self, user: int) -> IndexSet:
        """The rooms this user is joined to, silent ones included."""
        return self._joined[user] if user < len(self._joined) else EMPTY

    def carrying(self, users: Iterable[int]) -> BitMap:
        """The rooms through which any of these users is seen."""
        return self._without_silent(union(map(self.rooms_of, users)))

    def is_silent(self, room: int) -> bool:
        """Whether this room carries no presence."""
        return room in self._silent

    def carrying_among(self, rooms: Iterable[int]) -> BitMap:
        """Those of these rooms that carry presence."""
        return self._without_silent(BitMap(rooms))

    def _without_silent(self, rooms: BitMap) -> BitMap:
        return rooms - self._silent if self._silent else rooms

    def members_of(self, rooms: Iterable[int]) -> BitMap:
        """Everybody joined to any of these rooms."""
        return self.add_members(BitMap(), rooms)

    def add_members(self, users: BitMap, rooms: Iterable[int]) -> BitMap:
        """Add everybody joined to any of these rooms to `users`; the same bitmap."""
        members = self.members
        return unite(users, [members[room] for room in rooms])

    def seen_by(self, user: int) -> BitMap:
        """Everybody who shares a room that carries presence, the user included."""
        rooms = self.rooms_of(user)
        if self._silent:
            return self.members_of(as_bitmap(rooms) - self._silent)
        if isinstance(rooms, bytes):
            return self.members_of(memoryview(rooms).cast("I"))
        return self.members_of(rooms)

    def share(self, one: int, other: int) -> bool:
        """Whether both are joined to some room that carries presence."""
        common = as_bitmap(self.rooms_of(one)) & as_bitmap(self.rooms_of(other))
        return bool(self._without_silent(common))
