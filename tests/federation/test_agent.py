"""The agent that knows where servers are: where it connects to, and what it asks."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.client import HTTPConnectionPool

from matrix_presence.federation.agent import FederationAgent
from matrix_presence.federation.discovery import Discovery
from matrix_presence.federation.srv import Place
from matrix_presence.federation.tls import unverified_tls
from matrix_presence.federation.well_known import Delegation, NoDelegation
from tests.base import TestCase

PLACES: tuple[Place, ...] = (("192.0.2.1", 1001), ("192.0.2.2", 1002))


class Literal:
    """A resolver for which every name is an address."""

    def resolveHostName(self, receiver: Any, name: str, portNumber: int) -> Any:
        """At once."""
        receiver.resolutionBegan(self)
        receiver.addressResolved(IPv4Address("TCP", name, portNumber))
        receiver.resolutionComplete()


class AgentTests(TestCase):
    """Requests to a server that is at two places."""

    def setUp(self) -> None:
        """Nobody delegates."""
        self.reactor: Any = MemoryReactorClock()
        names: Any = Literal()
        self.reactor.nameResolver = names
        self.certified: list[str] = []
        tls = unverified_tls()

        async def delegation(host: str) -> Delegation:
            raise NoDelegation

        async def places(host: str) -> tuple[Place, ...]:
            return PLACES

        def remembered(certified: str) -> Any:
            self.certified.append(certified)
            return tls(certified)

        self.agent = FederationAgent(
            self.reactor,
            Discovery(delegation, places, lambda: 0),
            remembered,
            HTTPConnectionPool(self.reactor),
        )

    def ask(self, name: str = "a.test") -> Deferred[Any]:
        """A request to this server."""
        url = f"https://{name}/_matrix/federation/v1/version?a=b%2Fc"
        asking: Deferred[Any] = self.agent.request(b"GET", url.encode())
        self.reactor.advance(0.1)
        return asking

    def connections(self) -> list[Place]:
        """Where it has connected to."""
        return [(host, port) for host, port, *_ in self.reactor.tcpClients]

    def refuse(self) -> None:
        """The last connection fails."""
        factory = self.reactor.tcpClients[-1][2]
        factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        # Only then Twisted looks for another address of the same name.
        self.reactor.advance(1)

    def test_the_next_place_is_tried_when_one_is_down(self) -> None:
        """In the order of the records, always for the same certificate (C-70)."""
        asking = self.ask()
        self.assertEqual([PLACES[0]], self.connections())
        self.refuse()
        self.assertEqual([*PLACES], self.connections())
        self.refuse()
        self.failureResultOf(asking, ConnectionRefusedError)
        self.assertEqual(["a.test"], self.certified)

    def test_a_name_with_a_port_is_where_it_says(self) -> None:
        """Certified for the host alone (C-70)."""
        self.ask("192.0.2.9:80")
        self.assertEqual([("192.0.2.9", 80)], self.connections())
        self.assertEqual(["192.0.2.9"], self.certified)

    def test_tls_comes_before_everything_else(self) -> None:
        """Nothing is told to a server before it has proved who it is (C-71)."""
        self.ask()
        protocol = self.reactor.tcpClients[-1][2].buildProtocol(None)
        transport: Any = StringTransport()
        transport.setTcpNoDelay = lambda enabled: None
        protocol.makeConnection(transport)
        self.reactor.advance(0.1)
        said = transport.value()
        self.assertEqual(b"\x16\x03", said[:2])
        self.assertIn(b"a.test", said)
        self.assertNotIn(b"version", said)

    def test_whoever_gives_up_ends_the_attempt(self) -> None:
        """No timer is left of it."""
        asking = self.ask()
        asking.cancel()
        self.failureResultOf(asking)
        self.assertEqual([], self.reactor.getDelayedCalls())
