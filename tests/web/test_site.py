"""Tests of matrix_presence.web.site and request."""

from __future__ import annotations

import logging

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import Request

from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.web.site import matrix_site
from tests.base import TestCase
from tests.web.connection import Connection


class SiteTestCase(TestCase):
    """A site with a body limit of 100 bytes and a time-out of 10 s."""

    def setUp(self) -> None:
        """One connection to it."""
        self.router = Router()
        self.router.add("PUT", "x", self.put)
        self.router.add("GET", "wait", self.wait)
        self.waits_for: Deferred[None] = Deferred()
        self.clock = Clock()
        self.connection = self.connect()

    def connect(self) -> Connection:
        """A connection to a site of its own."""
        return Connection(self.router, self.clock, body_limit=100, time_out=10)

    async def put(self, call: Call) -> Answer:
        """What was put."""
        return 200, call.json()

    async def wait(self, call: Call) -> Answer:
        """Nothing, after a while."""
        await self.waits_for
        return 200, {}


class BodyTests(SiteTestCase):
    """Bodies, their limit and the ways they come."""

    def test_announced_body_over_the_limit_is_refused_at_once(self) -> None:
        """A Content-Length over the limit is 413 before a byte of it was sent."""
        self.connection.send(b"PUT /x HTTP/1.1\r\nContent-Length: 101\r\n\r\n")
        (response,) = self.connection.responses()
        self.assertEqual((response.status, response.errcode), (413, "M_TOO_LARGE"))
        self.assertEqual(response.headers["Connection"], "close")
        self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")

    def test_refused_body_is_dropped_and_the_connection_closed_after_it(self) -> None:
        """The rest of a refused body is read, so that the client reads the refusal."""
        self.connection.send(b"PUT /x HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        self.connection.send(b"a" * 999)
        self.assertTrue(self.connection.open)
        self.connection.send(b"a")
        self.assertFalse(self.connection.open)
        self.assertEqual(len(self.connection.responses()), 1)

    def test_endless_body_is_cut_off(self) -> None:
        """Who goes on sending long after the refusal is disconnected."""
        self.connection.send(b"PUT /x HTTP/1.1\r\nContent-Length: 99999\r\n\r\n")
        self.connection.send(b"a" * 1601)
        self.assertFalse(self.connection.open)

    def test_chunked_body_over_the_limit_is_refused_as_it_grows(self) -> None:
        """Chunks are counted while they come; the first one too many is 413."""
        self.connection.send(b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.connection.send(b"64\r\n" + b" " * 100 + b"\r\n")
        self.assertEqual(self.connection.responses(), [])
        self.connection.send(b"1\r\n \r\n")
        (response,) = self.connection.responses()
        self.assertEqual((response.status, response.errcode), (413, "M_TOO_LARGE"))
        self.connection.send(b"0\r\n\r\n")
        self.assertFalse(self.connection.open)
        self.assertEqual(self.connection.responses(), [])

    def test_chunked_body_is_taken(self) -> None:
        """A body in chunks is one body."""
        self.connection.send(b"PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.connection.send(b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n')
        (response,) = self.connection.responses()
        self.assertEqual(response.json, {"a": 1})

    def test_client_that_asks_first_is_told_to_continue(self) -> None:
        """`Expect: 100-continue` gets its 100, then the answer."""
        self.connection.send(
            b"PUT /x HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        self.assertEqual(self.connection.received(), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.connection.send(b"{}")
        (response,) = self.connection.responses()
        self.assertEqual(response.status, 200)

    def test_client_that_asks_first_is_not_told_to_continue_with_too_much(self) -> None:
        """An announced body over the limit gets the 413 instead of the 100."""
        self.connection.send(
            b"PUT /x HTTP/1.1\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n"
        )
        (response,) = self.connection.responses()
        self.assertEqual(response.status, 413)
        self.assertFalse(self.connection.open)


class ConnectionTests(SiteTestCase):
    """Several requests on one connection, and old clients."""

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        """Requests sent at once are answered one after the other."""
        one, two = (
            b"PUT /x HTTP/1.1\r\nContent-Length: 7\r\n\r\n" + b'{"a":%d}' % n
            for n in (1, 2)
        )
        self.connection.send(b"GET /wait HTTP/1.1\r\n\r\n" + one + two)
        self.assertEqual(self.connection.responses(), [])
        self.waits_for.callback(None)
        answers = [response.json for response in self.connection.responses()]
        self.assertEqual(answers, [{}, {"a": 1}, {"a": 2}])

    def test_client_that_wants_to_close_is_told_so(self) -> None:
        """`Connection: close` closes after the answer, which says so."""
        self.connection.send(
            b"PUT /x HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        )
        (response,) = self.connection.responses()
        self.assertEqual(response.headers["Connection"], "close")
        self.assertEqual(response.headers["Date"], "Thu, 01 Jan 1970 00:00:00 GMT")
        self.assertFalse(self.connection.open)

    def test_http_1_0_is_answered(self) -> None:
        """A client of HTTP/1.0 gets its answer and the end of the connection."""
        self.connection.send(b"PUT /x HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}")
        self.assertTrue(self.connection.transport.value().startswith(b"HTTP/1.0 200"))
        self.assertTrue(self.connection.transport.value().endswith(b"\r\n\r\n{}"))
        self.assertFalse(self.connection.open)

    def test_other_resources_are_served(self) -> None:
        """Any twisted.web resource answers on the same site, with a Date."""

        class Plain(Resource):
            isLeaf = True

            def render_GET(self, request: Request) -> bytes:
                """Text, and how the path was split."""
                return b",".join(request.postpath or [])

        connection = Connection(Plain(), self.clock)
        response = connection.request("GET", "/a%2Fb/c")
        self.assertEqual((response.status, response.body), (200, b"a/b,c"))
        self.assertIn("Date", response.headers)
        self.assertNotIn("Server", response.headers)

    def test_only_http_1_1_is_negotiated(self) -> None:
        """TLS is never offered HTTP/2."""
        site = matrix_site(self.router, self.clock)
        self.assertEqual(site.acceptableProtocols(), [b"http/1.1"])


class TimeOutTests(SiteTestCase):
    """Slow clients."""

    def test_silent_client_is_dropped(self) -> None:
        """A connection without a request ends after the time-out."""
        self.clock.advance(9)
        self.assertTrue(self.connection.open)
        self.clock.advance(1)
        self.assertFalse(self.connection.open)

    def test_dripping_client_is_dropped(self) -> None:
        """Bytes now and then do not keep a request alive beyond the time-out."""
        self.clock.advance(8)
        for _ in range(3):
            self.connection.send(b"P")
            self.clock.advance(3)
        self.assertTrue(self.connection.open)
        self.clock.advance(1)
        self.assertFalse(self.connection.open)

    def test_long_poll_is_not_timed_out(self) -> None:
        """How long an answer takes is no business of the time-out."""
        self.connection.start("GET", "/wait")
        self.clock.advance(100)
        self.assertTrue(self.connection.open)
        self.waits_for.callback(None)
        self.assertEqual(len(self.connection.responses()), 1)
        self.clock.advance(9)
        self.assertTrue(self.connection.open)
        self.clock.advance(1)
        self.assertFalse(self.connection.open)

    def test_each_request_has_its_own_time(self) -> None:
        """A client that goes on asking stays connected."""
        for _ in range(5):
            self.clock.advance(9)
            self.assertEqual(self.connection.request("PUT", "/x", {}).status, 200)

    def test_idle_connections_leave_the_others_alone(self) -> None:
        """A thousand idle connections change nothing for one that asks."""
        idle = [self.connect() for _ in range(1000)]
        self.assertEqual(self.connection.request("PUT", "/x", {}).status, 200)
        self.clock.advance(10)
        self.assertEqual([one for one in idle if one.open], [])


class ClosingTests(SiteTestCase):
    """A site that is to end."""

    def close(self) -> Deferred[None]:
        """Close it, within five seconds."""
        site = self.connection.channel.site
        closed: Deferred[None] = site.close(5)
        return closed

    def test_idle_connections_are_closed(self) -> None:
        """Nobody waits for anything on them; nothing is left of it."""
        self.assertEqual(self.connection.request("PUT", "/x", {}).status, 200)
        closed = self.close()
        self.assertFalse(self.connection.open)
        self.assertNoResult(closed)
        self.connection.hang_up()
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody_is_connected(self) -> None:
        """Then there is nothing to wait for."""
        self.connection.hang_up()
        self.successResultOf(self.close())

    def test_what_was_asked_is_answered(self) -> None:
        """The answer says that it is the last, and the connection is closed after."""
        self.connection.start("GET", "/wait")
        closed = self.close()
        self.assertTrue(self.connection.open)
        self.waits_for.callback(None)
        (response,) = self.connection.responses()
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Connection"], "close")
        self.assertFalse(self.connection.open)
        self.connection.hang_up()
        self.successResultOf(closed)

    def test_what_is_being_asked_is_answered(self) -> None:
        """Also a request of which the rest comes after."""
        self.connection.send(b"PUT /x HTTP/1.1\r\nHost: a\r\n")
        self.close()
        self.connection.send(b"Content-Length: 2\r\n\r\n{}")
        (response,) = self.connection.responses()
        self.assertEqual(response.status, 200)
        self.assertEqual(response.headers["Connection"], "close")
        self.assertFalse(self.connection.open)

    def test_no_answer_is_waited_for_too_long(self) -> None:
        """When the time is up, what is still open is cut off."""
        self.connection.start("GET", "/wait")
        closed = self.close()
        self.clock.advance(4.9)
        self.assertNoResult(closed)
        self.clock.advance(0.2)
        self.successResultOf(closed)
        self.assertTrue(self.connection.transport.disconnected)
        self.connection.hang_up()


class AccessLogTests(SiteTestCase):
    """The line for each answer."""

    def test_line_holds_no_token(self) -> None:
        """At INFO each answer is a line: client, path without query, status, bytes."""
        with self.assertLogs("matrix_presence.web.site", logging.INFO) as logs:
            self.connection.request("PUT", "/x?access_token=secret", {})
        (record,) = logs.records
        self.assertEqual(record.getMessage(), '198.51.100.7 "PUT /x" 200 2')
