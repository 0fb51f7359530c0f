"""From the name of a server to where it is."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.names.dns import A, Record_A, Record_SRV, RRHeader
from twisted.names.error import DNSNameError, DNSServerError

from matrix_presence.federation import discovery as discovery_module
from matrix_presence.federation.discovery import Discovery, Route
from matrix_presence.federation.srv import Place, ServiceRecords
from matrix_presence.federation.well_known import Delegation, NoDelegation
from tests.base import TestCase

HOUR = 3600


@attrs.define
class Resolver:
    """A DNS that has SRV records."""

    #: By name: priority, weight, port, target; or what it fails with.
    records: dict[str, Any] = attrs.Factory(dict)

    def lookupService(self, name: str, timeout: object) -> Deferred[Any]:
        """Like a resolver of `twisted.names`."""
        found = self.records.get(name, DNSNameError())
        if isinstance(found, Exception):
            return fail(found)
        answers = [RRHeader(name, A, payload=Record_A())]
        for record in found:
            payload = Record_SRV(*record)
            answers.append(RRHeader(name, payload.TYPE, payload=payload))
        return succeed((answers, [], []))


class DiscoveryTests(TestCase):
    """The steps of the resolution, by what each needs to know."""

    def setUp(self) -> None:
        """A world in which nobody delegates and nobody has SRV records."""
        self.clock = Clock()
        self.delegations: dict[str, Delegation] = {}
        self.resolver = Resolver()
        self.asked: list[str] = []
        records: Any = ServiceRecords(self.resolver, lambda: 0.5)  # type: ignore[arg-type]
        self.discovery = Discovery(
            self.delegation,
            records.places,
            lambda: int(self.clock.seconds() * 1000),
            chance=lambda: 1.0,
        )

    async def delegation(self, host: str) -> Delegation:
        """What a host says."""
        self.asked.append(host)
        if host not in self.delegations:
            raise NoDelegation("404")
        return self.delegations[host]

    def delegate(self, host: str, server_name: str) -> None:
        """From now on this host delegates, for a day."""
        self.delegations[host] = Delegation(server_name, 24 * HOUR * 1000)

    def route(self, server_name: str) -> Route:
        """Where a server is."""
        found = Deferred.fromCoroutine(self.discovery.route(server_name))
        return self.successResultOf(found)

    def assert_route(
        self, name: str, certified: str, host: str, *places: Place
    ) -> None:
        """This name leads there."""
        self.assertEqual(Route(places, certified, host), self.route(name))

    def test_an_address_says_it_all(self) -> None:
        """With or without a port, nobody is asked (step 1, C-70)."""
        self.assert_route("192.0.2.1", "192.0.2.1", "192.0.2.1", ("192.0.2.1", 8448))
        name = "192.0.2.1:80"
        self.assert_route(name, "192.0.2.1", name, ("192.0.2.1", 80))
        self.assert_route("[::1]", "::1", "[::1]", ("::1", 8448))
        self.assert_route("[::1]:80", "::1", "[::1]:80", ("::1", 80))
        self.assertEqual([], self.asked)

    def test_a_port_says_it_all(self) -> None:
        """Then the host is a name, and nobody is asked either (step 2, C-70)."""
        self.resolver.records["_matrix-fed._tcp.a.test"] = [(0, 0, 1, b"x.test")]
        self.assert_route("a.test:80", "a.test", "a.test:80", ("a.test", 80))
        self.assertEqual([], self.asked)

    def test_a_host_delegates_to_an_address(self) -> None:
        """Which is then where it is (step 3.1, C-70)."""
        self.delegate("a.test", "[2001:db8::1]")
        place = ("2001:db8::1", 8448)
        self.assert_route("a.test", place[0], "[2001:db8::1]", place)

    def test_a_host_delegates_to_a_port(self) -> None:
        """Which is then where it is (step 3.2, C-70)."""
        self.delegate("a.test", "b.test:80")
        self.assert_route("a.test", "b.test", "b.test:80", ("b.test", 80))

    def test_a_host_delegates_to_a_name_with_records(self) -> None:
        """The new service before the old one (steps 3.3 and 3.4, C-70)."""
        self.delegate("a.test", "b.test")
        self.resolver.records["_matrix._tcp.b.test"] = [(0, 0, 80, b"old.test")]
        self.assert_route("a.test", "b.test", "b.test", ("old.test", 80))
        self.resolver.records["_matrix-fed._tcp.b.test"] = [(0, 0, 81, b"new.test")]
        self.clock.advance(300)
        self.assert_route("a.test", "b.test", "b.test", ("new.test", 81))

    def test_a_host_delegates_to_a_name_without_records(self) -> None:
        """It is at the port that is for Matrix (step 3.5, C-70)."""
        self.delegate("a.test", "b.test")
        self.assert_route("a.test", "b.test", "b.test", ("b.test", 8448))

    def test_a_host_that_does_not_delegate_may_have_records(self) -> None:
        """They say where, and the certificate is for the host (steps 4, 5, C-70)."""
        self.resolver.records["_matrix._tcp.a.test"] = [(0, 0, 80, b"old.test")]
        self.assert_route("a.test", "a.test", "a.test", ("old.test", 80))
        self.resolver.records["_matrix-fed._tcp.a.test"] = [(0, 0, 81, b"new.test")]
        self.clock.advance(300)
        self.assert_route("a.test", "a.test", "a.test", ("new.test", 81))

    def test_else_it_is_where_its_name_says(self) -> None:
        """At the port that is for Matrix (step 6, C-70)."""
        self.assert_route("a.test", "a.test", "a.test", ("a.test", 8448))

    def test_records_are_tried_by_priority_and_weight(self) -> None:
        """And those that name no host or port are none."""
        self.resolver.records["_matrix-fed._tcp.a.test"] = [
            (20, 0, 80, b"last.test"),
            (10, 1, 80, b"light.test"),
            (10, 9, 80, b"heavy.test"),
            (0, 0, 80, b"."),
            (0, 0, 0, b"no.port"),
        ]
        names = [host for host, _ in self.route("a.test").places]
        self.assertEqual(["heavy.test", "light.test", "last.test"], names)

    def test_a_dns_that_does_not_answer_is_done_without(self) -> None:
        """As if there were no record."""
        self.resolver.records["_matrix-fed._tcp.a.test"] = DNSServerError()
        self.assert_route("a.test", "a.test", "a.test", ("a.test", 8448))

    def test_a_delegation_is_remembered_for_as_long_as_it_counts(self) -> None:
        """And asked for again when that is over (C-70)."""
        self.delegate("a.test", "b.test:80")
        for hours, asked in ((0, 1), (23, 1), (1, 2)):
            self.clock.advance(hours * HOUR)
            self.route("a.test")
            self.assertEqual(asked, len(self.asked))

    def test_a_host_without_an_answer_is_asked_ever_more_seldom(self) -> None:
        """Once an hour at least, so that a new delegation is found (C-70)."""
        self.route("a.test")
        self.clock.advance(299)
        self.route("a.test")
        self.assertEqual(1, len(self.asked))
        for _ in range(48):
            self.clock.advance(HOUR / 2)
            self.route("a.test")
        self.assertLess(len(self.asked), 32)
        self.delegate("a.test", "b.test:80")
        self.clock.advance(HOUR)
        self.assertEqual("b.test:80", self.route("a.test").host)

    def test_what_is_remembered_is_bounded(self) -> None:
        """However many names come in."""
        self.patch(discovery_module, "_MOST", 3)
        for number in range(10):
            self.route(f"host{number}.test")
        self.assertEqual(3, len(self.discovery._said))
        self.assertEqual(3, len(self.discovery._routes))

    def test_the_dns_is_asked_again_after_some_minutes(self) -> None:
        """Not for each request."""
        self.route("a.test")
        self.resolver.records["_matrix-fed._tcp.a.test"] = [(0, 0, 80, b"b.test")]
        self.clock.advance(299)
        self.assertEqual((("a.test", 8448),), self.route("a.test").places)
        self.clock.advance(1)
        self.assertEqual((("b.test", 80),), self.route("a.test").places)
