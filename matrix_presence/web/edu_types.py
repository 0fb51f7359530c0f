"""`GET …/edutypes`: which EDUs other servers need not send us (MSC4373)."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.web.signed import SignedRequests

#: Seconds for which others may keep the answer: it changes with a reload.
_KEPT = 3600


@attrs.frozen
class EduTypesEndpoint:
    """Says whether presence of other servers is of any use here.

    Args:
        wants_presence: asked each time.
    """

    signed: SignedRequests
    wants_presence: Callable[[], bool]

    def add_to(self, router: Router) -> None:
        """Serve it where the proposal has it until it is accepted."""
        path = "_matrix/federation/unstable/io.fsky.vel/edutypes"
        router.add("GET", path, self.get)

    async def get(self, call: Call) -> Answer:
        """By type, whether it is taken; anybody may ask, but nobody as another."""
        if call.request.requestHeaders.hasHeader("Authorization"):
            await self.signed.origin(call)
        call.request.setHeader("Cache-Control", f"max-age={_KEPT}")
        return 200, {"m.presence": self.wants_presence()}
