"""The document with which a host delegates, and how long it counts."""

from __future__ import annotations

from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from matrix_presence.federation.answers import TooLong
from matrix_presence.federation.well_known import NoDelegation, WellKnown
from tests.base import TestCase

MINUTE = 60_000
HOUR = 60 * MINUTE


class Web(Resource):
    """Hosts of the web, as far as they are asked."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.code = 200
        self.headers: dict[str, str] = {}
        self.body = b'{"m.server": "b.test:80"}'
        self.asked: list[tuple[str, bytes]] = []
        self.silent = False

    def render(self, request: Request) -> Any:
        """Always the same, except that redirects end."""
        host = request.getRequestHostname().decode()
        self.asked.append((host, request.uri))
        if self.silent:
            return NOT_DONE_YET
        request.setResponseCode(self.code)
        for name, value in self.headers.items():
            request.setHeader(name, value)
        if host == "elsewhere.test":
            request.setResponseCode(200)
        return self.body


class WellKnownTests(TestCase):
    """Asking a host."""

    def setUp(self) -> None:
        """A host that delegates."""
        self.web = Web()
        self.clock = Clock()
        agent = RequestTraversalAgent(self.web)
        self.well_known = WellKnown(agent, self.clock)

    def fetch(self) -> Deferred[Any]:
        """What a host says."""
        return Deferred.fromCoroutine(self.well_known.fetch("a.test"))

    def valid_for(self, **headers: str) -> int:
        """For how long an answer with these headers counts, ms."""
        self.web.headers = {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return int(self.successResultOf(self.fetch()).valid_for)

    def test_the_name_is_read(self) -> None:
        """Whatever type the answer is said to be of (C-70)."""
        self.web.headers["Content-Type"] = "text/plain"
        self.assertEqual("b.test:80", self.successResultOf(self.fetch()).server_name)
        self.assertEqual([("a.test", b"/.well-known/matrix/server")], self.web.asked)

    def test_it_counts_for_as_long_as_its_headers_say(self) -> None:
        """A day if they do not, and never longer than two (C-70)."""
        self.assertEqual(24 * HOUR, self.valid_for())
        self.assertEqual(HOUR, self.valid_for(Cache_Control="public, max-age=3600"))
        self.assertEqual(48 * HOUR, self.valid_for(Cache_Control="max-age=99999999"))
        self.assertEqual(5 * MINUTE, self.valid_for(Cache_Control="no-store"))
        self.assertEqual(
            2 * HOUR, self.valid_for(Expires="Thu, 01 Jan 1970 02:00:00 GMT")
        )
        self.assertEqual(5 * MINUTE, self.valid_for(Expires="0"))

    def test_redirects_are_followed(self) -> None:
        """To other hosts too (C-70)."""
        self.web.code = 302
        self.web.headers["Location"] = "https://elsewhere.test/there"
        self.assertEqual("b.test:80", self.successResultOf(self.fetch()).server_name)
        self.assertEqual(("elsewhere.test", b"/there"), self.web.asked[-1])

    def test_redirects_in_a_circle_end(self) -> None:
        """After a few of them (C-70)."""
        self.web.code = 301
        self.web.headers["Location"] = "/round"
        self.failureResultOf(self.fetch(), NoDelegation)
        self.assertEqual(6, len(self.web.asked))

    def test_redirects_do_not_lead_away_from_https(self) -> None:
        """Nor to files or to nowhere (C-71)."""
        self.web.code = 307
        for location in ("http://elsewhere.test/", "file:///etc/passwd"):
            self.web.headers["Location"] = location
            self.failureResultOf(self.fetch(), NoDelegation)

    def test_what_names_no_server_is_no_delegation(self) -> None:
        """Other statuses, other JSON, no JSON, names that are none (C-70)."""
        for body in (b"", b"[]", b"{}", b'{"m.server": 1}', b'{"m.server": "a/b"}'):
            self.web.body = body
            self.failureResultOf(self.fetch(), NoDelegation)
        self.web.code = 404
        self.failureResultOf(self.fetch(), NoDelegation)

    def test_a_long_answer_is_not_read(self) -> None:
        """It could be endless (C-70)."""
        self.web.body = b" " * 60_000
        self.failureResultOf(self.fetch(), TooLong)

    def test_a_host_that_does_not_answer_is_given_up(self) -> None:
        """After some seconds."""
        self.web.silent = True
        fetching = self.fetch()
        self.assertNoResult(fetching)
        self.clock.advance(15)
        self.failureResultOf(fetching)
