"""Opens the peer to the network, and the network to the peer."""

from __future__ import annotations

import datetime
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.names.client import Resolver
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.resource import IResource, Resource

from matrix_presence.check.peer.certificate import self_signed
from matrix_presence.federation.agent import FederationAgent, WebPolicy
from matrix_presence.federation.discovery import Discovery
from matrix_presence.federation.srv import ServiceRecords
from matrix_presence.federation.tls import unverified_tls
from matrix_presence.federation.well_known import WellKnown
from matrix_presence.web.site import matrix_site

#: Bytes of a transaction of another server.
_BODY_LIMIT = 10 * 1024 * 1024


class Door:
    """A TLS listener with nothing behind it yet.

    Args:
        port: the TCP port that it listens on.
    """

    def __init__(self, listening: IListeningPort, site: Any) -> None:
        self._listening = listening
        self._site = site
        host: Any = listening.getHost()
        self.port: int = host.port

    def lead_to(self, resource: IResource) -> None:
        """What answers from now on."""
        self._site.resource = resource

    async def close(self) -> None:
        """Listen no more, and hang up on who is connected."""
        await maybeDeferred(self._listening.stopListening)


async def open_door(reactor: Any, endpoint: str, host: str) -> Door:
    """Listen with a certificate of our own for this host.

    Args:
        endpoint: as Twisted writes them, without TLS.

    Raises:
        ValueError: it is no such endpoint.
        twisted.internet.error.CannotListenError: somebody else listens there.
    """
    now = datetime.datetime.fromtimestamp(reactor.seconds(), datetime.UTC)
    site = matrix_site(Resource(), reactor, body_limit=_BODY_LIMIT)
    secured = TLSMemoryBIOFactory(self_signed(host, now), False, site)
    listening = await serverFromString(reactor, endpoint).listen(secured)
    return Door(listening, site)


class Road:
    """The way to other servers, whatever their certificates say.

    The target may be a laboratory, as this is one.
    """

    def __init__(self, reactor: Any) -> None:
        tls = unverified_tls()
        web = Agent(reactor, contextFactory=WebPolicy(tls), connectTimeout=10)
        records = ServiceRecords(Resolver(resolv="/etc/resolv.conf", reactor=reactor))
        discovery = Discovery(
            WellKnown(web, reactor).fetch,
            records.places,
            lambda: int(reactor.seconds() * 1000),
        )
        self._pool = HTTPConnectionPool(reactor)
        #: For it the host of a URL is the name of a server.
        self.agent = FederationAgent(reactor, discovery, tls, self._pool)

    async def close(self) -> None:
        """Close its connections."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        await closed
