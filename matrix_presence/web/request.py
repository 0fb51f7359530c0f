"""One HTTP request: a bounded body in memory, an answer in a single write.

`twisted.web.server.Request` does a number of things for every request that a JSON
API has no use for (cookies, temporary files, a Server header, a dict of sanitized
headers). Those are left out here; parsing, pipelining, chunked bodies, HEAD and
100-continue are Twisted's. Any `twisted.web` resource can be served with it.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.server import Request

from matrix_presence.errors import TooLarge
from matrix_presence.web.encoding import encoded

if TYPE_CHECKING:
    from matrix_presence.web.site import MatrixChannel, MatrixSite

#: On every response, refusals too (A-8).
CORS_HEADERS: Final = (
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Access-Control-Allow-Methods", b"GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    (
        b"Access-Control-Allow-Headers",
        b"X-Requested-With, Content-Type, Authorization, Date",
    ),
)
JSON_TYPE: Final = (b"Content-Type", b"application/json")

#: A body over the limit is read and dropped, up to this many times the limit: who is
#: still sending does not read an answer before the connection is gone.
_DROPPED_AT_MOST = 16


@lru_cache(maxsize=128)
def _head(status: int, date: bytes) -> bytes:
    """Status line and headers of a JSON answer, up to the length of the body."""
    reason = http.RESPONSES.get(status, b"Unknown")
    headers = ((b"Date", date), *CORS_HEADERS, JSON_TYPE)
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%bContent-Length: " % (status, reason, lines)


class MatrixRequest(Request):
    """A request on a `MatrixSite`."""

    channel: MatrixChannel
    site: MatrixSite
    content: BytesIO
    #: Bytes of the body so far.
    _received = 0
    #: The body was too large; the refusal is sent, the rest of it is dropped.
    _refused = False

    def parseCookies(self) -> None:
        """Nothing: no Matrix endpoint has cookies."""

    def gotLength(self, length: int | None) -> None:
        """The headers are complete; the body will have this many bytes.

        Args:
            length: None when it comes in chunks and nobody knows.
        """
        self.site = self.channel.site
        self.content = BytesIO()
        if length is not None and length > self.site.body_limit:
            self._refuse_body()

    def handleContentChunk(self, data: bytes) -> None:
        """A part of the body has arrived."""
        self._received += len(data)
        if self._refused:
            if self._received > _DROPPED_AT_MOST * self.site.body_limit:
                self.channel.loseConnection()
        elif self._received > self.site.body_limit:
            self._refuse_body()
        else:
            self.content.write(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The body is complete: answer, unless it has been refused already."""
        if self._refused:
            self.method, self.uri, self.clientproto = command, path, version
            self.path = path.partition(b"?")[0]
            self.finish()
        else:
            super().requestReceived(command, path, version)

    def process(self) -> None:
        """Find the resource and let it answer."""
        self.prepath = []
        segments = self.path[1:].split(b"/")
        if b"%" in self.path:
            segments = [
                unquote_to_bytes(segment) if b"%" in segment else segment
                for segment in segments
            ]
        self.postpath = segments
        try:
            self.render(self.site.getResourceFor(self))
        except Exception:
            self.processingFailed(Failure())

    def write(self, data: bytes) -> None:
        """Like any request; the Date (RFC 9110, 6.6.1) goes before the first data."""
        if not self.startedWriting:
            self.responseHeaders.setRawHeaders(b"Date", [self.site.date()])
        super().write(data)

    def finish_with(self, status: int, body: bytes) -> bool:
        """Send this JSON as the whole answer, in one write.

        Returns:
            Whether it was sent. It is not where headers of its own belong to the
            answer or the client speaks HTTP/1.0; then the caller takes the long way.
        """
        if self.clientproto != b"HTTP/1.1":
            return False
        if next(iter(self.responseHeaders.getAllRawHeaders()), None) is not None:
            return False
        self.code = status
        self.startedWriting = 1
        head = b"%b%d\r\n\r\n" % (_head(status, self.site.date()), len(body))
        if self.method == b"HEAD":
            self.channel.write(head)
        else:
            self.sentLength = len(body)
            self.channel.write(head + body)
        self.finish()
        return True

    def _refuse_body(self) -> None:
        """Answer 413 at once, whatever of the body is still to come."""
        refusal = TooLarge(f"The body is longer than {self.site.body_limit} bytes")
        body = encoded(refusal.body())
        self._refused = True
        self.content = BytesIO()
        self.code = refusal.status
        self.startedWriting = 1
        self.sentLength = len(body)
        self.channel.persistent = 0
        head = _head(refusal.status, self.site.date())
        self.channel.write(
            b"%b%d\r\nConnection: close\r\n\r\n%b" % (head, len(body), body)
        )
        expects = self.requestHeaders.hasHeader(b"Expect")
        if expects:
            # Nothing is on its way yet, and must not be asked for after a refusal.
            self.requestHeaders.removeHeader(b"Expect")
            self.channel.loseConnection()
