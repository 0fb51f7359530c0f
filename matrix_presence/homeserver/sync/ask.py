"""What one /sync asks for."""

from __future__ import annotations

import attrs

from matrix_presence.homeserver.sync.filters import SyncFilter
from matrix_presence.interfaces import Requester
from matrix_presence.wire.content import MODERN, Era


@attrs.frozen
class Ask:
    """Who asks, and for what."""

    requester: Requester
    only: SyncFilter
    full_state: bool = False
    #: Users of whom the client wants to see nothing but state events (A-94).
    ignored: frozenset[str] = frozenset()
    #: How presence is told to who asks.
    era: Era = MODERN

    @property
    def user_id(self) -> str:
        """Who asks."""
        return self.requester.user_id
