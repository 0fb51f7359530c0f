"""How EDUs reach other homeservers: by Synapse's own federation sender."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synapse.api.presence import UserPresenceState
from synapse.handlers.presence import PresenceFederationQueue
from synapse.server import HomeServer
from twisted.internet.defer import Deferred
from zope.interface import implementer

from matrix_presence.interfaces import IFederation
from matrix_presence.synapse.background import in_background
from matrix_presence.synapse.counters import Counters
from matrix_presence.synapse.profiles import without_profile
from matrix_presence.synapse.readiness import Readiness
from matrix_presence.synapse.states import States


@implementer(IFederation)
class SynapseFederation:
    """Hands over to Synapse's federation sender, wherever that runs.

    Args:
        queue: Synapse's own way from here to all of its senders.
        allows: whether presence may go to a server.
    """

    def __init__(
        self,
        homeserver: HomeServer,
        queue: PresenceFederationQueue,
        states: States,
        readiness: Readiness,
        allows: Callable[[str], bool],
        counters: Counters,
    ) -> None:
        self._homeserver = homeserver
        self._queue = queue
        self._states = states
        self._now = readiness.now
        self._allows = allows
        self._counters = counters

    def send(self, destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
        """Fires when Synapse has taken them; it sends them when it can.

        Synapse composes the EDU itself, so only who is in it counts here.
        """
        now = self._now()
        states = [
            self._stated(said, now)
            for edu in edus
            for said in edu["content"].get("push", ())
        ]
        # What is about presence lists Synapse takes as it is.
        letters = [edu for edu in edus if not edu["content"].get("push")]

        async def send() -> None:
            if states:
                self._counters.sent.inc(len(states))
                await self._queue.send_presence_to_destinations(states, [destination])
            if letters and self._allows(destination):
                sender = self._homeserver.get_federation_sender()
                for edu in letters:
                    sender.build_and_send_edu(
                        destination, edu["edu_type"], edu["content"]
                    )

        return in_background(self._homeserver, "presence_out", send)

    def _stated(self, said: Mapping[str, Any], now: int) -> UserPresenceState:
        state = self._states.for_servers(self._states.of_id(said["user_id"], now))
        # What was composed has a profile only where profiles go along.
        if "displayname" in said or "avatar_url" in said:
            return state
        return without_profile(state)
