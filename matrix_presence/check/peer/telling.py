"""What the peer says to the target in the course of one check."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from signedjson.types import SigningKey

from matrix_presence.check.bench import SOON
from matrix_presence.check.exchange import Reply
from matrix_presence.check.peer.server import push
from matrix_presence.check.peer.visitor import Visitor
from matrix_presence.check.verdicts import Skipped
from matrix_presence.wire.canonical import canonical
from matrix_presence.wire.x_matrix import sign_request


@attrs.define
class Telling(Visitor):
    """Requests in the name of the peer, and what comes of what they say."""

    async def ask(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        key: SigningKey | None = None,
        destination: str | None = None,
        signed: bool = True,
    ) -> Reply:
        """What the target answers to a request in the name of the peer.

        Args:
            path: from `/_matrix/` on.
            key: that it is signed with, instead of the one that the peer publishes.
            destination: for whom it is signed, instead of the target.

        Raises:
            Skipped: the target never came for the keys of the peer.
        """
        body = None if content is None else canonical(content)
        headers = {}
        own = self.peer.own
        if signed:
            said = sign_request(
                method,
                path,
                own.server_name,
                destination or self.target_name,
                key or own.key,
                body,
            )
            headers["Authorization"] = said.header().decode()
        reply = await self._target.ask(
            method, path, raw=body, headers=headers, asker=own.server_name
        )
        honest = signed and key is None and destination is None
        if honest and reply.status == 401 and not self.peer.gave_keys:
            raise Skipped(
                f"the target does not come to {own.server_name} for its keys: see "
                "--peer-name"
            )
        return reply

    async def send(
        self,
        *edus: Mapping[str, Any],
        pdus: Sequence[Any] = (),
        txn_id: str | None = None,
        **signed_with: Any,
    ) -> Reply:
        """What the target answers to a transaction with these EDUs.

        Args:
            txn_id: a new one unless given.
            signed_with: see `ask`.
        """
        own = self.peer.own
        content = {
            "origin": own.server_name,
            "origin_server_ts": own.now(),
            "pdus": list(pdus),
            "edus": list(edus),
        }
        path = f"/_matrix/federation/v1/send/{txn_id or secrets.token_hex(8)}"
        return await self.ask("PUT", path, content, **signed_with)

    async def sent(self, *edus: Mapping[str, Any]) -> None:
        """Send these EDUs, which the target has to take.

        Raises:
            Failed: it does not.
        """
        self.bench.expect(await self.send(*edus), 200)

    async def push(self, presence: str = "online", **keys: Any) -> None:
        """Push a state of the user of the visit, which the target has to take."""
        await self.sent(push(self.entry(presence=presence, **keys)))

    def entry(self, **keys: Any) -> dict[str, Any]:
        """What a push says of the user of the visit: online just now, unless said."""
        said = {"presence": "online", "last_active_ago": 0}
        return {"user_id": self.user_id, **said, **keys}

    async def shows(
        self,
        seen: Callable[[dict[str, Any]], object],
        sentence: str = "what was pushed is not shown",
        within: float = SOON,
    ) -> dict[str, Any]:
        """The status of the user of the visit, as A gets it, once it is as expected.

        Raises:
            Failed: with this sentence, when it is not so within as many seconds.
        """

        async def look() -> dict[str, Any]:
            reply = await self.bench.a.ask_status(self.user_id)
            is_status = reply.status == 200 and isinstance(reply.json, dict)
            return reply.json if is_status else {}

        return await self.bench.eventually(
            look, lambda said: said and seen(said), sentence, within
        )
