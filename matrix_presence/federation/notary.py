"""Tells others the keys of servers, and vouches for them (C-62)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults

from matrix_presence.federation.keys import KeyRing, NoKey
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.ids import is_server_name
from matrix_presence.wire.signing import signed_json

#: Servers in one query. What is beyond is answered like what is not known.
_MOST_SERVERS = 50


@attrs.frozen
class Notary:
    """Answers `/_matrix/key/v2/query`."""

    own: OwnKeys
    ring: KeyRing

    async def vouched_for(self, wanted: Mapping[str, int]) -> list[dict[str, Any]]:
        """The documents of these servers, with our signature.

        Args:
            wanted: by server name: until when its keys should be valid (epoch ms).

        Returns:
            Nothing for those who cannot be reached; what we had, even if it is not
            valid for so long, for those who do not answer any more.
        """
        found = [
            Deferred.fromCoroutine(self._document(server_name, valid_until))
            for server_name, valid_until in islice(wanted.items(), _MOST_SERVERS)
        ]
        documents = await gatherResults(found, consumeErrors=True)
        return [document for document in documents if document is not None]

    async def _document(
        self, server_name: str, valid_until: int
    ) -> dict[str, Any] | None:
        if server_name == self.own.server_name:
            return self.own.document()
        if not is_server_name(server_name):
            return None
        try:
            # A server that says it will be valid for longer than we believe it is
            # asked no oftener for that.
            keys = await self.ring.keys(server_name, valid_until or self.own.now())
        except NoKey:
            return None
        return signed_json(keys.document, self.own.server_name, self.own.key)
