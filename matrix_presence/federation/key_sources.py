"""Where the keys of a server are fetched from: the server itself, and notaries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

import attrs

from matrix_presence.federation.keys import NoKey
from matrix_presence.wire.server_keys import (
    QUERY_PATH,
    SERVER_PATH,
    BadKeys,
    ServerKeys,
    read_server_keys,
)
from matrix_presence.wire.signing import BadSignature, verify_json

#: Documents in the answer of a notary that are looked at.
_MOST_DOCUMENTS = 8


class Asks(Protocol):
    """A client of other servers, as far as keys need one: no request is signed."""

    async def get_public(self, destination: str, path: str) -> Any:
        """The JSON that the destination answers with."""

    async def post_public(
        self, destination: str, path: str, content: dict[str, Any]
    ) -> Any:
        """The JSON that the destination answers this body with."""


@attrs.frozen
class DirectKeys:
    """Asks the server itself: TLS says that it is the right one."""

    client: Asks
    #: The time, epoch ms.
    now: Callable[[], int]

    async def fetch(self, server_name: str) -> ServerKeys:
        """The keys that it publishes."""
        document = await self.client.get_public(server_name, SERVER_PATH)
        return read_server_keys(document, server_name, self.now())


@attrs.frozen
class NotaryKeys:
    """Asks a server that we trust for the keys of one that does not answer."""

    client: Asks
    now: Callable[[], int]
    notary: str
    #: Nobody vouches for a notary: two of them could wait for each other for ever.
    notaries: Collection[str]
    #: The keys of a server that are valid at this time (epoch ms).
    keys_of: Callable[[str, int], Awaitable[ServerKeys]]

    async def fetch(self, server_name: str) -> ServerKeys:
        """The newest keys that the notary has signed."""
        if server_name in self.notaries:
            raise NoKey(f"nobody vouches for {server_name}")
        wanted: dict[str, Any] = {"server_keys": {server_name: {}}}
        answer = await self.client.post_public(self.notary, QUERY_PATH, wanted)
        documents = answer.get("server_keys") if isinstance(answer, dict) else None
        if not isinstance(documents, list):
            raise NoKey(f"{self.notary} gave no list of them")
        found: list[ServerKeys] = []
        trusted = await self.keys_of(self.notary, self.now())
        for document in documents[:_MOST_DOCUMENTS]:
            try:
                self._check_vouched_for(document, trusted)
                found.append(read_server_keys(document, server_name, self.now()))
            except (BadKeys, BadSignature):
                continue
        if not found:
            raise NoKey(f"{self.notary} does not know them")
        return max(found, key=lambda keys: keys.valid_until_ts)

    def _check_vouched_for(self, document: Any, trusted: ServerKeys) -> None:
        """Make sure that one of the keys of the notary signed this document.

        Raises:
            BadSignature: none did.
        """
        refusal = BadSignature(f"{self.notary} has no valid key")
        for key_id in trusted.keys:
            key = trusted.key(key_id, self.now())
            if key is None:
                continue
            try:
                return verify_json(document, self.notary, key)
            except BadSignature as reason:
                refusal = reason
        raise refusal
