"""The certificate of the peer, and what it is called."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from matrix_presence.check.peer.certificate import self_signed
from matrix_presence.check.peer.peers import Peers, make_peers
from matrix_presence.check.verdicts import CannotRun, Skipped
from tests.base import TestCase

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def names(host: str) -> x509.SubjectAlternativeName:
    """For whom the certificate of this host is."""
    certificate: Any = self_signed(host, NOW).certificate
    extensions = certificate.to_cryptography().extensions
    found = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    names: x509.SubjectAlternativeName = found.value
    return names


class CertificateTests(TestCase):
    """Made fresh, for one host."""

    def test_it_is_for_the_host(self) -> None:
        """Whether that is a name or an address."""
        self.assertEqual(
            ["localhost"], names("localhost").get_values_for_type(x509.DNSName)
        )
        for address in ("127.0.0.1", "::1"):
            found = names(address).get_values_for_type(x509.IPAddress)
            self.assertEqual([ip_address(address)], found)

    def test_no_two_are_the_same(self) -> None:
        """Nor are their keys."""
        made: list[Any] = [self_signed("localhost", NOW) for _ in range(2)]
        keys = [one.certificate.get_pubkey().to_cryptography_key() for one in made]
        self.assertNotEqual(keys[0].public_numbers(), keys[1].public_numbers())


class NameTests(TestCase):
    """Where the peer listens, and what it is called."""

    def setUp(self) -> None:
        """A reactor without a network."""
        self.reactor: Any = MemoryReactorClock()
        self.reactor.advance(1_700_000_000)

    def make(self, **said: str) -> Peers:
        """The peers of a run with these options."""
        made = Deferred.fromCoroutine(make_peers(self.reactor, **said))
        peers = self.successResultOf(made)
        assert isinstance(peers, Peers)
        return peers

    async def test_it_is_called_after_its_port(self) -> None:
        """As other servers of this machine reach it."""
        peer = await self.make().first()
        port, _, _, interface = self.reactor.tcpServers[0][:4]
        self.assertEqual(("127.0.0.1", 0), (interface, port))
        self.assertEqual("localhost:0", peer.name)

    async def test_it_is_called_as_was_said(self) -> None:
        """There is one server of that name, and so no other."""
        peers = self.make(name="peer.test:8448", listen="tcp:8448")
        peer = await peers.first()
        self.assertEqual("peer.test:8448", peer.name)
        self.assertEqual(8448, self.reactor.tcpServers[0][0])
        with self.assertRaises(Skipped):
            await peers.another()

    def test_what_cannot_be_used_is_said(self) -> None:
        """In a sentence that names it."""
        for said in ({"name": "no name"}, {"listen": "carrier-pigeon:1"}):
            making = Deferred.fromCoroutine(make_peers(self.reactor, **said))
            failure = self.failureResultOf(making, CannotRun)
            self.assertIn(next(iter(said.values())), str(failure.value))
