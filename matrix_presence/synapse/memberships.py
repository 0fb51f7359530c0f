"""Who is joined to which room, from Synapse's database, and kept up to date.

Loaded in slices at the start; from then on the stream of changed state is followed. A
room whose state is still partial tells its members by that same stream once it is
complete.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from synapse.api.constants import EventTypes, Membership
from synapse.server import HomeServer
from synapse.storage.databases.main.state_deltas import StateDelta
from twisted.python.failure import Failure

from matrix_presence.cache.indexset import size
from matrix_presence.handler import PresenceHandler
from matrix_presence.synapse import tables
from matrix_presence.synapse.background import in_background

logger = logging.getLogger(__name__)

#: Memberships read in one go: some milliseconds to put into the cache.
_AT_ONCE = 1000
#: Members of a room that are restored one by one from here on.
_LARGE = 2000


class Memberships:
    """Tells the handler who is joined to which room."""

    def __init__(self, homeserver: HomeServer, handler: PresenceHandler) -> None:
        self._homeserver = homeserver
        self._store = homeserver.get_datastores().main
        self._handler = handler
        #: Called with a room and a user who is joined to it no more.
        self.left: Callable[[str, str], None] = handler.left
        #: Up to which event the memberships are known; None until they are loaded.
        self._position: int | None = None
        self._following = False

    async def load(self) -> int:
        """Read all memberships, in a background process; how many there are."""
        position = self._store.get_room_max_stream_ordering()
        after, count = ("", ""), 0
        while members := await self._store.db_pool.runInteraction(
            "presence_members", tables.load_members, after, _AT_ONCE
        ):
            for room_id, pairs in groupby(members, key=itemgetter(0)):
                self._restore(room_id, [user_id for _, user_id in pairs])
            after = members[-1]
            count += len(members)
        self._position = position
        return count

    def _restore(self, room_id: str, user_ids: Sequence[str]) -> None:
        rooms = self._handler.cache.rooms
        room = rooms.index.get(room_id)
        if room is None or size(rooms.members[room]) < _LARGE:
            self._handler.restore_room(room_id, user_ids)
            return
        # To restore a part of a room costs as much as there is of it already.
        for user_id in user_ids:
            self._handler.joined(room_id, user_id)

    def poke(self) -> None:
        """Something has happened on the server, perhaps to a membership.

        Called for every event and every receipt, so it has to find out quickly that
        nothing has.
        """
        if self._position is None or self._following:
            return
        head = self._store.get_room_max_stream_ordering()
        if head <= self._position:
            return
        changes = self._store._curr_state_delta_stream_cache
        if not changes.has_any_entity_changed(self._position):
            self._position = head
            return
        self._following = True
        done = in_background(self._homeserver, "presence_members", self._follow)
        done.addBoth(self._followed)

    def _followed(self, outcome: Failure | None) -> None:
        self._following = False
        if isinstance(outcome, Failure):
            # The next poke tries again from the same place.
            logger.error("Memberships could not be followed: %s", outcome)
        else:
            self.poke()

    async def _follow(self) -> None:
        assert self._position is not None, "not loaded"
        head = self._store.get_room_max_stream_ordering()
        while self._position < head:
            reached, deltas = await self._store.get_partial_current_state_deltas(
                self._position, head
            )
            members = [d for d in deltas if d.event_type == EventTypes.Member]
            if members:
                await self._apply(members)
            self._position = reached

    async def _apply(self, deltas: Sequence[StateDelta]) -> None:
        event_ids = [delta.event_id for delta in deltas if delta.event_id]
        # A cached method, which is typed by a plugin of Synapse's own.
        get: Any = self._store.get_membership_from_event_ids
        found = await get(event_ids)
        for delta in deltas:
            # Without an event the state is gone: this server is in the room no more.
            membership = found.get(delta.event_id) if delta.event_id else None
            if membership and membership.membership == Membership.JOIN:
                self._handler.joined(delta.room_id, delta.state_key)
            else:
                self.left(delta.room_id, delta.state_key)
