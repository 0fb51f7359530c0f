"""Which addresses other servers may have."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock

from matrix_presence.federation.guard import GuardedReactor, is_public
from tests.base import TestCase


class Names:
    """A resolver that knows the address of every name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    def resolveHostName(self, receiver: Any, name: str, port: int, *more: Any) -> Any:
        """At once."""
        receiver.resolutionBegan(self)
        for address in self.addresses:
            receiver.addressResolved(IPv4Address("TCP", address, port))
        receiver.resolutionComplete()


class GuardTests(TestCase):
    """Addresses that are not public."""

    def test_addresses_of_the_internet_are_public(self) -> None:
        """Of both versions."""
        for address in ("9.9.9.9", "2620:fe::fe", "64:ff9b::9.9.9.9"):
            self.assertTrue(is_public(address), address)

    def test_addresses_of_our_own_network_are_not(self) -> None:
        """Nor those that only stand for one, nor groups, nor what is no address."""
        for address in (
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1%eth0",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "",
            "name",
        ):
            self.assertFalse(is_public(address), address)

    def connect(self, *addresses: str) -> tuple[list[str], Any]:
        """Connect to a name with these addresses: where to, and what came of it."""
        memory: Any = MemoryReactorClock()
        memory.nameResolver = Names(*addresses)
        reactor = GuardedReactor(memory, is_public)
        self.assertTrue(IReactorPluggableNameResolver.providedBy(reactor))
        endpoint = HostnameEndpoint(reactor, "a.test", 8448)
        connecting = endpoint.connect(Factory.forProtocol(Protocol))
        connecting.addErrback(lambda why: why.value)
        memory.advance(0)
        return [host for host, *_ in memory.tcpClients], connecting

    def test_only_public_addresses_are_connected_to(self) -> None:
        """Whatever else a name leads to."""
        self.assertEqual(["9.9.9.9"], self.connect("127.0.0.1", "9.9.9.9")[0])

    def test_a_name_without_a_public_address_leads_nowhere(self) -> None:
        """As if it had none."""
        hosts, outcome = self.connect("127.0.0.1", "10.0.0.1")
        self.assertEqual([], hosts)
        self.assertIsInstance(self.successResultOf(outcome), DNSLookupError)
