"""What a process that does not write presence tells the one that does.

There Synapse's own handler stays in place: it relays to the writer what clients do, and
shows them what the writer has written. Some of what our presence goes by it has no word
for, or takes for less than it is; that is added here, in what it relays.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import attrs
from synapse.server import HomeServer
from synapse.types import JsonDict, UserID

from matrix_presence.config import PresenceConfig
from matrix_presence.synapse.activity import watch
from matrix_presence.synapse.inputs import INPUT, SAYS_NOTHING
from matrix_presence.synapse.options import Own
from matrix_presence.synapse.statements import stated_by

logger = logging.getLogger(__name__)

#: Activity of one device is told this many times in the time for which it counts.
_PARTS_OF_GRANULARITY = 4
#: So many a second are never reached.
_UNLIMITED = 1_000_000
#: What is replaced in Synapse's handler, or called.
_SHAPES = ("_federation", "bump_presence_active_time", "set_state", "user_syncing")


def refine(
    homeserver: HomeServer, handler: Any, config: PresenceConfig, own: Own
) -> None:
    """Let Synapse's handler of this process tell the writer all that it should know.

    Without what this relies on it stays as it is: what is relayed is enough to go on.
    """
    absent = [name for name in _SHAPES if not hasattr(handler, name)]
    if absent or not homeserver.config.server.track_presence:
        if absent:
            logger.error("Presence is relayed as Synapse does it: no %s", absent)
        return
    pause = config.last_active_granularity / _PARTS_OF_GRANULARITY
    silent = config.hiding_outlasts_syncs
    relay = Relay(homeserver, handler, pause, tells_silence=silent)
    handler.matrix_presence_relay = relay
    handler.set_state = relay.set_state
    handler.bump_presence_active_time = relay.active
    # The writer tells other servers, whichever process it is that sends.
    handler._federation = None
    if own.lenient_rate_limit and hasattr(handler, "_last_sent_presence"):
        # It relays only now and then, and the writer has limits of its own: a sync that
        # is one too many is a sync all the same.
        lift_limits(homeserver)
    if own.all_messages_are_activity:
        watch(homeserver.get_notifier(), homeserver.is_mine_id, relay.sent)
    if own.sliding_sync_connects and hasattr(homeserver, "get_sliding_sync_handler"):
        # Later, because that one asks for a presence handler itself.
        homeserver.get_reactor().callWhenRunning(relay.keep_connected)


def lift_limits(homeserver: HomeServer) -> None:
    """Let no servlet drop what is said: our own limits lose nothing."""
    limits = homeserver.config.ratelimiting
    limits.rc_presence_per_user = attrs.evolve(
        limits.rc_presence_per_user, per_second=_UNLIMITED, burst_count=_UNLIMITED
    )


class Relay:
    """Between the callers of Synapse's handler and that handler.

    Args:
        pause: ms for which activity of a device that was told is not told again.
        tells_silence: whether to tell that a sync says nothing about its user.
    """

    def __init__(
        self, homeserver: HomeServer, handler: Any, pause: float, *, tells_silence: bool
    ) -> None:
        self._homeserver = homeserver
        self._handler = handler
        self._tells_silence = tells_silence
        self._set_state = handler.set_state
        self._bump = handler.bump_presence_active_time
        self._pause = pause / 1000
        #: Whose activity has been told, since a moment ago.
        self._active: set[tuple[str, str | None]] = set()

    async def set_state(
        self,
        target_user: UserID,
        device_id: str | None,
        state: JsonDict,
        force_notify: bool = False,
        is_sync: bool = False,
    ) -> None:
        """A status, or with `is_sync` what a sync says, as Synapse's handler has it."""
        if not is_sync:
            self._active.discard((target_user.to_string(), device_id))
        elif self._tells_silence and stated_by(state["presence"]) is None:
            state = {**state, INPUT: SAYS_NOTHING}
        await self._set_state(target_user, device_id, state, force_notify, is_sync)

    async def active(self, user: UserID, device_id: str | None) -> None:
        """A pro-active event of this device.

        Synapse drops it where a sync has been relayed just before, which is activity to
        its own writer, and none to ours.
        """
        device = user.to_string(), device_id
        if device in self._active:
            return
        if not self._active:
            reactor = self._homeserver.get_reactor()
            reactor.callLater(self._pause, self._active.clear)
        self._active.add(device)
        getattr(self._handler, "_last_sent_presence", {}).pop(device, None)
        await self._bump(user, device_id)

    def sent(self, user_id: str, device_id: str | None) -> None:
        """A user has sent an event of which Synapse does not tell."""
        user = UserID.from_string(user_id)
        if (user_id, device_id) not in self._active:
            self._homeserver.run_as_background_process(
                "presence_active", partial(self.active, user, device_id)
            )

    async def tell(self, user_id: str, device_id: str | None, what: str) -> None:
        """Tell the writer; one that cannot be reached finds out in its own time."""
        user, state = UserID.from_string(user_id), {"presence": "offline", INPUT: what}
        try:
            # By force: Synapse drops what it has said just before.
            await self._set_state(user, device_id, state, True, True)
        except Exception as fault:
            logger.warning("The writer of presence could not be told: %s", fault)

    def keep_connected(self) -> None:
        """From now on a sliding sync counts as a sync that says nothing."""
        sliding: Any = self._homeserver.get_sliding_sync_handler()
        stock = sliding.wait_for_sync_for_user

        async def wait_for_sync_for_user(
            requester: Any, *args: Any, **kwargs: Any
        ) -> Any:
            if requester.is_guest:
                return await stock(requester, *args, **kwargs)
            user_id, device_id = requester.user.to_string(), requester.device_id
            syncing = await self._handler.user_syncing(
                user_id, device_id, True, "online"
            )
            with syncing:
                return await stock(requester, *args, **kwargs)

        sliding.wait_for_sync_for_user = wait_for_sync_for_user
