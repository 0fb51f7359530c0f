"""An HTTP agent for which the host of a URL is the name of a Matrix server.

Everything above it asks `https://server.name/_matrix/...` and need not know where that
server is.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    IAgent,
    IAgentEndpointFactory,
    IBodyProducer,
    IPolicyForHTTPS,
    IResponse,
)
from zope.interface import implementer

from matrix_presence.federation.discovery import Discovery, Route
from matrix_presence.federation.tls import TlsFor

#: Seconds to connect to one place of a server.
_CONNECT = 10


@implementer(IAgent)
class FederationAgent:
    """Finds the server, connects to it, makes sure that it is the one, and asks.

    Args:
        reactor: one that keeps away from where we should not go; see `guard`.
    """

    def __init__(
        self,
        reactor: Any,
        discovery: Discovery,
        tls: TlsFor,
        pool: HTTPConnectionPool,
    ) -> None:
        self._reactor = reactor
        self._discovery = discovery
        self._tls = tls
        self._pool = pool

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
        body: IBodyProducer | None,
    ) -> IResponse:
        netloc, _, path = uri.removeprefix(b"https://").partition(b"/")
        route = await self._discovery.route(netloc.decode("ascii"))
        headers = headers.copy()
        headers.setRawHeaders("Host", [route.host])
        endpoint = _RouteEndpoint(self._reactor, route, self._tls)
        agent = Agent.usingEndpointFactory(
            self._reactor, _Always(endpoint), pool=self._pool
        )
        # What the pool keeps connections by is what they were certified for: it never
        # takes one for another server that happens to be at the same place.
        certified = route.certified
        name = f"[{certified}]" if ":" in certified else certified
        port = route.places[0][1]
        url = b"https://%b:%d/%b" % (name.encode("ascii"), port, path)
        response: IResponse = await agent.request(method, url, headers, body)
        return response


@implementer(IPolicyForHTTPS)
@attrs.frozen
class WebPolicy:
    """The same proof of hosts of the web, where delegations are."""

    tls: TlsFor

    def creatorForNetloc(
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        """TLS to this host."""
        return self.tls(hostname.decode("ascii"))


@implementer(IAgentEndpointFactory)
@attrs.frozen
class _Always:
    """Has one endpoint for every URL."""

    endpoint: IStreamClientEndpoint

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """That one."""
        return self.endpoint


@implementer(IStreamClientEndpoint)
@attrs.frozen
class _RouteEndpoint:
    """Connects to the first place of a route that can be connected to."""

    reactor: Any
    route: Route
    tls: TlsFor

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """A TLS connection to the server."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> Any:
        tls = self.tls(self.route.certified)
        *others, last = self.route.places
        for place in others:
            try:
                return await wrapClientTLS(tls, self._to(place)).connect(factory)
            except (ConnectError, DNSLookupError):
                continue
        return await wrapClientTLS(tls, self._to(last)).connect(factory)

    def _to(self, place: tuple[str, int]) -> HostnameEndpoint:
        return HostnameEndpoint(self.reactor, *place, timeout=_CONNECT)
