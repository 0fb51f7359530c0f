"""What a server tells clients about its presence before they use it (A-115).

Entries for `/versions` and `/capabilities`, which are the homeserver's own endpoints:
it merges them into what it answers there.
"""

from __future__ import annotations

from typing import Any

from matrix_presence.config import PresenceConfig


def unstable_features(config: PresenceConfig) -> dict[str, bool]:
    """The entries for `unstable_features` of `/versions`.

    Source: MSC3026. Clients offer busy only where this says that it does something.
    """
    return {"org.matrix.msc3026.busy_presence": config.busy and config.enabled is True}


def capabilities(config: PresenceConfig) -> dict[str, Any]:
    """The entries for `capabilities` of `/capabilities`.

    Source: MSC1862, whose author asked for no other name than `m.presence`.
    """
    return {
        "m.presence": {
            "send_enabled": config.enabled is True,
            "receive_enabled": config.enabled is not False,
        }
    }
