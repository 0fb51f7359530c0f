"""Reads what other servers answer: no more of it than was agreed to."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse


class TooLong(Exception):
    """The body of an answer is longer than it may be."""


def read_body(response: IResponse, limit: int) -> Deferred[bytes]:
    """The body of this answer, of at most `limit` bytes.

    Cancelled, or when there is more, the connection is closed at once.

    Raises:
        TooLong: there is more.
    """
    body = _Body(limit)
    response.deliverBody(body)
    return body.read


class _Body(Protocol):
    """Gathers a body."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self.read: Deferred[bytes] = Deferred(lambda _: self._abort())

    def dataReceived(self, data: bytes) -> None:
        """A part of it."""
        self._limit -= len(data)
        if self._limit >= 0:
            self._parts.append(data)
        elif not self.read.called:
            self._parts.clear()
            self.read.errback(TooLong("the answer is too long"))
            self._abort()

    def connectionLost(self, reason: Failure = Failure(ResponseDone())) -> None:  # noqa: B008  # as the base class has it
        """It is complete, or the connection was lost before it was."""
        if self.read.called:
            return
        # Without a length, the end of the connection is the end of the body.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.read.callback(b"".join(self._parts))
        else:
            self.read.errback(reason)

    def _abort(self) -> None:
        # What a body gets for a transport stands before the real one, and can only
        # take leave politely: with TLS that waits for the peer, perhaps for ever.
        transport: Any = getattr(self.transport, "_producer", None) or self.transport
        if transport is not None:
            getattr(transport, "abortConnection", transport.loseConnection)()
