"""The HTTP server under the resource tree: what a client may cost.

Bodies are bounded, slow clients are timed out, idle connections hold a few kilobytes
and one timer each. HTTP/2 is left to a reverse proxy.
"""

from __future__ import annotations

import logging
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Server
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import IResource
from twisted.web.server import Site

from matrix_presence.web.patience import Patience
from matrix_presence.web.request import MatrixRequest

#: Bytes of a request body: a status needs a hundred, an upload of keys a hundred
#: thousand.
BODY_LIMIT = 1024 * 1024
#: Seconds a client may take to send one request, or stay silent between two.
TIME_OUT = 60.0

logger = logging.getLogger(__name__)


class MatrixChannel(http.HTTPChannel):
    """One connection; its time-out is for a whole request, not for the next byte."""

    #: Set by the site as it makes the channel.
    site: MatrixSite
    #: Nothing has come since the connection began or the last answer was sent.
    _silent = True
    _peer: IAddress | None = None
    _host: IAddress | None = None
    #: From the first time-out on.
    _patience: Patience | None = None

    def setTimeout(self, period: Any) -> Any:
        """Wait this many seconds from now on; None to wait for ever."""
        if self._patience is None:
            self._patience = Patience(self.site.reactor, self.timeoutConnection)
        before, self.timeOut = self.timeOut, period
        self._patience.set(period)
        return before

    def resetTimeout(self) -> None:
        """The client has given a sign of life."""
        if self._patience is not None:
            self._patience.renew()

    def connectionMade(self) -> None:
        """A client has connected."""
        super().connectionMade()
        self.site.connected(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client has left, or was left."""
        super().connectionLost(reason)
        self.site.disconnected(self)
        if self._patience is not None:
            self._patience.stop()

    def dataReceived(self, data: bytes) -> None:
        """Parse; only the first bytes of a request start its time anew.

        A client that sends a byte now and then would otherwise keep its connection
        for ever.
        """
        if self._silent:
            self._silent = False
            self.resetTimeout()
        LineReceiver.dataReceived(self, data)

    def write(self, data: bytes) -> None:
        """Send it at once if nothing is waiting to be sent.

        Twisted would have the reactor watch for when the socket takes something, which
        it does right now: two system calls and a turn of the reactor for each answer.
        What the socket does not take goes the usual way.
        """
        transport: Any = self.transport
        if (
            isinstance(transport, Server)
            and not transport.TLS
            and transport.connected
            and not transport.dataBuffer
            and not transport._tempDataBuffer
        ):
            sent = transport.writeSomeData(data)
            if isinstance(sent, int):  # Else it is lost, and the usual way tells.
                data = data[sent:]
        if data:
            super().write(data)

    def requestDone(self, request: http.Request) -> None:
        """The request has been answered, the next may begin."""
        self._silent = True
        super().requestDone(request)

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """Whether another request may follow this one."""
        if self.site.is_closing:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def close(self) -> None:
        """Close the connection once what was asked is answered: now, if nothing was."""
        if not self.requests:
            self.loseConnection()
        for request in self.requests:
            self.persistent = self.checkPersistence(request, request.clientproto)

    def getPeer(self) -> IAddress:
        """The address of the client; asked once, a request asks each time."""
        if self._peer is None:
            self._peer = super().getPeer()
        return self._peer

    def getHost(self) -> IAddress:
        """The address the client connected to; asked once, it is a system call."""
        if self._host is None:
            self._host = super().getHost()
        return self._host


class MatrixSite(Site):
    """A site of `MatrixRequest`s on `MatrixChannel`s."""

    # Twisted has typed this as its proxy that switches to HTTP/2.
    protocol = MatrixChannel  # type: ignore[assignment]
    requestFactory = MatrixRequest

    def __init__(
        self,
        root: IResource,
        reactor: IReactorTime,
        *,
        body_limit: int = BODY_LIMIT,
        time_out: float = TIME_OUT,
    ) -> None:
        super().__init__(
            root, reactor=reactor, timeout=time_out, parsePOSTFormSubmission=False
        )
        self.body_limit = body_limit
        #: No connection outlives its present request.
        self.is_closing = False
        self._channels: set[MatrixChannel] = set()
        #: Fires when there is no connection any more; None until `close`.
        self._closed: Deferred[None] | None = None
        self._date_at = -1
        self._date = b""

    def connected(self, channel: MatrixChannel) -> None:
        """This connection has been made."""
        self._channels.add(channel)
        if self.is_closing:
            channel.close()

    def disconnected(self, channel: MatrixChannel) -> None:
        """This connection is gone."""
        self._channels.discard(channel)
        if self._closed is not None and not self._channels and not self._closed.called:
            self._closed.callback(None)

    def close(self, seconds: float) -> Deferred[None]:
        """Close each connection once what was asked on it is answered.

        Fires when all are closed.

        Args:
            seconds: after which those that are still open are cut off.
        """
        closed: Deferred[None] = Deferred(self._cut_off)
        self.is_closing, self._closed = True, closed
        for channel in tuple(self._channels):
            channel.close()
        if not self._channels and not closed.called:
            closed.callback(None)
        return closed.addTimeout(seconds, self.reactor, lambda *_: None)

    def _cut_off(self, _: Deferred[None]) -> None:
        for channel in tuple(self._channels):
            channel.forceAbortClient()

    def date(self) -> bytes:
        """The Date header of now; written out once a second."""
        now = int(self.reactor.seconds())
        if now != self._date_at:
            self._date_at = now
            self._date = http.datetimeToString(now)
        return self._date

    def startFactory(self) -> None:
        """Nothing: Twisted's own access log is not used."""

    def stopFactory(self) -> None:
        """Nothing was started."""

    def log(self, request: http.Request) -> None:
        """One line for each answer, where INFO is logged.

        Without the query, in which clients may send their access token.
        """
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                '%s "%s %s" %d %d',
                getattr(request.getClientAddress(), "host", "-"),
                request.method.decode("ascii", "backslashreplace"),
                request.path.decode("ascii", "backslashreplace"),
                request.code,
                request.sentLength,
            )

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/1.1 only, whatever TLS could negotiate."""
        return [b"http/1.1"]


def matrix_site(
    root: IResource,
    reactor: IReactorTime,
    *,
    body_limit: int = BODY_LIMIT,
    time_out: float = TIME_OUT,
) -> MatrixSite:
    """A site that serves this resource tree.

    Args:
        body_limit: bytes of a request body; more is answered 413 `M_TOO_LARGE`.
        time_out: seconds for one request to arrive, and of silence between two. How
            long an answer takes is not limited by it.
    """
    return MatrixSite(root, reactor, body_limit=body_limit, time_out=time_out)
