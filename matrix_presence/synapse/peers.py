"""With which other servers presence is exchanged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from synapse.api.presence import UserPresenceState
from synapse.handlers.presence import PresenceFederationQueue

from matrix_presence.synapse.options import Own


class Peers:
    """Those that `exchange_only_with` and `exchange_not_with` leave."""

    def __init__(self, own: Own) -> None:
        self._only = frozenset(own.exchange_only_with)
        self._never = frozenset(own.exchange_not_with)

    def allow(self, server_name: str) -> bool:
        """Whether this one is told presence, and its presence is taken."""
        if server_name in self._never:
            return False
        return not self._only or server_name in self._only

    def guard(
        self, queue: PresenceFederationQueue, is_mine: Callable[[str], bool]
    ) -> None:
        """Let nothing through to others, whoever sends it, nor of other servers' users.

        Args:
            queue: Synapse's own way to all of its federation senders.
        """
        stock = queue.send_presence_to_destinations

        async def send_presence_to_destinations(
            states: Collection[UserPresenceState], destinations: Iterable[str]
        ) -> None:
            allowed = [name for name in destinations if self.allow(name)]
            ours = [state for state in states if is_mine(state.user_id)]
            if allowed and ours:
                await stock(ours, allowed)

        queue.send_presence_to_destinations = send_presence_to_destinations  # type: ignore[method-assign]
