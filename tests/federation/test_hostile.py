"""Servers that mean no good: too much, too slow, too deep, or what others once said."""

from __future__ import annotations

from typing import Any

from canonicaljson import encode_canonical_json

from matrix_presence.wire.x_matrix import sign_request
from tests.federation.test_transactions import EDU, SEND, ServersTestCase
from tests.web.connection import Connection

LIMIT = 20_000
TIME_OUT = 30.0
KEYS = "/_matrix/key/v2/query"


class HostileTests(ServersTestCase):
    """One server, and connections to it; nothing of what comes may be applied."""

    def connect(self) -> Connection:
        """A connection to a site with limits that are soon reached."""
        return Connection(
            self.there.router, self.clock, body_limit=LIMIT, time_out=TIME_OUT
        )

    def signed(self, content: Any, txn_id: str = "1") -> bytes:
        """A whole request of a transaction, as the other server would send it."""
        body = content if isinstance(content, bytes) else encode_canonical_json(content)
        path = SEND + txn_id
        said = sign_request("PUT", path, "here", "there", self.here.own.key, body)
        return self.request("PUT", path, body, said.header())

    def request(
        self, method: str, path: str, body: bytes, authorization: bytes = b""
    ) -> bytes:
        """The bytes of a request."""
        lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: there"]
        if authorization:
            lines.append(b"Authorization: " + authorization)
        return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])

    def assert_nothing_came(self) -> None:
        """Neither EDUs nor PDUs were passed on, and nobody was heard of."""
        self.assertEqual(
            ([], [], []), (self.there.edus, self.there.pdus, self.there.heard)
        )

    def test_a_body_above_the_limit_is_refused_before_it_is_there(self) -> None:
        """With 413, although its signature would have been right (C-43)."""
        padded = EDU | {"content": {"much": "x" * LIMIT}}
        whole = self.signed({"pdus": [], "edus": [padded]})
        connection = self.connect()
        connection.send(whole[:2000])
        (response,) = connection.responses()
        self.assertEqual((413, "M_TOO_LARGE"), (response.status, response.errcode))
        connection.send(whole[2000:])
        self.assertEqual([], connection.responses())
        self.assert_nothing_came()
        connection.hang_up()

    def test_a_body_of_unknown_length_is_limited_too(self) -> None:
        """It is counted as it comes (C-43)."""
        head = self.signed({"pdus": []}).partition(b"Content-Length")[0]
        connection = self.connect()
        connection.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(30):
            connection.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        self.assertIn(413, [one.status for one in connection.responses()])
        self.assert_nothing_came()
        connection.hang_up()

    def test_a_body_that_comes_in_drops_is_given_up(self) -> None:
        """After the time that a request has; others are served meanwhile."""
        slow, body = self.connect(), self.signed({"pdus": [], "edus": [EDU]})
        slow.send(body[:-60])
        for start in range(len(body) - 60, len(body) - 20):
            self.clock.advance(1)
            if slow.open:
                slow.send(body[start : start + 1])
            if start % 10 == 0:
                quick = self.connect()
                quick.send(self.request("GET", "/_matrix/key/v2/server", b""))
                self.assertEqual(200, quick.responses()[0].status)
                quick.hang_up()
        self.assertFalse(slow.open)
        self.assert_nothing_came()
        slow.hang_up()

    def test_a_body_that_breaks_off_is_nothing(self) -> None:
        """However little of it is missing."""
        whole = self.signed({"pdus": [], "edus": [EDU]})
        for length in (1, 50, len(whole) - 1):
            connection = self.connect()
            connection.send(whole[:length])
            connection.hang_up()
        self.assert_nothing_came()

    def test_a_deep_body_is_refused(self) -> None:
        """With 400, whether it is signed or not, and at no cost (C-95)."""
        for body in (b"[" * 9000, b'{"a":' * 3000, b'{"pdus":' + b"[" * 9000):
            connection = self.connect()
            connection.send(self.signed(body))
            (response,) = connection.responses()
            self.assertEqual(400, response.status)
            connection.hang_up()
        self.assert_nothing_came()

    def test_what_was_sent_once_is_taken_once(self) -> None:
        """Whoever sends it again, on whatever connection (C-42, C-43)."""
        whole = self.signed({"pdus": [], "edus": [EDU]})
        for _ in range(5):
            connection = self.connect()
            connection.send(whole)
            self.assertEqual(200, connection.responses()[0].status)
            connection.hang_up()
        self.assertEqual(1, len(self.there.edus))
        # Under another id the signature is not right any more.
        connection = self.connect()
        connection.send(whole.replace(b"/send/1 ", b"/send/2 "))
        self.assertEqual(401, connection.responses()[0].status)
        self.assertEqual(1, len(self.there.edus))
        connection.hang_up()

    def test_pipelined_requests_are_judged_one_by_one(self) -> None:
        """A right one does not vouch for the wrong one behind it (C-54)."""
        right = self.signed({"pdus": [], "edus": [EDU]})
        wrong = self.request("PUT", SEND + "2", b'{"pdus":[],"edus":[{}]}')
        connection = self.connect()
        connection.send(right + wrong)
        self.assertEqual([200, 401], [one.status for one in connection.responses()])
        self.assertEqual([EDU], [edu for _, edu, _ in self.there.edus])
        connection.hang_up()

    def test_one_query_for_keys_makes_us_ask_few_servers(self) -> None:
        """Nobody uses us to knock at a thousand doors at once (C-62)."""
        wanted: dict[str, Any] = {f"s{number}.test": {} for number in range(500)}
        wanted |= {"no name": {}, "../../": {}}
        body = encode_canonical_json({"server_keys": wanted})
        connection = self.connect()
        connection.send(self.request("POST", KEYS, body))
        (response,) = connection.responses()
        self.assertEqual({"server_keys": []}, response.json)
        self.assertLessEqual(len(self.internet.asked), 50)
        connection.hang_up()

    def test_a_header_of_kilobytes_is_no_signature(self) -> None:
        """Nor are many of them, nor ones that name the same thing twice (C-53)."""
        headers = (
            b"X-Matrix " + b"origin=here," * 1000,
            b'X-Matrix origin="' + b"a" * 10_000 + b'",key="ed25519:1",sig="A"',
            b"X-Matrix x\r\nAuthorization: " * 100 + b"X-Matrix x",
        )
        for header in headers:
            connection = self.connect()
            connection.send(self.request("PUT", SEND + "1", b'{"pdus":[]}', header))
            for response in connection.responses():
                self.assertIn(response.status, (400, 401))
            connection.hang_up()
        self.assert_nothing_came()
