"""The whole of the in-memory cache in one place, and the questions that join its parts.

Written by `PresenceHandler` and by nobody else; read by everybody.
"""

from __future__ import annotations

from collections.abc import Collection

from pyroaring import BitMap

from matrix_presence.cache.devices import Devices
from matrix_presence.cache.farewells import FarewellLog
from matrix_presence.cache.lists import ListNews, Lists
from matrix_presence.cache.rooms import Rooms
from matrix_presence.cache.servers import Servers
from matrix_presence.cache.stream import ChangeLog, JoinLog
from matrix_presence.cache.users import Users
from matrix_presence.cache.wheel import Wheel

_NOBODY = BitMap()


class PresenceCache:
    """Users, their devices and rooms, and what changed when.

    Args:
        server_name: whose users are local.
        excluded_rooms: ids of rooms that carry no presence.
        max_room_members: rooms with more members carry none; 0 for no limit.
        slot_width: ms of one slot of the timing wheel.
    """

    def __init__(
        self,
        server_name: str,
        *,
        excluded_rooms: Collection[str] = (),
        max_room_members: int = 0,
        slot_width: int = 1000,
    ) -> None:
        self.users = Users(server_name)
        self.devices = Devices(self.users)
        self.rooms = Rooms(excluded_rooms, max_room_members)
        self.servers = Servers()
        self.lists = Lists()
        self.wheel = Wheel(self.users.slot, slot_width)
        self.changes = ChangeLog(self.users.position)
        self.joins = JoinLog()
        self.farewells = FarewellLog()
        #: The position of the last tick: everything up to it can be read here.
        self.position = 0
        #: Everybody who is not offline.
        self.present = BitMap()
        #: Accounts that are no more (D-40).
        self.gone = BitMap()
        self._ignored: dict[int, BitMap] = {}
        self._shows_local = True

    def show_local(self, shows: bool) -> None:
        """Whether users of this server see each other from now on."""
        if shows and not self._shows_local:
            # Nobody knows what they have missed: each is shown everybody.
            self.joins.complete_since = self.position + 1
        self._shows_local = shows

    def shown(self, changed: BitMap) -> BitMap:
        """Those of them who are seen by others here."""
        return changed if self._shows_local else changed & self.servers.users

    def seen_by(self, viewer: int) -> BitMap:
        """Everybody whose presence this user may see, the user included (D-20)."""
        seen = self.rooms.seen_by(viewer)
        if self.lists.used:
            seen |= self.lists.accepted.of(viewer)
        if not self._shows_local:
            seen &= self.servers.users
        seen.add(viewer)
        seen -= self.ignored_by(viewer)
        return seen

    def ignored_by(self, viewer: int) -> BitMap:
        """Whom this user ignores; not to be changed."""
        return self._ignored.get(viewer, _NOBODY)

    def ignores(self, viewer: int, others: BitMap) -> None:
        """This user ignores these and nobody else from now on (A-94)."""
        if others:
            self._ignored[viewer] = others
        else:
            self._ignored.pop(viewer, None)

    def may_see(self, viewer: int, observed: int) -> bool:
        """Whether `viewer` may see the presence of `observed` (D-21)."""
        if viewer == observed:
            return True
        if not self._shows_local and self.users.is_local[observed]:
            return False
        return observed not in self.gone and (
            self.rooms.share(viewer, observed)
            or (viewer, observed) in self.lists.accepted
        )

    def viewers_of(self, changed: BitMap) -> BitMap:
        """Everybody who may see any of `changed`, ignoring who ignores whom."""
        viewers = self.rooms.members_of(self.rooms.carrying(changed))
        if self.lists.used:
            self.lists.accepted.add_observers(viewers, changed)
        viewers |= changed
        return viewers

    def changed_for(self, viewer: int, since: int) -> BitMap:
        """Whose presence this viewer has not been told since position `since`.

        Those who changed, and those who came into sight by a join (A-88) or by an entry
        of a presence list that was accepted (A-70). A token from
        a life before this one, or from no life we know, is answered with everybody:
        who came into whose sight then is not known any more.
        """
        if since == self.position:
            return BitMap()
        seen = self.seen_by(viewer)
        if not self.is_complete(since):
            return seen
        changed = self.changes.since(since, seen)
        changed |= self._introduced_to(viewer, since) & seen
        if self.lists.log.last > since:
            changed |= self.lists.log.since(since, viewer, ListNews.SIGHT) & seen
        return changed

    def is_complete(self, since: int) -> bool:
        """Whether all that was news after this position is still known."""
        complete_since = max(self.joins.complete_since, self.lists.log.complete_since)
        return complete_since <= since <= self.position

    def _introduced_to(self, viewer: int, since: int) -> BitMap:
        introduced = BitMap()
        if self.joins.last <= since:
            return introduced
        rooms = self.rooms.carrying((viewer,))
        for room, joiner in self.joins.since(since, rooms):
            if joiner == viewer:
                introduced |= self.rooms.members_of((room,))
            else:
                introduced.add(joiner)
        return introduced
