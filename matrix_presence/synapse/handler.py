"""What Synapse's servlets, handlers and replication ask of a presence handler.

Nothing is decided here: each call becomes an input of our own handler, or is answered
from the cache. Before everything stored is loaded, what reads waits and what tells is
kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from typing import Any

from synapse.api.constants import EduTypes
from synapse.api.errors import Codes, LimitExceededError, SynapseError
from synapse.api.presence import UserPresenceState
from synapse.handlers.presence import PresenceFederationQueue, PresenceHandler
from synapse.logging.context import make_deferred_yieldable
from synapse.server import HomeServer
from synapse.types import JsonDict, UserID

from matrix_presence.errors import LimitExceeded, MatrixError
from matrix_presence.interfaces import Requester
from matrix_presence.rules.states import BY_NAME, FREE_FOR_CHAT, NAMES, OFFLINE, ONLINE
from matrix_presence.synapse.inputs import INPUT, SAYS_NOTHING
from matrix_presence.synapse.parts import Parts
from matrix_presence.synapse.polls import EarlyPoll, begin
from matrix_presence.synapse.statements import stated_by
from matrix_presence.wire.edu import Update
from matrix_presence.wire.lists import INVITE
from matrix_presence.wire.requests import checked_status_msg, modern_states


@PresenceHandler.register
class SynapsePresence:
    """Takes the place of Synapse's `PresenceHandler`, without being one."""

    def __init__(self, homeserver: HomeServer, parts: Parts) -> None:
        self.parts = parts
        self._store = homeserver.get_datastores().main
        self._is_mine = homeserver.is_mine_id
        self._handler = parts.handler
        self._cache = parts.cache
        self._readiness = parts.readiness
        self._states = parts.states
        self._own = parts.own
        self._counters = parts.counters
        self._tracks = parts.tracks
        #: Whether who hides stays hidden while a client merely goes on syncing.
        self._hides = parts.config.hiding_outlasts_syncs
        self._names = frozenset(modern_states(busy=parts.config.busy))
        self._workers = parts.workers
        # It knows how to reach all federation senders, and asks us for states.
        self._queue = PresenceFederationQueue(homeserver, self)  # type: ignore[arg-type]  # a virtual subclass
        parts.peers.guard(self._queue, self._is_mine)
        parts.federate(self._queue)

    # What clients do.

    async def user_syncing(
        self,
        user_id: str,
        device_id: str | None,
        affect_presence: bool,
        presence_state: str,
    ) -> AbstractContextManager[None]:
        """To be held while a stream of this device is open."""
        stated = stated_by(presence_state)
        if stated is None and not self._hides:
            stated = ONLINE
        # Who hides says so; a guest, whom Synapse lets look at one room, says nothing.
        says = affect_presence or (stated == OFFLINE and self._hides)
        # Every sync comes by here.
        poll = begin if self._readiness.is_ready else EarlyPoll
        return poll(self.parts, user_id, device_id, stated, says and self._tracks)

    async def set_state(
        self,
        target_user: UserID,
        device_id: str | None,
        state: JsonDict,
        force_notify: bool = False,
        is_sync: bool = False,
    ) -> None:
        """A status is set; or, with `is_sync`, another process relays something.

        Raises:
            SynapseError: the status is none, or too many were set.
        """
        name = state.get("presence")
        # Synapse hands on whatever JSON has come, lists and objects too.
        if not isinstance(name, str) or not (
            name in self._names
            or (name == NAMES[FREE_FOR_CHAT] and self.parts.eras.of_request().is_old)
        ):
            raise SynapseError(400, "Invalid presence state")
        if not self._tracks:
            return
        await self._ready()
        self._counters.updates += 1
        user_id = target_user.to_string()
        if is_sync:
            told = state.get(INPUT)
            self._workers.relayed(user_id, device_id, BY_NAME[name], told)
            if told in (None, SAYS_NOTHING):
                self.parts.came_back(user_id)
            return
        requester = Requester(
            user_id, device_id, is_appservice=self._is_appservices(user_id)
        )
        try:
            message = self._message(user_id, state)
            done = self._handler.set_status(requester, BY_NAME[name], message)
            self.parts.came_back(user_id)
            await make_deferred_yieldable(done)
        except LimitExceeded as refusal:
            raise LimitExceededError(
                "rc_presence", retry_after_ms=refusal.retry_after_ms
            ) from None
        except MatrixError as refusal:
            raise SynapseError(
                refusal.status, refusal.error, Codes(refusal.errcode)
            ) from None
        if force_notify:
            self._announce(user_id)

    def _message(self, user_id: str, state: JsonDict) -> str | None:
        if "status_msg" in state or not self._own.keep_status_when_omitted:
            limit = self.parts.config.status_msg_limit
            return checked_status_msg(state.get("status_msg"), limit) or None
        user = self._cache.users.find(user_id)
        return None if user is None else self._cache.users.status_msg[user]

    def _is_appservices(self, user_id: str) -> bool:
        return self._store.get_if_app_services_interested_in_user(user_id)

    async def bump_presence_active_time(
        self, user: UserID, device_id: str | None
    ) -> None:
        """A pro-active event of this device."""
        self.active(user.to_string(), device_id)

    def active(self, user_id: str, device_id: str | None) -> None:
        """The same, with the id of the user as text."""
        if self._tracks and self._readiness.is_ready:
            self._counters.bumps += 1
            self._counters.updates += 1
            self._handler.active(
                user_id, device_id, is_appservice=self._is_appservices(user_id)
            )

    # What is asked.

    async def get_state(self, target_user: UserID) -> UserPresenceState:
        """How a user stands."""
        return await self.current_state_for_user(target_user.to_string())

    async def get_states(
        self, target_user_ids: Iterable[str]
    ) -> list[UserPresenceState]:
        """How these users stand."""
        return list((await self.current_state_for_users(target_user_ids)).values())

    async def current_state_for_user(self, user_id: str) -> UserPresenceState:
        """How a user stands."""
        return (await self.current_state_for_users([user_id]))[user_id]

    async def current_state_for_users(
        self, user_ids: Iterable[str]
    ) -> dict[str, UserPresenceState]:
        """By id: how these users stand; offline where nothing is known."""
        await self._ready()
        now = self._readiness.now()
        return self._states.of_ids(user_ids, now)

    async def is_visible(self, observed_user: UserID, observer_user: UserID) -> bool:
        """Whether the one may see the presence of the other."""
        await self._ready()
        users = self._cache.users
        observed = users.find(observed_user.to_string())
        observer = users.find(observer_user.to_string())
        if observed is None or observer is None:
            return False
        return self._cache.may_see(observer, observed)

    # What modules ask for.

    async def send_full_presence_to_users(self, user_ids: Collection[str]) -> None:
        """These users are shown everybody who is there, at their next sync."""
        await self._ready()
        await self._store.add_users_to_send_full_presence_to(user_ids)
        # They are shown it once by each device: only tokens from before this count.
        for user_id in user_ids:
            self._announce(user_id)

    def _announce(self, user_id: str) -> None:
        user = self._cache.users.intern(user_id)
        self.parts.ticks.changed(user, urgent=True)

    async def _update_states(
        self, states: Iterable[UserPresenceState], force_notify: bool = False
    ) -> None:
        """A module says how these users stand."""
        await self._ready()
        for state in states:
            if state.state not in BY_NAME:
                raise SynapseError(400, "Invalid presence state")
            self._counters.updates += 1
            self._impose(state)
            if force_notify:
                self._announce(state.user_id)

    def _impose(self, state: UserPresenceState) -> None:
        presence = BY_NAME[state.state]
        # Of other servers' users it is taken as if they had said it. Of ours, as a
        # status of a device that has no name.
        self._handler.told(
            Update(state.user_id, presence, state.status_msg, None, False, {})
        )
        if self._is_mine(state.user_id):
            done = self._handler.set_status(
                Requester(state.user_id), presence, state.status_msg, is_limited=False
            )
            # It is kept in memory where the database refuses it.
            done.addErrback(lambda _: None)

    # What other servers and other processes tell.

    async def incoming_presence(self, origin: str, content: JsonDict) -> None:
        """An EDU of another server. Whatever is in it, it fails no transaction."""
        parts = self.parts
        if parts.tracks and self._readiness.is_ready and parts.peers.allow(origin):
            edu = {"edu_type": EduTypes.PRESENCE, "content": content}
            before = self.parts.receiver.applied
            self.parts.receiver.edu_received(origin, edu)
            self._counters.received(self.parts.receiver.applied - before)
            if self.parts.sender is not None:
                self.parts.sender.back(origin)

    async def incoming_letter(
        self, edu_type: str, origin: str, content: JsonDict
    ) -> None:
        """An EDU about presence lists. Whatever is in it, it fails no transaction."""
        parts = self.parts
        if parts.tracks and self._readiness.is_ready and parts.peers.allow(origin):
            observed_id = content.get("observed_user")
            if edu_type == INVITE and isinstance(observed_id, str):
                await parts.accounts.look_up([observed_id])
            edu = {"edu_type": edu_type, "content": content}
            parts.receiver.edu_received(origin, edu)

    async def process_replication_rows(
        self, stream_name: str, instance_name: str, token: int, rows: list[Any]
    ) -> None:
        """Rows of any stream that another process has written."""
        await self._queue.process_replication_rows(
            stream_name, instance_name, token, rows
        )

    def get_currently_syncing_users_for_replication(
        self,
    ) -> Iterable[tuple[str, str | None]]:
        """Nobody: who syncs here is known here, where presence is written."""
        return ()

    async def update_external_syncs_row(
        self,
        process_id: str,
        user_id: str,
        device_id: str | None,
        is_syncing: bool,
        sync_time_msec: int,
    ) -> None:
        """The polls of a device on a worker have begun or ended."""
        await self._ready()
        if is_syncing:
            self._workers.began(process_id, user_id, device_id)
        else:
            self._workers.ended(process_id, user_id, device_id)

    async def update_external_syncs_clear(self, process_id: str) -> None:
        """A worker is gone."""
        await self._ready()
        self._workers.gone(process_id)

    async def get_all_presence_updates(
        self, instance_name: str, last_id: int, current_id: int, limit: int
    ) -> tuple[list[tuple[int, list[Any]]], int, bool]:
        """The rows that workers follow; they are in the table before they count."""
        return await self._store.get_all_presence_updates(
            instance_name, last_id, current_id, limit
        )

    def get_federation_queue(self) -> PresenceFederationQueue:
        """Synapse's own way from here to its federation senders."""
        return self._queue

    async def _ready(self) -> None:
        if not self._readiness.is_ready:
            await make_deferred_yieldable(self._readiness.when_ready())
