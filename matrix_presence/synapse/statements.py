"""What a sync says about its own user, as its request has it.

Synapse fills in `set_presence=online` where a client left it out, which is not the
same: who set their status to offline is not revealed by a client that merely goes on
syncing (B-47). What was really asked is in the log context of the request.
"""

from __future__ import annotations

import re

from synapse.logging.context import current_context

from matrix_presence.rules.states import BY_NAME, ONLINE

_SAYS_ONLINE = re.compile(r"[?&]set_presence=online(&|$)")


def stated_by(presence_state: str) -> int | None:
    """What the current request says about presence; None if it says nothing.

    Args:
        presence_state: what Synapse made of it.
    """
    stated = BY_NAME.get(presence_state)
    if stated != ONLINE:
        return stated
    request = current_context().request
    if request is None:
        return None
    return ONLINE if _SAYS_ONLINE.search(request.url) else None
