"""What a rate limit held back: applied when the limit allows, never lost (A-83).

Of each device only the newest is kept, and a newer word of the device that the limit
let through replaces it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import attrs

from matrix_presence.cache.limits import Buckets
from matrix_presence.cache.wheel import Wheel

#: A device, and whether it was a status or a sync of it.
_Of = tuple[str, Literal["status", "sync"]]


@attrs.frozen
class _Held:
    limit: Buckets
    apply: Callable[[], None]


class Postponed:
    """By user: what waits for which limit."""

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        #: Empty nearly always: look before you ask.
        self.by_user: dict[int, dict[_Of, _Held]] = {}

    def hold(
        self,
        user: int,
        of: _Of,
        limit: Buckets,
        until: int,
        apply: Callable[[], None],
    ) -> None:
        """Call `apply` when `limit` allows, which is not before `until` (epoch ms)."""
        held = self.by_user.setdefault(user, {})
        held.pop(of, None)  # They are applied in the order of the newest of each.
        held[of] = _Held(limit, apply)
        self._wheel.put(user, until)

    def status_set(self, user: int, device_id: str) -> None:
        """A status says all that was held back of its device."""
        held = self.by_user.get(user)
        if held:
            held.pop((device_id, "status"), None)
            held.pop((device_id, "sync"), None)

    def synced(self, user: int, device_id: str) -> None:
        """A sync says what a sync before it would have said."""
        held = self.by_user.get(user)
        if held:
            held.pop((device_id, "sync"), None)

    def forget(self, user: int, device_id: str | None) -> None:
        """Drop what is held of a device; None for all devices."""
        if device_id is None:
            self.by_user.pop(user, None)
        else:
            self.status_set(user, device_id)

    def apply(self, user: int, now: int) -> None:
        """Apply what the limits allow at `now` (epoch ms)."""
        for of, held in self.by_user.pop(user, {}).items():
            wait = held.limit.take(user, now)
            if wait:
                self.hold(user, of, held.limit, now + wait, held.apply)
            else:
                held.apply()
