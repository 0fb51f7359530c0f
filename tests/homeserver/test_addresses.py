"""What endpoint strings say about who can reach them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.testing import MemoryReactorClock

from matrix_presence.homeserver.addresses import address_of
from tests.base import TestCase


class AddressTests(TestCase):
    """Kind, port and interface of an endpoint."""

    def test_urls(self) -> None:
        """A client on this machine is told a URL it can use."""
        urls = {
            "tcp:8008:interface=127.0.0.1": "http://127.0.0.1:8008",
            "tcp:8008:127.0.0.1": "http://127.0.0.1:8008",
            "tcp:8008": "http://localhost:8008",
            "tcp:interface=0.0.0.0:port=80": "http://localhost:80",
            r"tcp6:8008:interface=\:\:1": "http://[::1]:8008",
            "ssl:8448:privateKey=a.pem:certKey=b.pem": "https://localhost:8448",
            "tls:/certificates": "https://localhost:443",
            "tls:/certificates:8448": "https://localhost:8448",
            "unix:/run/presence.sock": None,
            "systemd:domain=INET:index=0": None,
            "tcp:http": None,
            "": None,
        }
        self.assertEqual(urls, {each: address_of(each).url for each in urls})

    def test_loopback(self) -> None:
        """Only an interface that is known to be loopback counts as such."""
        for endpoint in (
            "tcp:8008:interface=127.0.0.1",
            "tcp:8008:interface=127.1.2.3",
            "tcp:8008:interface=localhost",
            r"tcp6:8008:interface=\:\:1",
        ):
            self.assertTrue(address_of(endpoint).is_loopback, endpoint)
        for endpoint in (
            "tcp:8008",
            "tcp:8008:interface=10.0.0.1",
            "tcp:8008:interface=localhost.example.org",
            "tcp6:8008",
            "tls:/certificates:interface=0.0.0.0",
            "unix:/run/presence.sock",
            "haproxy:tcp:8008:interface=127.0.0.1",
        ):
            self.assertFalse(address_of(endpoint).is_loopback, endpoint)

    @given(st.integers(1, 65535), st.sampled_from(["", "127.0.0.1", "10.0.0.1"]))
    def test_twisted_reads_the_same(self, port, interface) -> None:
        """The port and the interface are those that Twisted will listen on."""
        endpoint = f"tcp:{port}:interface={interface}"
        twisted = serverFromString(MemoryReactorClock(), endpoint)
        self.assertIsInstance(twisted, TCP4ServerEndpoint)
        address = address_of(endpoint)
        self.assertEqual(
            (twisted._port, twisted._interface), (address.port, address.interface)
        )

    @given(st.text())
    def test_any_text_is_read(self, endpoint) -> None:
        """What is no endpoint has no URL, and is not taken for loopback."""
        address = address_of(endpoint)
        if address.url is None:
            self.assertFalse(address.is_loopback)
