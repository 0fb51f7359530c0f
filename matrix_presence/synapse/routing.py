"""Presence routers: other modules that show users more than their rooms would.

A router says for one user whose presence they get besides, and for changes who is to
hear of them besides. It only ever adds.
"""

from __future__ import annotations

from collections import defaultdict

from pyroaring import BitMap
from synapse.api.presence import UserPresenceState
from synapse.events.presence_router import PresenceRouter
from synapse.handlers.presence import PresenceFederationQueue
from synapse.server import HomeServer

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.ids import server_of
from matrix_presence.synapse.background import in_background, log_failure
from matrix_presence.synapse.listeners import Listeners
from matrix_presence.synapse.readiness import Readiness
from matrix_presence.synapse.states import States
from matrix_presence.ticks import Tick

_NOBODY = BitMap()


class Routing:
    """What the routers of this homeserver add, if it has any.

    Args:
        queue: Synapse's own way to all of its federation senders.
    """

    def __init__(
        self,
        homeserver: HomeServer,
        cache: PresenceCache,
        states: States,
        listeners: Listeners,
        queue: PresenceFederationQueue,
        readiness: Readiness,
    ) -> None:
        self._homeserver = homeserver
        self._router = homeserver.get_presence_router()
        self._cache = cache
        self._states = states
        self._listeners = listeners
        self._queue = queue
        self._now = readiness.now

    @property
    def _is_used(self) -> bool:
        # Modules may come at any time; none at all is the usual case.
        return bool(self._router._get_users_for_states_callbacks)

    async def shown_to(self, user_id: str) -> BitMap:
        """Whom the routers show this user besides; not to be changed."""
        if not self._is_used:
            return _NOBODY
        interested = await self._router.get_interested_users(user_id)
        users = self._cache.users
        if interested == PresenceRouter.ALL_USERS:
            return BitMap(range(len(users)))
        known = (users.index.get(other) for other in interested)
        return BitMap([user for user in known if user is not None])

    def ticked(self, tick: Tick) -> None:
        """Let the routers say who is to hear of this tick besides."""
        changed = tick.urgent | tick.casual
        if changed and self._is_used:
            done = in_background(
                self._homeserver, "presence_routing", lambda: self._route(changed)
            )
            done.addErrback(log_failure, "Presence could not be routed")

    async def _route(self, changed: BitMap) -> None:
        now, position = self._now(), self._cache.position
        states = [self._states.of(user, now) for user in changed]
        routed = await self._router.get_users_for_states(states)
        is_mine = self._homeserver.is_mine_id
        elsewhere: dict[str, set[UserPresenceState]] = defaultdict(set)
        here = []
        for user_id, some in routed.items():
            if is_mine(user_id):
                here.append(self._cache.users.intern(user_id))
            else:
                ours = {
                    self._states.for_servers(state)
                    for state in some
                    if is_mine(state.user_id)
                }
                elsewhere[server_of(user_id)] |= ours
        self._listeners.routed(BitMap(here), position)
        for destination, some in elsewhere.items():
            await self._queue.send_presence_to_destinations(list(some), [destination])
