"""The keys of this server, and how it publishes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
from signedjson.types import SigningKey

from matrix_presence.wire.server_keys import OldKey, server_keys_document
from matrix_presence.wire.x_matrix import XMatrix, sign_request

#: How long others may rely on our keys without asking again, ms. A key that was stolen
#: is trusted for so long after it was replaced.
_VALID_FOR = 24 * 3_600_000
#: Made anew when it has less than this left, ms.
_SPARE = _VALID_FOR // 2


@attrs.define
class OwnKeys:
    """What this server signs with."""

    server_name: str
    #: The first one signs; the others are published, so that it can be changed for one
    #: of them.
    keys: Sequence[SigningKey]
    old_keys: Sequence[OldKey]
    #: The time, epoch ms.
    now: Callable[[], int]
    _document: dict[str, Any] = attrs.field(init=False, factory=dict)

    @property
    def key(self) -> SigningKey:
        """The key that signs."""
        return self.keys[0]

    def document(self) -> dict[str, Any]:
        """The document with our keys, signed by each of them (C-60)."""
        now = self.now()
        if self._document.get("valid_until_ts", 0) - now < _SPARE:
            self._document = server_keys_document(
                self.server_name, self.keys, self.old_keys, now + _VALID_FOR
            )
        return self._document

    def sign(
        self, method: str, uri: str, destination: str, content: bytes | None = None
    ) -> XMatrix:
        """The signature of a request of ours; see `sign_request`."""
        return sign_request(
            method, uri, self.server_name, destination, self.key, content
        )
