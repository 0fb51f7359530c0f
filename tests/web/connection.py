"""A client's side of one HTTP connection, in memory."""

from __future__ import annotations

import json
from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import IResource

from matrix_presence.web.site import BODY_LIMIT, TIME_OUT, MatrixSite, matrix_site

_NO_BODY = object()


@attrs.frozen
class Response:
    """What came back for one request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def errcode(self) -> str:
        """The errcode of a refusal."""
        code: str = self.json["errcode"]
        return code


class Connection:
    """Bytes to a `MatrixSite` and responses from it.

    Args:
        site: one that is served already; None for one of this connection alone.
    """

    def __init__(
        self,
        root: IResource,
        clock: Clock,
        *,
        body_limit: int = BODY_LIMIT,
        time_out: float = TIME_OUT,
        site: MatrixSite | None = None,
    ) -> None:
        self.clock = clock
        if site is None:
            site = matrix_site(root, clock, body_limit=body_limit, time_out=time_out)
        here = IPv4Address("TCP", "127.0.0.1", 8008)
        there = IPv4Address("TCP", "198.51.100.7", 40000)
        self.transport = StringTransport(hostAddress=here, peerAddress=there)
        self.channel = site.buildProtocol(there)
        self.channel.makeConnection(self.transport)

    @property
    def open(self) -> bool:
        """Whether the server has not hung up."""
        return not (self.transport.disconnecting or self.transport.disconnected)

    def send(self, data: bytes) -> None:
        """Bytes arrive at the server."""
        self.channel.dataReceived(data)

    def received(self) -> bytes:
        """What the server has sent since the last call."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def hang_up(self) -> None:
        """The client leaves."""
        self.channel.connectionLost(Failure(ConnectionDone()))

    def responses(self, *, without_body: bool = False) -> list[Response]:
        """The complete responses since the last call."""
        data = self.received()
        responses = []
        while data:
            head, _, data = data.partition(b"\r\n\r\n")
            status_line, *lines = head.decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            length = 0 if without_body else int(headers.get("Content-Length", 0))
            body, data = data[:length], data[length:]
            responses.append(Response(int(status_line.split()[1]), headers, body))
        return responses

    def request(
        self,
        method: str,
        path: str,
        body: Any = _NO_BODY,
        *,
        token: str | None = None,
        raw: bytes | None = None,
    ) -> Response:
        """The response to one request; fails when there is not exactly one.

        Args:
            path: with its query, percent-encoded.
            body: a JSON value; or `raw`, bytes that need not be JSON.
        """
        self.start(method, path, body, token=token, raw=raw)
        responses = self.responses(without_body=method == "HEAD")
        if not responses:
            # What is stored together is stored at the end of the moment.
            self.clock.advance(0)
            responses = self.responses(without_body=method == "HEAD")
        (response,) = responses
        return response

    def start(
        self,
        method: str,
        path: str,
        body: Any = _NO_BODY,
        *,
        token: str | None = None,
        raw: bytes | None = None,
    ) -> None:
        """Send one request, whose answer may be a long time in coming."""
        content = b"" if body is _NO_BODY else json.dumps(body).encode()
        content = content if raw is None else raw
        lines = [f"{method} {path} HTTP/1.1", "Host: hs.test"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        lines.append(f"Content-Length: {len(content)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + content)
