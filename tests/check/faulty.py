"""A fault between the checks and a homeserver that has none.

It alters what is asked, what is answered, or answers by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import attrs
import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from matrix_presence.federation.answers import read_body
from matrix_presence.federation.client import Body

_LIMIT = 2**25


@attrs.define
class Answer:
    """What the homeserver answers."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """A copy of the JSON; None if it is none."""
        return _decoded(self.body)

    @json.setter
    def json(self, value: Any) -> None:
        self.body = orjson.dumps(value)


@attrs.define
class Ask:
    """What is asked of it."""

    method: str
    #: Percent-encoded, without the query.
    target: str
    query: dict[str, str]
    token: str | None
    body: bytes | None
    #: ms.
    now: int
    #: Who asks; None for those who are not of the cast.
    user_id: str | None = None
    #: Whether the homeserver was restarted.
    restarted: bool = False
    #: What is answered without asking the homeserver.
    answer: Answer | None = None
    #: EDUs that the peer hears beside it.
    tells: list[Any] = attrs.field(factory=list)

    @property
    def path(self) -> str:
        """From behind the version on, decoded: `presence/@a:hs.test/status`."""
        rest = unquote(self.target).removeprefix("/_matrix/client/")
        return rest.removeprefix("api/").partition("/")[2]

    @property
    def version(self) -> str:
        """`v3`, `r0`, `unstable` or `api/v1`."""
        rest = self.target.removeprefix("/_matrix/client/")
        return "api/v1" if rest.startswith("api/v1") else rest.partition("/")[0]

    @property
    def json(self) -> Any:
        """A copy of the JSON; None if it is none."""
        return _decoded(self.body)

    @json.setter
    def json(self, value: Any) -> None:
        self.body = orjson.dumps(value)

    def reply(self, status: int, value: Any) -> None:
        """Answer it without asking the homeserver."""
        self.answer = Answer(
            status, {"Access-Control-Allow-Origin": "*"}, orjson.dumps(value)
        )

    def is_status(self, method: str) -> bool:
        """Whether it reads (GET) or sets (PUT) the status of somebody."""
        is_one = self.path.startswith("presence/") and self.path.endswith("/status")
        return is_one and self.method == method

    @property
    def whose(self) -> str:
        """Of whom the status, or the list, is that is asked for."""
        return self.path.split("/")[1 if self.path.endswith("/status") else 2]

    def is_list(self, method: str) -> bool:
        """Whether it reads (GET) or changes (POST) a presence list."""
        return self.path.startswith("presence/list/") and self.method == method

    @property
    def is_sync(self) -> bool:
        """Whether it is a /sync."""
        return self.path == "sync"


Memory = dict[Any, Any]
"""What a fault remembers in the course of one check."""


PassOn = Callable[[], Awaitable[Answer]]


@attrs.frozen
class Fault:
    """What is wrong with a homeserver."""

    name: str
    #: The numbers of the checks that have to fail by it; of no other.
    fails: frozenset[int]
    #: Alters a request, or answers it.
    asked: Callable[[Ask, Memory], None] = lambda ask, memory: None
    #: Alters an answer.
    answered: Callable[[Ask, Answer, Memory], None] = lambda ask, answer, memory: None
    #: What reaches the peer instead of an EDU.
    heard: Callable[[Any, Memory], list[Any]] = lambda edu, memory: [edu]


def _nobody_listens(edu: Any) -> None:
    """There is no peer."""


@implementer(IAgent)
@attrs.define(kw_only=False)
class Between:
    """Stands between a check and the homeserver.

    Args:
        users: the user ids of the cast by their tokens.
        was_restarted: whether the homeserver was.
    """

    agent: IAgent
    clock: IReactorTime
    users: Mapping[str, str]
    was_restarted: Callable[[], bool]
    #: Tells the peer of a check an EDU.
    tell: Callable[[Any], None] = attrs.field(init=False, default=_nobody_listens)

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Like any agent."""
        return Deferred.fromCoroutine(
            self._request(method, uri, headers or Headers(), bodyProducer)
        )

    async def _request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers,
        producer: IBodyProducer | None,
    ) -> Any:
        base, slash, rest = uri.decode().partition("/_matrix")
        target, _, query = (slash + rest).partition("?")
        (said,) = headers.getRawHeaders("Authorization") or [""]
        token = said.removeprefix("Bearer ") or None
        given = dict(parse_qsl(query, keep_blank_values=True))
        ask = Ask(
            method.decode(),
            target,
            dict(given),
            token,
            None if producer is None else _all_of(producer),
            int(self.clock.seconds() * 1000),
            self.users.get(token or ""),
            self.was_restarted(),
        )

        async def pass_on() -> Answer:
            # It may be signed.
            same = query if ask.query == given else urlencode(ask.query)
            url = f"{base}{ask.target}{'?' if same else ''}{same}".encode()
            body = None if ask.body is None else Body(ask.body)
            asked = self.agent.request(ask.method.encode(), url, headers, body)
            return await _read(await asked)

        return _Response(await self.answer(ask, pass_on))

    async def answer(self, ask: Ask, pass_on: PassOn) -> Answer:
        """The answer to give; `pass_on` is the homeserver's to `ask` as it is then."""
        raise NotImplementedError

    def heard(self, edu: Any) -> list[Any]:
        """What the peer hears instead of this EDU."""
        raise NotImplementedError


