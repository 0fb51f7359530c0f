"""Targets that answer as they are told to, in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import orjson
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from matrix_presence.check.target import Target

Answers = Callable[[str, str], Any]
"""What is answered to a method and a path: see `ScriptedAgent`."""


class Answer:
    """An answer that is there at once."""

    def __init__(self, status: int, body: Any, **headers: str) -> None:
        self.code = status
        given = {name.replace("_", "-"): [value] for name, value in headers.items()}
        self.headers = Headers(given)
        self._body = body if isinstance(body, bytes) else orjson.dumps(body)

    def deliverBody(self, protocol: Protocol) -> None:
        """All of it."""
        protocol.dataReceived(self._body)
        protocol.connectionLost(Failure(ResponseDone()))


@implementer(IAgent)
@attrs.define
class ScriptedAgent:
    """Answers what a function says: an Answer, an exception, or None for never."""

    answers: Answers
    asked: list[tuple[str, str]] = attrs.field(factory=list)

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Like any agent."""
        path = "/" + uri.decode().split("/", 3)[3]
        self.asked.append((method.decode(), path))
        found = self.answers(method.decode(), path)
        if found is None:
            return Deferred()
        return fail(found) if isinstance(found, Exception) else succeed(found)


def always(answer: Any) -> Answers:
    """The same, whatever is asked."""
    return lambda method, path: answer


def scripted(answers: Answers, clock: Clock | None = None) -> Target:
    """A target that answers this."""
    agent = ScriptedAgent(answers)
    return Target(agent, "http://hs.test", Clock() if clock is None else clock)


VERSIONS = Answer(200, {"versions": ["v1.11"]})
