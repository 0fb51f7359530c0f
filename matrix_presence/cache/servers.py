"""Other servers, which of them is in which room, and their users.

A destination is a dense index too, so that sets of destinations are bitmaps. Only what
has to do with other servers is kept: a room without remote members costs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyroaring import BitMap

from matrix_presence.cache.indexset import (
    EMPTY,
    IndexSet,
    added,
    as_bitmap,
    contains,
    removed,
    union,
)
from matrix_presence.ids import server_of
from matrix_presence.rules.server_globs import Admits


class Servers:
    """The servers of remote members. Only the handler writes here."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.names: list[str] = []
        #: By server: the rooms in which it has a member.
        self._rooms: list[IndexSet] = []
        #: By server: those of its users who were ever seen in a room.
        self._residents: list[IndexSet] = []
        #: By room, only where there is one: the servers with a member in it.
        self._in_room: dict[int, IndexSet] = {}
        #: By room, only where there is one: which servers it lets in.
        self._acls: dict[int, Admits] = {}
        #: The rooms with remote members.
        self.rooms = BitMap()
        #: Those that have sent what only servers of the first releases send (X-9).
        self.old = BitMap()
        #: The remote users who were ever seen in a room.
        self.users = BitMap()

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> int | None:
        """The index of a server; None if none of its users was ever known."""
        return self.index.get(name)

    def joined(self, room: int, user: int, user_id: str) -> None:
        """A remote user is a member of this room now."""
        self._come_in(room, self.meet(user, user_id))

    def _come_in(self, room: int, server: int) -> None:
        servers = self._in_room.get(room, EMPTY)
        # A long list is held against a server once, not for each of its users.
        if contains(servers, server) or self._is_barred(room, server):
            return
        self._in_room[room] = added(servers, server)
        self._rooms[server] = added(self._rooms[server], room)
        self.rooms.add(room)

    def _is_barred(self, room: int, server: int) -> bool:
        acl = self._acls.get(room)
        return acl is not None and not acl(self.names[server])

    def restrict(
        self, room: int, acl: Admits | None, members: BitMap, ids: list[str]
    ) -> None:
        """The room lets these servers in from now on; None for every server.

        One that is not let in counts as if it had no member there, although it does.
        """
        if acl is None:
            self._acls.pop(room, None)
        else:
            self._acls[room] = acl
        for server in as_bitmap(self._in_room.pop(room, EMPTY)):
            self._rooms[server] = removed(self._rooms[server], room)
        self.rooms.discard(room)
        for server in self.of(members, ids):
            self._come_in(room, server)

    def meet(self, user: int, user_id: str) -> int:
        """The server of a remote user, both of them known from here on."""
        server = self.intern(server_of(user_id))
        if user not in self.users:
            self.users.add(user)
            self._residents[server] = added(self._residents[server], user)
        return server

    def residents(self, server: int) -> BitMap:
        """The users of this server who are known; not to be changed."""
        return as_bitmap(self._residents[server])

    def left(self, room: int, user_id: str, members: IndexSet) -> None:
        """A remote user is no member of this room any more; `members` are left."""
        server = self.intern(server_of(user_id))
        if self.is_among(server, as_bitmap(members)):
            return
        self._rooms[server] = removed(self._rooms[server], room)
        servers = removed(self._in_room.get(room, EMPTY), server)
        if servers:
            self._in_room[room] = servers
        else:
            self._in_room.pop(room, None)
            self.rooms.discard(room)

    def is_among(self, server: int, users: BitMap) -> bool:
        """Whether any of these users is one of this server's."""
        residents = self._residents[server]
        if isinstance(residents, BitMap):
            return residents.intersect(users)
        return any(user in users for user in memoryview(residents).cast("I"))

    def in_room(self, room: int) -> BitMap:
        """The servers with a member in this room; not to be changed."""
        return as_bitmap(self._in_room.get(room, EMPTY))

    def in_rooms(self, rooms: BitMap) -> BitMap:
        """The servers with a member in any of these rooms."""
        in_room = self._in_room
        return union([in_room[room] for room in rooms & self.rooms])

    def rooms_of(self, server: int) -> IndexSet:
        """The rooms in which this server has a member."""
        return self._rooms[server]

    def of(self, users: Iterable[int], ids: list[str]) -> BitMap:
        """The servers of those of these users who are remote."""
        remote = BitMap(users) & self.users
        return BitMap([self.index[server_of(ids[user])] for user in remote])

    def intern(self, name: str) -> int:
        """The index of a server, known from here on."""
        server = self.index.get(name)
        if server is None:
            server = self.index[name] = len(self.names)
            self.names.append(name)
            self._rooms.append(EMPTY)
            self._residents.append(EMPTY)
        return server
