"""Sliding sync keeps its user connected, as any sync does.

It has no presence of its own in Synapse: its clients neither say nor get any, so a user
who has no other kind would be offline all the time.
"""

from __future__ import annotations

from typing import Any

from synapse.server import HomeServer

from matrix_presence.synapse.parts import Parts


def keep_connected(homeserver: HomeServer, parts: Parts) -> None:
    """From now on a sliding sync counts as a sync that says nothing."""
    sliding = homeserver.get_sliding_sync_handler()
    stock = sliding.wait_for_sync_for_user

    async def wait_for_sync_for_user(requester: Any, *args: Any, **kwargs: Any) -> Any:
        user_id, device_id = requester.user.to_string(), requester.device_id
        if requester.is_guest:
            return await stock(requester, *args, **kwargs)
        # Nobody is woken by presence who could not be shown any.
        sync = parts.handler.sync_began(user_id, device_id, None)
        parts.came_back(user_id)
        try:
            return await stock(requester, *args, **kwargs)
        finally:
            if sync is not None:
                parts.handler.sync_ended(sync)

    sliding.wait_for_sync_for_user = wait_for_sync_for_user  # type: ignore[method-assign]
