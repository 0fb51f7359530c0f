"""From a path to what answers it: the one resource under which endpoints hang.

A tree of dicts, one level for each segment of the path, so that finding an endpoint
costs the same with ten and with a thousand of them. `klein` and werkzeug decode
`%2F` before they split; here a user id may hold any character.
"""

from __future__ import annotations

import logging
import types
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from matrix_presence.errors import (
    InvalidParam,
    MatrixError,
    MethodNotAllowed,
    Unrecognized,
)
from matrix_presence.web.answers import send, send_preflight, send_refusal
from matrix_presence.web.call import Answer, Call, Endpoint
from matrix_presence.web.encoding import encoded

logger = logging.getLogger(__name__)


class _Fault(MatrixError):
    """An endpoint raised what is not a refusal."""

    status = 500


class _NotAllowed(MethodNotAllowed):
    """The path has endpoints, but none of this method."""

    def __init__(self, allowed: set[bytes]) -> None:
        super().__init__("This endpoint has no such method")
        self._allowed = allowed

    def headers(self) -> dict[str, str]:
        """`Allow`, with the methods there are (RFC 9110, 15.5.6)."""
        names = {name.decode() for name in self._allowed} | {"OPTIONS"}
        if "GET" in names:
            names.add("HEAD")
        return {"Allow": ", ".join(sorted(names))}


class _Node:
    """What may follow the same first segments of a path."""

    __slots__ = ("literals", "methods", "variable")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.variable: _Node | None = None
        #: The endpoints of the path that ends here, with its variables' names.
        self.methods: dict[bytes, tuple[tuple[str, ...], Endpoint]] = {}


class Router(Resource):
    """Answers requests with the endpoints that were added to it."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self._root = _Node()
        #: Endpoints of paths without variables, by method and path: the long polls of
        #: everybody go to one of them.
        self._fixed: dict[tuple[bytes, bytes], Endpoint] = {}

    def add(self, method: str, template: str, endpoint: Endpoint) -> None:
        """Answer this method of this path.

        Args:
            template: segments, relative to where the router is mounted, each a
                literal or a `{variable}`. Where both fit, the literal one is taken.

        Raises:
            ValueError: it has an endpoint already.
        """
        node, names = self._root, []
        for segment in template.split("/"):
            if segment.startswith("{") and segment.endswith("}"):
                names.append(segment[1:-1])
                if node.variable is None:
                    node.variable = _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment.encode(), _Node())
        if method.encode() in node.methods:
            raise ValueError(f"{method} {template} is answered already")
        node.methods[method.encode()] = (tuple(names), endpoint)
        if not names:
            self._fixed[method.encode(), b"/" + template.encode()] = endpoint

    def render(self, request: Request) -> int:
        """Answer, at once if the endpoint does not have to wait for anything."""
        if request.method == b"OPTIONS":
            send_preflight(request)
            return NOT_DONE_YET
        context = copy_context()
        try:
            endpoint, params = self._found(request)
            coroutine = endpoint(Call(request, params))
            waits_for = context.run(coroutine.send, None)
        except StopIteration as done:
            if isinstance(done.value, Deferred):
                _send_later(request, done.value)
            else:
                _send_answer(request, done.value)
        except Exception as error:
            _send_failure(request, error)
        else:
            rest = _rest(coroutine, waits_for)
            _send_later(request, context.run(Deferred.fromCoroutine, rest))
        return NOT_DONE_YET

    def _found(self, request: Request) -> tuple[Endpoint, dict[str, str]]:
        """The endpoint of this request, and its path variables.

        Raises:
            Unrecognized: there is no such path; or `MethodNotAllowed`, not with this
                method (A-7).
            InvalidParam: a variable in the path is not UTF-8.
        """
        method = b"GET" if request.method == b"HEAD" else request.method
        if not request.prepath:
            fixed = self._fixed.get((method, request.path))
            if fixed is not None:
                return fixed, {}
        allowed: set[bytes] = set()
        found = _matched(self._root, request.postpath or [], 0, method, allowed)
        if found is None:
            if allowed:
                raise _NotAllowed(allowed)
            raise Unrecognized("There is no such endpoint")
        names, endpoint, values = found
        try:
            return endpoint, {
                name: value.decode() for name, value in zip(names, values, strict=True)
            }
        except UnicodeDecodeError:
            raise InvalidParam("A segment of the path is not UTF-8") from None


_Match = tuple[tuple[str, ...], Endpoint, list[bytes]]
"""Names of the variables, the endpoint, the variables' values."""


def _matched(
    node: _Node, segments: list[bytes], at: int, method: bytes, allowed: set[bytes]
) -> _Match | None:
    """The endpoint below this node for the segments from `at` on.

    A literal is tried before a variable. Methods of paths that fit but for the method
    are added to `allowed`.
    """
    values: list[bytes] = []
    for index in range(at, len(segments)):
        segment = segments[index]
        literal, variable = node.literals.get(segment), node.variable
        if literal is not None and variable is not None:
            match = _matched(literal, segments, index + 1, method, allowed)
            if match is not None:
                names, endpoint, others = match
                return names, endpoint, values + others
        elif literal is not None:
            node = literal
            continue
        if variable is None:
            return None
        values.append(segment)
        node = variable
    leaf = node.methods.get(method)
    if leaf is None:
        allowed.update(node.methods)
        return None
    return (*leaf, values)


@types.coroutine
def _rest(
    coroutine: Coroutine[Deferred[Any], Any, Answer], waits_for: Deferred[Any]
) -> Generator[Deferred[Any], Any, Answer]:
    """What is left of a coroutine that has run up to its first unfired Deferred."""
    try:
        while True:
            try:
                result = yield waits_for
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(result)
    except StopIteration as done:
        answer: Answer = done.value
    if isinstance(answer, Deferred):
        answer = yield answer
    return answer


def _send_later(request: Request, answer: Deferred[Answer]) -> None:
    """Send the answer when it is there; give up when the client has left."""
    left = False

    def leave(_reason: object) -> None:
        nonlocal left
        left = True
        answer.cancel()

    def fail(failure: Failure) -> None:
        if not left:
            _send_failure(request, failure.value)
        elif not failure.check(CancelledError, MatrixError):
            _log_failure(request, failure.value)

    def succeed(value: Answer) -> None:
        if not left:
            _send_answer(request, value)

    answer.addCallbacks(succeed, fail)
    if not request.finished:
        request.notifyFinish().addErrback(leave)


def _send_answer(request: Request, answer: Any) -> None:
    """Send what the endpoint returned, or its Deferred fired with."""
    try:
        if type(answer) is bytes:
            status, body = 200, answer
        else:
            status, value = answer
            body = encoded(value)
    except Exception as error:
        _send_failure(request, error)
    else:
        send(request, status, body)


def _send_failure(request: Request, error: BaseException | None) -> None:
    """Send the refusal that was raised; anything else is a fault of ours."""
    if not isinstance(error, MatrixError):
        _log_failure(request, error)
        error = _Fault("Internal server error")
    send_refusal(request, error)


def _log_failure(request: Request, error: BaseException | None) -> None:
    """The traceback of a fault of ours; the path names users, so it is for debug."""
    logger.error("Could not answer a request", exc_info=error)
    logger.debug("It was %r %r", request.method, request.path)
