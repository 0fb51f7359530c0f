"""The homeserver that is checked, as an HTTP server.

Whatever it does, a request ends: with an answer, or with `NoAnswer` and one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import orjson
from OpenSSL.SSL import Error as TLSError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import (
    ConnectBindError,
    ConnectError,
    ConnectionRefusedError,
    DNSLookupError,
    TCPTimedOutError,
)
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from matrix_presence.check.exchange import Reply
from matrix_presence.check.verdicts import CannotRun
from matrix_presence.federation.answers import TooLong, read_body
from matrix_presence.federation.client import Body

#: Seconds that an answer may take, besides what it was asked to wait.
PATIENCE = 30.0
#: Bytes of an answer.
_MOST_BYTES = 32 * 1024 * 1024


class NoAnswer(Exception):
    """The target did not answer; `str()` says how, in a clause without a subject."""


@attrs.frozen
class Target:
    """Asks one homeserver."""

    agent: IAgent
    #: Without a slash at the end.
    base_url: str
    clock: IReactorTime
    #: Seconds.
    patience: float = PATIENCE
    #: How we call ourselves.
    user_agent: str = "matrix-presence-check"

    def now(self) -> int:
        """The time here, epoch ms."""
        return int(self.clock.seconds() * 1000)

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        asker: str = "",
        wait: float = 0.0,
    ) -> Reply:
        """The answer to one request.

        Args:
            path: percent-encoded, with the query.
            asker: whose token is in the headers, to be shown.
            wait: seconds that the target was asked to wait before it answers.

        Raises:
            NoAnswer: there is none.
        """
        sent = {"User-Agent": self.user_agent, **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        began = self.now()
        asking = Deferred.fromCoroutine(
            self._answer(method, path, body, Headers({k: [v] for k, v in sent.items()}))
        )
        seconds = wait + self.patience
        try:
            status, got, answer = await asking.addTimeout(seconds, self.clock)
        except DeferredTimeout:
            raise NoAnswer(f"did not answer within {seconds:g} s") from None
        took = self.now() - began
        return Reply(method, path, asker, body, status, got, answer, took)

    async def _answer(
        self, method: str, path: str, body: bytes | None, headers: Headers
    ) -> tuple[int, Headers, bytes]:
        url = f"{self.base_url}{path}".encode("ascii")
        producer = None if body is None else Body(body)
        try:
            response = await self.agent.request(
                method.encode("ascii"), url, headers, producer
            )
            answer = await read_body(response, _MOST_BYTES)
        except CancelledError:
            raise
        except Exception as reason:
            if any(isinstance(each, CancelledError) for each in _reasons(reason)):
                # It is we who hung up.
                raise CancelledError from reason
            raise NoAnswer(_why(reason)) from reason
        return response.code, response.headers, answer


def _why(reason: Exception) -> str:
    """Why there was no answer, as a clause without a subject."""
    reasons = _reasons(reason)
    for each in reasons:
        match each:
            case TooLong():
                return f"answered with more than {_MOST_BYTES // 1024**2} MiB"
            case ConnectionRefusedError():
                return "does not listen there (connection refused)"
            case DNSLookupError():
                return "has a name that does not resolve"
            case ConnectTimeout() | TCPTimedOutError():
                return "cannot be connected to (no answer to the attempt)"
            case ConnectBindError() | ConnectError():
                return f"cannot be connected to ({each})"
            case TLSError():
                return f"cannot be trusted ({_tls(each)}); see --ca and --insecure"
            case _ if "verif" in type(each).__name__.lower():
                return f"cannot be trusted ({each}); see --ca and --insecure"
    if isinstance(reason, ResponseNeverReceived):
        if any("Parse" in type(each).__name__ for each in reasons):
            return "does not speak HTTP"
        return "closed the connection without an answer"
    return f"closed the connection in the middle of an answer ({type(reason).__name__})"


def _reasons(reason: Exception) -> list[Any]:
    """What was raised, and what Twisted has put into it."""
    found: list[Any] = [reason]
    for inner in getattr(reason, "reasons", ()):
        found.append(inner.value if isinstance(inner, Failure) else inner)
    return found


def _tls(reason: TLSError) -> str:
    """What OpenSSL says, without where in its sources it says it."""
    try:
        return "; ".join(sorted({text for _, _, text in reason.args[0]})) or "TLS"
    except (IndexError, TypeError, ValueError):
        return "TLS"


async def found_target(target: Target) -> Target:
    """The target, seen to be a homeserver; perhaps where its `.well-known` sends us.

    Raises:
        CannotRun: it is none.
    """
    said = await _versions(target)
    if said is None:
        return target
    moved = await _delegated(target)
    if moved is not None and await _versions(moved) is None:
        return moved
    raise CannotRun(f"{target.base_url} {said}")


async def _versions(target: Target) -> str | None:
    """What is wrong with the target, as a clause without a subject; None if nothing."""
    try:
        reply = await target.ask("GET", "/_matrix/client/versions")
    except NoAnswer as reason:
        return str(reason)
    versions = reply.json.get("versions") if isinstance(reply.json, dict) else None
    if reply.status == 200 and isinstance(versions, list):
        return None
    is_html = "html" in reply.header("Content-Type").lower()
    what = "an HTML page" if is_html else "nothing that a homeserver says"
    return (
        f"is no homeserver: it answers GET /_matrix/client/versions with status "
        f"{reply.status} and {what}"
    )


async def _delegated(target: Target) -> Target | None:
    """Where `.well-known` says that the homeserver is."""
    try:
        reply = await target.ask("GET", "/.well-known/matrix/client")
        base_url = orjson.loads(reply.body)["m.homeserver"]["base_url"]
    except (NoAnswer, ValueError, LookupError, TypeError):
        return None
    if not isinstance(base_url, str):
        return None
    try:
        return attrs.evolve(target, base_url=read_url(base_url))
    except ValueError:
        return None


def read_url(written: str) -> str:
    """The base URL of a homeserver as somebody wrote it, perhaps a bare name.

    Raises:
        ValueError: it is none; with one sentence.
    """
    url = written if "://" in written else f"https://{written}"
    scheme, _, rest = url.partition("://")
    rest = rest.rstrip("/")
    is_plain = rest.isascii() and rest.isprintable() and not set(rest) & set(" ?#@")
    if scheme not in {"http", "https"} or not rest or not is_plain:
        raise ValueError(f"{written!r} is no URL of a homeserver")
    return f"{scheme}://{rest}"
