"""One request as an endpoint sees it: path variables, query, JSON body.

Everything that can be wrong with a request raises the refusal that fits, so that an
endpoint reads what it needs and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

from twisted.internet.defer import Deferred
from twisted.web.server import Request

from matrix_presence.errors import InvalidParam
from matrix_presence.web.encoding import decoded_object

_T = TypeVar("_T")


class Call:
    """A request that has found its endpoint."""

    __slots__ = ("params", "request")

    def __init__(self, request: Request, params: dict[str, str]) -> None:
        self.request = request
        #: The path variables, percent-decoded.
        self.params = params

    @overload
    def query(self, name: str) -> str | None: ...

    @overload
    def query(self, name: str, default: _T) -> str | _T: ...

    def query(self, name: str, default: Any = None) -> Any:
        """The query parameter of this name; the first one where it is repeated.

        Raises:
            InvalidParam: it is not UTF-8.
        """
        args = self.request.args
        values = args.get(name.encode()) if args else None
        if not values:
            return default
        try:
            return values[0].decode()
        except UnicodeDecodeError:
            raise InvalidParam(f"Query parameter {name!r} is not UTF-8") from None

    def queries(self, name: str) -> list[str]:
        """Every query parameter of this name.

        Raises:
            InvalidParam: one of them is not UTF-8.
        """
        args = self.request.args
        values = args.get(name.encode()) if args else None
        try:
            return [value.decode() for value in values or ()]
        except UnicodeDecodeError:
            raise InvalidParam(f"Query parameter {name!r} is not UTF-8") from None

    def json(self) -> dict[str, Any]:
        """The body, which must be a JSON object.

        Raises:
            NotJson: it is not JSON, or there is none.
            BadJson: it is not an object.
        """
        return decoded_object(self._body())

    def json_or_empty(self) -> dict[str, Any]:
        """The body like `json()`; no body at all counts as `{}`."""
        body = self._body()
        return decoded_object(body) if body else {}

    def _body(self) -> bytes:
        content = self.request.content
        if content is None:
            return b""
        content.seek(0)
        body: bytes = content.read()
        return body


Answer = tuple[int, Any] | bytes | Deferred[Any]
"""Status and a value to encode as JSON; or the encoded JSON of a 200; or a Deferred of
one of these, which costs less than to await it as the last thing."""

Endpoint = Callable[[Call], Coroutine[Deferred[Any], Any, Answer]]
"""What answers one method of one path."""
