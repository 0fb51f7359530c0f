"""Synapse's presence event source: what /sync, /events and the others read from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pyroaring import BitMap
from synapse.api.presence import UserPresenceState
from synapse.logging.context import make_deferred_yieldable
from synapse.storage.databases.main import DataStore
from synapse.types import UserID

from matrix_presence.cache.lists import ListNews
from matrix_presence.synapse.parts import Parts


class PresenceSource:
    """Answers from the cache what a user has not seen yet.

    Args:
        store: Synapse's, which knows to whom a module wants all of presence sent.
    """

    def __init__(self, parts: Parts, store: DataStore) -> None:
        self._cache = parts.cache
        self._states = parts.states
        self._readiness = parts.readiness
        self._routing = parts.routing
        self._counters = parts.counters
        self._partings = parts.partings
        self._store = store

    def get_current_key(self) -> int:
        """The position up to which everything can be read."""
        return self._cache.position

    async def get_new_events(
        self,
        user: UserID,
        from_key: int | None,
        limit: int = 0,
        room_ids: Collection[str] | None = None,
        is_guest: bool = False,
        explicit_room_id: str | None = None,
        include_offline: bool = True,
        service: Any = None,
    ) -> tuple[list[UserPresenceState], int]:
        """What this user may see that changed after `from_key`, and up to where.

        Args:
            from_key: None for everybody visible.
            explicit_room_id: a room that is looked into without being joined.
            include_offline: whether to show users who are offline too.
            limit, room_ids, is_guest, service: of no meaning for presence.
        """
        if not self._readiness.is_ready:
            if from_key is not None:
                # Nothing yet: what there is comes later, with the same token.
                return [], int(from_key)
            await make_deferred_yieldable(self._readiness.when_ready())
        user_id = user.to_string()
        since = None if from_key is None else int(from_key)
        if since is not None and since != self._cache.position:
            full = self._store.should_user_receive_full_presence_with_token
            if await full(user_id, since):
                since, include_offline = None, False
        besides = await self._routing.shown_to(user_id)
        # Nothing is awaited from here on: position and states belong together.
        cache, now = self._cache, self._readiness.now()
        position = cache.position
        if since == position:
            return [], position
        viewer = cache.users.intern(user_id)
        if explicit_room_id is not None:
            besides = besides | self._members(explicit_room_id)
        chosen = self._chosen(viewer, since, besides)
        if not include_offline:
            chosen &= cache.present
        gone = cache.gone & chosen
        states = self._states.of_all(chosen - gone, now)
        if since is not None and (parted := self._partings.since(since, viewer)):
            gone |= parted - cache.seen_by(viewer) - besides
        if since is not None and cache.lists.used:
            # Who has taken themself from a presence list.
            parted = cache.lists.log.since(since, viewer, ListNews.FAREWELL)
            gone |= parted - cache.seen_by(viewer) - besides
        # Of accounts that are no more there is nothing but that (D-40), nor of those
        # who are out of sight.
        ids = cache.users.ids
        states += [UserPresenceState.default(ids[one]) for one in gone]
        return states, position

    def _members(self, room_id: str) -> BitMap:
        rooms = self._cache.rooms
        room = rooms.index.get(room_id)
        return BitMap() if room is None else rooms.members_of((room,))

    def _chosen(self, viewer: int, since: int | None, besides: BitMap) -> BitMap:
        """Who is new to the viewer.

        Args:
            besides: whom they see although they share no room.
        """
        cache = self._cache
        if since is None:
            return (cache.seen_by(viewer) | besides) - cache.gone
        if cache.is_complete(since):
            self._counters.incremental.inc()
            changed = cache.changes.since(since, besides)
        else:
            self._counters.full.inc()
            changed = besides
        # Not in place: what comes from outside is not to be changed.
        changed = changed | cache.changed_for(viewer, since)
        return changed | cache.farewells.since(since, viewer)
