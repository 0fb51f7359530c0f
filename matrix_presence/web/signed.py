"""Requests of other servers: read, and known to be theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from matrix_presence.errors import InvalidParam, Unauthorized
from matrix_presence.web.call import Call


class OriginOf(Protocol):
    """Finds out which server sent a request."""

    async def __call__(
        self,
        method: str,
        uri: str,
        authorization: Sequence[bytes],
        content: Mapping[str, Any] | None,
    ) -> str:
        """The origin; raises `Unauthorized` if no server signed this for us."""


@attrs.frozen
class SignedRequests:
    """Reads requests that have to be signed.

    Args:
        heard_from: told the origin of each, because whoever sends requests is not down.
    """

    origin_of: OriginOf
    heard_from: Callable[[str], None]

    async def read(self, call: Call) -> tuple[str, dict[str, Any]]:
        """Origin and body of a request with a body.

        Raises:
            Unauthorized: it is not signed by whom it says, or not for us.
            NotJson: it has no body that is JSON; or `BadJson`, that is an object.
        """
        # Nobody has a body parsed without claiming to be somebody.
        if not call.request.requestHeaders.hasHeader("Authorization"):
            raise Unauthorized("Missing X-Matrix signature")
        content = call.json()
        return await self._origin(call, content), content

    async def origin(self, call: Call) -> str:
        """Origin of a request without a body; see `read`."""
        return await self._origin(call, None)

    async def _origin(self, call: Call, content: dict[str, Any] | None) -> str:
        request = call.request
        try:
            uri = request.uri.decode("ascii")
        except UnicodeDecodeError:
            raise InvalidParam("The path is not percent-encoded") from None
        method = request.method.decode("ascii")
        headers = request.requestHeaders.getRawHeaders(b"Authorization", [])
        origin = await self.origin_of(method, uri, headers, content)
        self.heard_from(origin)
        return origin
