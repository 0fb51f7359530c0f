"""What is said to the target in the course of one check, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import attrs
import orjson
from twisted.internet.task import deferLater

from matrix_presence.check.exchange import Reply, readable
from matrix_presence.check.target import NoAnswer, Target
from matrix_presence.check.timers import show_seconds
from matrix_presence.check.verdicts import Skipped

#: The longest that a rate limit is waited for in one go, seconds.
_LONGEST_LIMIT = 120.0
#: How long is waited where a refusal does not say how long, seconds.
_UNSAID_LIMIT = 1.0

#: For a request without a body, which is something else than one with `null`.
NOTHING: Any = object()


@attrs.define
class Conversation:
    """Asks the target, waits where its rate limits want it, and remembers it all."""

    target: Target
    #: Tokens that must not be shown; shared by all conversations of a run.
    secrets: set[str]
    #: The latest last.
    replies: list[Reply] = attrs.field(factory=list)
    #: What went without an answer, in the order of `replies` too.
    lost: str = ""
    #: How long rate limits were waited for, ms.
    limited: int = 0

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = NOTHING,
        *,
        raw: bytes | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        asker: str = "",
        wait: float = 0.0,
        limits: bool = True,
    ) -> Reply:
        """The answer to one request.

        Args:
            path: from `/_matrix` on, percent-encoded.
            body: a JSON value; or `raw`, bytes that need not be JSON.
            wait: seconds that the target was asked to wait before it answers.
            limits: whether a refusal for asking too often is waited for and the
                request repeated; otherwise it is the answer.

        Raises:
            NoAnswer: there is none.
            Skipped: a rate limit would have to be waited for too long.
        """
        content = raw if body is NOTHING else orjson.dumps(body)
        if query:
            path += "?" + urlencode(query)
        sent = dict(headers or {})
        if token is not None:
            self.secrets.add(token)
            sent["Authorization"] = f"Bearer {token}"
        while True:
            try:
                reply = await self.target.ask(
                    method, path, content, headers=sent, asker=asker, wait=wait
                )
            except NoAnswer as reason:
                asked = readable(path)
                self.lost = f"{method} {asked}\n-> no answer: the target {reason}"
                raise
            self.replies.append(reply)
            if reply.status != 429 or not limits:
                return reply
            await self._wait_for_limit(reply)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await deferLater(self.target.clock, seconds)

    def shown(self, most: int) -> list[str]:
        """The last exchanges as text, without secrets."""
        texts = [reply.text(self.secrets) for reply in self.replies[-most:]]
        return [*texts, self.lost] if self.lost else texts

    async def _wait_for_limit(self, reply: Reply) -> None:
        seconds = retry_after(reply)
        if seconds > _LONGEST_LIMIT:
            raise Skipped(
                f"a rate limit of the target asks to wait {show_seconds(seconds)}"
            )
        self.limited += int(seconds * 1000)
        await self.sleep(seconds)


def retry_after(reply: Reply) -> float:
    """How long a refusal for asking too often says to wait, in seconds."""
    said = reply.json if isinstance(reply.json, dict) else {}
    ms = said.get("retry_after_ms")
    if isinstance(ms, int | float) and ms >= 0:
        # A little more: neither clock is exact.
        return ms / 1000 + 0.05
    header = reply.header("Retry-After")
    return float(header) if header.isdecimal() else _UNSAID_LIMIT
