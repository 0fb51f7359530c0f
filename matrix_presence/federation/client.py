"""Asks other servers: signed requests, JSON answers, all of it bounded.

FederationError
 ├── Unreachable          nobody answered
 │    ├── AnswerLost      it may have arrived, and the answer did not
 │    └── Excluded        it was not asked: the configuration excludes it
 ├── Refused              the answer was no 200
 └── BadAnswer            the answer cannot be used
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs
import orjson
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.web.client import (
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from matrix_presence.federation.answers import TooLong, read_body
from matrix_presence.federation.long_json import NotReadable, read_in_parts
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.ids import is_server_name
from matrix_presence.wire.canonical import canonical

#: Seconds until an answer has to be there.
PATIENCE = 30.0
#: Characters of a refusal that are read.
_LONGEST_TEXT = 200

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,12})", re.IGNORECASE)

_LOST = (
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)


class FederationError(Exception):
    """A server could not be asked, or its answer is of no use."""


class Unreachable(FederationError):
    """Nobody answered."""


class AnswerLost(Unreachable):
    """The connection ended first: nobody knows what has arrived."""


class Excluded(Unreachable):
    """By our own configuration there is nothing between this server and us."""


class Refused(FederationError):
    """The server answered with another status than 200."""

    def __init__(self, status: int, errcode: str, error: str) -> None:
        super().__init__(f"answered {status} {errcode} {error}".rstrip())
        self.status = status
        self.errcode = errcode
        self.error = error


class BadAnswer(FederationError):
    """The answer is no JSON object, or too long."""


@attrs.frozen
class Bounds:
    """How long an answer may be, how long it may take, and how it is then read."""

    most_bytes: int = 256 * 1024
    #: Seconds; None for the patience of the client.
    patience: float | None = None
    #: Whether the lists in it are `Items`, because they may be too long to be read in
    #: one go.
    in_parts: bool = False


USUAL = Bounds()
"""What most answers keep to."""


@attrs.frozen
class FederationClient:
    """Asks other servers.

    Args:
        agent: for it the host of a URL is the name of a server; see `FederationAgent`.
        user_agent: how we call ourselves.
        patience: seconds.
        admits: whether a server of this name is talked to.
    """

    agent: IAgent
    own: OwnKeys
    clock: IReactorTime
    user_agent: str = "matrix_presence"
    patience: float = PATIENCE
    admits: Callable[[str], bool] = lambda name: True

    async def get(
        self, destination: str, path: str, bounds: Bounds = USUAL
    ) -> dict[str, Any]:
        """The answer to a signed GET.

        Args:
            path: from `/_matrix/` on, percent-encoded, with the query.

        Raises:
            FederationError: there is none.
        """
        found = await self._ask("GET", destination, path, None, bounds, signed=True)
        return found[0]

    async def put(
        self, destination: str, path: str, content: bytes, bounds: Bounds = USUAL
    ) -> dict[str, Any]:
        """The answer to a signed PUT of this canonical JSON; see `get`."""
        found = await self._ask("PUT", destination, path, content, bounds, signed=True)
        return found[0]

    async def post(
        self, destination: str, path: str, content: bytes, bounds: Bounds = USUAL
    ) -> dict[str, Any]:
        """The answer to a signed POST of this canonical JSON; see `get`."""
        found = await self._ask("POST", destination, path, content, bounds, signed=True)
        return found[0]

    async def get_public(self, destination: str, path: str) -> dict[str, Any]:
        """The answer to a GET that anybody may send; see `get`."""
        return (await self.get_cacheable(destination, path))[0]

    async def get_cacheable(
        self, destination: str, path: str
    ) -> tuple[dict[str, Any], int | None]:
        """The same, and for how long it may be kept (ms); None if it does not say."""
        answer, headers = await self._ask(
            "GET", destination, path, None, USUAL, signed=False
        )
        return answer, _max_age(headers)

    async def post_public(
        self, destination: str, path: str, content: dict[str, Any]
    ) -> dict[str, Any]:
        """The answer to a POST that anybody may send; see `get`."""
        body = canonical(content)
        found = await self._ask("POST", destination, path, body, USUAL, signed=False)
        return found[0]

    async def _ask(
        self,
        method: str,
        destination: str,
        path: str,
        content: bytes | None,
        bounds: Bounds,
        *,
        signed: bool,
    ) -> tuple[dict[str, Any], Headers]:
        # It may be the end of anybody's user id, and becomes part of a URL.
        if not is_server_name(destination):
            raise Unreachable(f"{destination!r} is no server name")
        if not self.admits(destination):
            raise Excluded("the configuration excludes it")
        headers = Headers({"User-Agent": [self.user_agent]})
        if content is not None:
            headers.setRawHeaders("Content-Type", ["application/json"])
        if signed:
            said = self.own.sign(method, path, destination, content)
            headers.setRawHeaders("Authorization", [said.header()])
        url = f"https://{destination}{path}".encode("ascii")
        body = None if content is None else Body(content)
        asking = Deferred.fromCoroutine(
            self._answer(method.encode("ascii"), url, headers, body, bounds)
        )
        patience = bounds.patience or self.patience
        try:
            return await asking.addTimeout(patience, self.clock)
        except TimeoutError:
            text = f"no answer within {patience:g} seconds"
            raise Unreachable(text) from None

    async def _answer(
        self,
        method: bytes,
        url: bytes,
        headers: Headers,
        body: IBodyProducer | None,
        bounds: Bounds,
    ) -> tuple[dict[str, Any], Headers]:
        try:
            response = await self.agent.request(method, url, headers, body)
            answer = await read_body(response, bounds.most_bytes)
        except TooLong as reason:
            raise BadAnswer(str(reason)) from None
        except CancelledError:
            raise
        except _LOST as reason:
            why = "; ".join(each.getErrorMessage() for each in reason.reasons)
            raise AnswerLost(f"the connection was lost: {why}") from reason
        except Exception as reason:
            # What it takes to connect fails in many ways: DNS, TCP, TLS.
            text = str(reason) or type(reason).__name__
            raise Unreachable(text) from reason
        read = read_in_parts if bounds.in_parts else orjson.loads
        return _read(response, answer, read), response.headers


def _max_age(headers: Headers) -> int | None:
    said = ",".join(headers.getRawHeaders("Cache-Control", []))
    found = _MAX_AGE.search(said)
    return int(found[1]) * 1000 if found else None


def _read(
    response: IResponse, body: bytes, read: Callable[[bytes], Any]
) -> dict[str, Any]:
    try:
        answer = read(body)
    except (orjson.JSONDecodeError, NotReadable):
        answer = None
    if response.code != 200:
        said = answer if isinstance(answer, dict) else {}
        errcode, error = _text(said.get("errcode")), _text(said.get("error"))
        raise Refused(response.code, errcode, error)
    if isinstance(answer, list) and len(answer) == 2:
        # Version 1 of some endpoints repeats the status: `[200, {…}]`.
        answer = answer[1]
    if not isinstance(answer, dict):
        raise BadAnswer("the answer is no JSON object")
    return answer


def _text(said: object) -> str:
    """A text to be shown; what is none may be nested too deeply to be made one."""
    return said[:_LONGEST_TEXT] if type(said) is str else ""


@implementer(IBodyProducer)
class Body:
    """A body that is there already, and can be sent again."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Give all of it."""
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """All of it is given."""

    def resumeProducing(self) -> None:
        """All of it is given."""

    def stopProducing(self) -> None:
        """All of it is given."""
