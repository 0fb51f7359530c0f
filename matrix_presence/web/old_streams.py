"""The presence in `/events` and the initial syncs of r0, for a homeserver's own ones.

Beside what a /sync shows, these streams have the presence of a room's members, also
for who looks into the room from outside (A-103, A-104). Whether somebody may look is
for the homeserver to decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any

from pyroaring import BitMap
from twisted.internet.defer import Deferred

from matrix_presence.cache.indexset import as_bitmap
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.interfaces import Requester
from matrix_presence.ticks import Tick, Ticks
from matrix_presence.view import PresenceView
from matrix_presence.waiting import Waiting
from matrix_presence.web.sync import PresenceSync
from matrix_presence.wire.content import OLD, OLD_WITH_THREE_STATES, Era
from matrix_presence.wire.filters import EVERYTHING


class PresenceStreams:
    """Connects the streams of r0 to presence, both ways."""

    def __init__(
        self,
        sync: PresenceSync,
        view: PresenceView,
        cache: PresenceCache,
        ticks: Ticks,
        waiting: Waiting,
        *,
        enabled: bool,
    ) -> None:
        self._sync = sync
        self._view = view
        self._cache = cache
        self._ticks = ticks
        self._waiting = waiting
        self._enabled = enabled
        #: By room: who waits for news of its members, and in how many streams.
        self._watching: dict[int, Counter[int]] = {}
        ticks.observers.append(self._ticked)

    def era(self, version: str) -> Era:
        """How presence is told to those who come by this version: `r0`, `v3`.

        The shape is the old one everywhere: whoever asks for these streams knows no
        other (A-110).
        """
        era = self._sync.era(version)
        if era.is_old:
            return era
        return OLD_WITH_THREE_STATES._replace(has_lists=era.has_lists)

    def connected(self, requester: Requester, era: Era) -> AbstractContextManager[None]:
        """A stream of this requester is open, until the `with` ends: they are online.

        Guests are not shown as present by it (D-41).
        """
        return self._sync.connected(requester, None, era)

    def position(self) -> int:
        """The position up to which everything can be read."""
        return self._view.position()

    def initial(self, user_id: str, era: Era) -> tuple[list[dict[str, Any]], int]:
        """Everybody whom this user sees, always with themself; and the position."""
        events, position = self._sync.part(user_id, None, era=era)
        if self._enabled and not any(one["sender"] == user_id for one in events):
            own = self._cache.users.intern(user_id)
            events += self._view.rendered(own, [own], EVERYTHING, era)
        return events, position

    def part(
        self, user_id: str, since: int, era: Era, room_id: str | None = None
    ) -> tuple[list[dict[str, Any]], int]:
        """The events after `since`, and the position they go up to.

        Args:
            room_id: of this room's members only, whether the user is one or not.
        """
        if room_id is None:
            return self._sync.part(user_id, since, era=era)
        viewer = self._cache.users.intern(user_id)
        changed = self._changed(viewer, room_id, since)
        return self._view.rendered(viewer, changed, EVERYTHING, era), self.position()

    def members(
        self,
        user_id: str,
        room_id: str,
        era: Era,
        among: Collection[str] | None = None,
    ) -> list[dict[str, Any]]:
        """The presence of everybody in this room, offline or not.

        Args:
            among: only of these users.
        """
        viewer = self._cache.users.intern(user_id)
        members = self._members(viewer, room_id)
        if among is not None:
            find = self._cache.users.find
            members &= BitMap(
                [user for one in among if (user := find(one)) is not None]
            )
        return self._view.rendered(viewer, members, EVERYTHING, era)

    def settle(self) -> None:
        """Show at once what would be shown by the next tick.

        Whoever is told of a join is then behind the position of what it brought, and
        the next poll is not woken by the same thing.
        """
        self._ticks.tick()

    def wait(
        self, user_id: str, since: int, room_id: str | None = None
    ) -> Deferred[None]:
        """Fires when `part` has something this client should be woken for.

        Cancel it when the stream ends for another reason.
        """
        if room_id is None:
            return self._sync.wait(user_id, since, era=OLD)
        if not self._enabled:
            return Deferred()
        viewer = self._cache.users.intern(user_id)
        room = self._cache.rooms.intern(room_id)

        def has_news() -> bool:
            return bool(self._changed(viewer, room_id, since))

        def stop(result: Any) -> Any:
            watching = self._watching[room]
            watching[viewer] -= 1
            self._watching[room] = +watching
            if not self._watching[room]:
                del self._watching[room]
            return result

        self._watching.setdefault(room, Counter())[viewer] += 1
        news = self._waiting.wait(viewer, has_news, already=has_news())
        return news.addBoth(stop)

    def _members(self, viewer: int, room_id: str) -> BitMap:
        """Whom this viewer sees by looking into the room."""
        cache = self._cache
        room = cache.rooms.index.get(room_id)
        if room is None or not self._enabled:
            return BitMap()
        members = cache.rooms.members_of(cache.rooms.carrying_among((room,)))
        return members - cache.ignored_by(viewer) - cache.gone

    def _changed(self, viewer: int, room_id: str, since: int) -> BitMap:
        cache = self._cache
        if since == cache.position:
            return BitMap()
        members = self._members(viewer, room_id)
        if not cache.is_complete(since):
            return members
        # Who has come in is not among them: `members` tells of those with their join.
        return cache.changes.since(since, members)

    def _ticked(self, tick: Tick) -> None:
        """Wake who watches a room whose members have changed.

        The presence of those in the room wakes its members anyhow, not who watches.
        """
        rooms = self._cache.rooms
        # A copy: who is woken watches no more.
        for room, watching in list(self._watching.items()):
            members = as_bitmap(rooms.members[room])
            urgent = members.intersect(tick.urgent)
            if urgent or members.intersect(tick.casual):
                self._waiting.changed(BitMap(watching), urgent=urgent)