@attrs.define
class FaultyAgent(Between):
    """Asks a homeserver that has a fault."""

    fault: Fault
    _memory: Memory = attrs.field(factory=dict)

    async def answer(self, ask: Ask, pass_on: PassOn) -> Answer:
        """With the fault."""
        self.fault.asked(ask, self._memory)
        answer = await pass_on() if ask.answer is None else ask.answer
        self.fault.answered(ask, answer, self._memory)
        for edu in ask.tells:
            self.tell(edu)
        return answer

    def heard(self, edu: Any) -> list[Any]:
        """With the fault."""
        return self.fault.heard(edu, self._memory)


@attrs.define
class Shadow(Between):
    """Asks a homeserver without a fault, and notes which faults would alter anything.

    Up to then they remember what they would have remembered.
    """

    faults: Collection[Fault]
    #: Their names.
    touching: set[str] = attrs.field(factory=set)
    _memories: dict[str, Memory] = attrs.field(factory=lambda: defaultdict(dict))

    async def answer(self, ask: Ask, pass_on: PassOn) -> Answer:
        """As the homeserver gives it."""
        for fault in self._others():
            tried = attrs.evolve(ask, query=dict(ask.query), tells=[])
            fault.asked(tried, self._memories[fault.name])
            if tried != ask:
                self.touching.add(fault.name)
        answer = await pass_on()
        for fault in self._others():
            given = attrs.evolve(answer, headers=dict(answer.headers))
            fault.answered(ask, given, self._memories[fault.name])
            if given != answer:
                self.touching.add(fault.name)
        return answer

    def heard(self, edu: Any) -> list[Any]:
        """As it came."""
        for fault in self._others():
            if fault.heard(edu, self._memories[fault.name]) != [edu]:
                self.touching.add(fault.name)
        return [edu]

    def _others(self) -> list[Fault]:
        return [each for each in self.faults if each.name not in self.touching]


class _Response:
    """An answer, as agents give it, as far as a target looks at it."""

    def __init__(self, answer: Answer) -> None:
        self.code = answer.status
        self.headers = Headers({k: [v] for k, v in answer.headers.items()})
        self._body = answer.body

    def deliverBody(self, protocol: Protocol) -> None:
        """All at once."""
        protocol.dataReceived(self._body)
        protocol.connectionLost(Failure(ResponseDone()))


@implementer(IConsumer)
class _Whole:
    """Takes a body."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """A part of it."""
        self.parts.append(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """It is not held back."""

    def unregisterProducer(self) -> None:
        """It is not held back."""


async def _read(response: IResponse) -> Answer:
    headers = {
        name.decode(): values[-1].decode()
        for name, values in response.headers.getAllRawHeaders()
    }
    return Answer(response.code, headers, await read_body(response, _LIMIT))


def _all_of(producer: IBodyProducer) -> bytes:
    whole = _Whole()
    producer.startProducing(whole)
    return b"".join(whole.parts)


def _decoded(body: bytes | None) -> Any:
    try:
        return orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return None
