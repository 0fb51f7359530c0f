"""Which version of the client API the present request came by.

Synapse serves all of them with the same code, so what differs is found out here: who
comes by r0, unstable or api/v1 knows free for chat (X-1).
"""

from __future__ import annotations

import re

from synapse.logging.context import current_context

from matrix_presence.rules.states import Presence
from matrix_presence.wire.content import MODERN, MODERN_NAMES, Era, era_of

_OLD = re.compile(r"/_matrix/client/(r0|unstable|api/v1)/")


class Eras:
    """Finds out, if anybody wants to know.

    Args:
        raw_on_r0: the option `free_for_chat_on_r0`.
        is_used: the option `free_for_chat`.
    """

    def __init__(self, *, raw_on_r0: bool, is_used: bool) -> None:
        self._raw_on_r0 = raw_on_r0
        self._is_used = is_used

    def of_request(self) -> Era:
        """The era of the request in whose log context this is called."""
        request = current_context().request
        if not self._is_used or request is None:
            return MODERN
        old = _OLD.match(request.url)
        return MODERN if old is None else era_of(old[1], raw_on_r0=self._raw_on_r0)

    def requester(self) -> str | None:
        """Who makes it; None where nobody does."""
        request = current_context().request
        return None if request is None else request.requester

    def names(self) -> tuple[str, ...]:
        """What it calls each state."""
        era = self.of_request()
        if era is MODERN:
            return MODERN_NAMES
        return tuple(era.contents[state]["presence"] for state in Presence)
