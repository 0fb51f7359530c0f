"""Finds out which server sent a request (C-50 to C-54)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from matrix_presence.errors import Forbidden, Unauthorized
from matrix_presence.federation.keys import KeyRing, NoKey
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.wire.signing import BadSignature
from matrix_presence.wire.x_matrix import (
    BadHeader,
    XMatrix,
    parse_headers,
    verify_request,
)

logger = logging.getLogger(__name__)


@attrs.frozen
class ServerAuthentication:
    """Checks signatures with the keys of those who claim to have made them.

    Args:
        admits: whether a server of this name is heard at all.
    """

    own: OwnKeys
    ring: KeyRing
    admits: Callable[[str], bool] = lambda name: True

    async def origin_of(
        self,
        method: str,
        uri: str,
        authorization: Sequence[bytes],
        content: Mapping[str, Any] | None,
    ) -> str:
        """The server that signed this request for us.

        Args:
            uri: from `/_matrix/` on, with the query, as it came.
            authorization: the values of all Authorization headers.
            content: the body as it was parsed; None if there is none.

        Raises:
            Unauthorized: no server did.
            Forbidden: one that is not heard here says that it did.
        """
        try:
            headers = parse_headers(authorization)
        except BadHeader as refusal:
            raise Unauthorized(str(refusal)) from None
        if not headers:
            raise Unauthorized("Missing X-Matrix signature")
        ours = self.own.server_name
        for_us = [said for said in headers if said.destination in (None, ours)]
        if not for_us:
            raise Unauthorized("The request is for another server")
        # Before anybody is asked for keys, and whoever it really is.
        for said in for_us:
            if not self.admits(said.origin):
                raise Forbidden(f"Federation is denied with {said.origin}")
        for said in for_us:
            if await self._is_right(said, method, uri, content):
                return said.origin
        raise Unauthorized("The signature of the request could not be verified")

    async def _is_right(
        self, said: XMatrix, method: str, uri: str, content: Mapping[str, Any] | None
    ) -> bool:
        try:
            key = await self.ring.key(said.origin, said.key_id, self.own.now())
            verify_request(said, method, uri, self.own.server_name, key, content)
        except (NoKey, BadSignature) as reason:
            logger.info("A request of %s is refused: %s", said.origin, reason)
            return False
        return True
