"""The thresholds presence depends on, in milliseconds (B-54)."""

from __future__ import annotations

import attrs

MINUTE = 60_000
#: Longer than any server runs.
_NEVER = 1 << 52


@attrs.frozen
class Timeouts:
    """How long things last. All values are milliseconds."""

    #: A user whose last activity is younger than this is currently active (B-34), and
    #: a newer activity is not announced before this has passed (B-19).
    last_active_granularity: int = MINUTE
    #: How long a device stays connected after its last contact (B-46).
    sync_online: int = 30_000
    #: How long an online device may be inactive before it counts as unavailable
    #: (B-40); 0 leaves idling to the clients, as the second seed has it (X-5).
    idle: int = 5 * MINUTE
    #: How long a busy device stays connected after its last contact (B-50).
    busy_online: int = 60 * MINUTE
    #: How long the word of another server holds (C-9).
    federation: int = 30 * MINUTE

    def held(self) -> Timeouts:
        """The same where time ends nothing that a device has said."""
        return attrs.evolve(self, sync_online=_NEVER, busy_online=_NEVER, idle=0)
