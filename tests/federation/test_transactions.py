"""Servers that talk to each other over HTTP: transactions, signatures, keys."""

from __future__ import annotations

import json
from typing import Any

from canonicaljson import encode_canonical_json
from hypothesis import given
from hypothesis import strategies as st
from signedjson.key import generate_signing_key, get_verify_key
from signedjson.sign import verify_signed_json
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.web.client import ResponseNeverReceived
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from matrix_presence.errors import Unauthorized
from matrix_presence.federation.client import (
    AnswerLost,
    BadAnswer,
    FederationClient,
    FederationError,
    Refused,
    Unreachable,
)
from matrix_presence.federation.link import FederationLink
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.interfaces import Requester
from matrix_presence.testing import MemoryPresence
from matrix_presence.wire.edu import packed
from matrix_presence.wire.x_matrix import sign_request
from tests.base import TestCase
from tests.federation.rig import PLAIN, advance, edu
from tests.federation.servers import Internet, Server
from tests.web.connection import Connection, Response

SEND = "/_matrix/federation/v1/send/"
EDU = {"edu_type": "m.test", "content": {"ü": 1}}


class ServersTestCase(TestCase):
    """Two servers, and a way to send one of them what no server would."""

    def setUp(self) -> None:
        """Start them."""
        self.clock = Clock()
        self.clock.advance(1_790_000_000)
        self.internet = Internet()
        self.here = self.add("here")
        self.there = self.add("there")

    def add(self, name: str, *notaries: str) -> Server:
        """One more server."""
        return Server(self.internet, self.clock, name, *notaries)

    def raw(
        self,
        method: str,
        path: str,
        content: Any = None,
        authorization: bytes | None = None,
    ) -> Response:
        """Send this to the other server, however wrong it is."""
        body = b"" if content is None else content
        if not isinstance(body, bytes):
            body = encode_canonical_json(body)
        lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: there"]
        if authorization is not None:
            lines.append(b"Authorization: " + authorization)
        lines += [b"Content-Length: %d" % len(body), b"", body]
        connection = Connection(self.there.router, self.clock)
        connection.send(b"\r\n".join(lines))
        (response,) = connection.responses()
        connection.hang_up()
        return response

    def send(self, sent: Any, txn_id: str = "1", **changes: Any) -> Response:
        """A signed transaction to the other server, of which something may differ.

        Changes are arguments of `sign_request`; what is sent stays as it is.
        """
        path = SEND + txn_id
        signed: dict[str, Any] = {
            "method": "PUT",
            "uri": path,
            "origin": "here",
            "destination": "there",
            "key": self.here.own.key,
            "content": encode_canonical_json(sent),
        }
        header = sign_request(**(signed | changes)).header()
        return self.raw("PUT", path, sent, header)


class TransactionTests(ServersTestCase):
    """What a transaction brings, and how it is answered."""

    def test_edus_arrive_with_their_origin(self) -> None:
        """Sent by one, taken by the other, with the time it was sent (C-40, C-51)."""
        sending = self.here.link.send("there", [EDU, EDU])
        self.assertIsNone(self.successResultOf(sending))
        edus = [("here", EDU, self.here.now())] * 2
        self.assertEqual(edus, self.there.edus)
        self.assertEqual(["here"], self.there.heard)

    def test_edus_that_are_encoded_already_are_not_encoded_again(self) -> None:
        """What is signed is what all destinations are sent (C-40, C-50)."""
        edus, _ = packed([{"user_id": "@a:here", "presence": "online", "x": "ü"}])
        self.successResultOf(self.here.link.send("there", edus))
        self.assertEqual(list(edus), [said for _, said, _ in self.there.edus])

    def test_every_transaction_has_an_id_of_its_own(self) -> None:
        """Also in the next life of the server (C-42)."""
        for _ in range(2):
            link = FederationLink(self.here.client, self.clock)
            for _ in range(2):
                self.successResultOf(link.send("there", [EDU]))
            self.clock.advance(1)
        self.assertEqual(4, len(self.there.edus))

    def test_pdus_are_answered_one_by_one(self) -> None:
        """With 200, whatever becomes of them (C-41)."""
        response = self.send({"pdus": [{}, {}], "edus": [EDU]})
        self.assertEqual(200, response.status)
        error = {"error": "no"}
        self.assertEqual({"pdus": {"$0": error, "$1": error}}, response.json)
        self.assertEqual([("here", [{}, {}])], self.there.pdus)
        self.assertEqual([("here", EDU, None)], self.there.edus)

    def test_the_same_transaction_is_taken_once(self) -> None:
        """And answered the same, whatever it says the second time (C-43)."""
        first = self.send({"pdus": [{}]}, "t")
        again = self.send({"pdus": [{}, {}], "edus": [EDU]}, "t")
        self.assertEqual(first.json, again.json)
        self.assertEqual(1, len(self.there.pdus))
        self.assertEqual([], self.there.edus)

    def test_the_same_id_of_another_server_is_another_transaction(self) -> None:
        """Ids belong to their origin (C-43)."""
        other = self.add("other")
        self.send({"pdus": [], "edus": [EDU]}, "t")
        self.send({"pdus": [], "edus": [EDU]}, "t", origin="other", key=other.own.key)
        self.assertEqual(
            ["here", "other"], [origin for origin, _, _ in self.there.edus]
        )

    def test_a_transaction_that_is_still_being_taken_is_not_taken_again(self) -> None:
        """The second request waits for the answer of the first (C-43)."""
        held = self.there.held = Deferred()
        content: dict[str, Any] = {"pdus": [{}]}
        path = SEND + "t"
        body = encode_canonical_json(content)
        said = sign_request("PUT", path, "here", "there", self.here.own.key, body)
        request = b"PUT %b HTTP/1.1\r\nAuthorization: %b\r\nContent-Length: %d\r\n\r\n"
        data = request % (path.encode(), said.header(), len(body)) + body
        connections = [Connection(self.there.router, self.clock) for _ in range(3)]
        for connection in connections:
            connection.send(data)
        # The one that began it goes away.
        connections[0].hang_up()
        held.callback(None)
        for connection in connections[1:]:
            (response,) = connection.responses()
            self.assertEqual(200, response.status)
        self.assertEqual(1, len(self.there.pdus))

    def test_a_slash_at_the_end_is_no_other_path(self) -> None:
        """Old servers sent one (C-44)."""
        content = {"pdus": [], "edus": [EDU]}
        self.assertEqual(200, self.send(content, "t/").status)
        self.assertEqual(200, self.send(content, "t").status)
        self.assertEqual(1, len(self.there.edus))

    def test_too_much_at_once_is_refused(self) -> None:
        """More than fifty PDUs or a hundred EDUs are none at all (C-43)."""
        contents: list[Any] = [
            {"pdus": [{}] * 51},
            {"pdus": [], "edus": [EDU] * 101},
        ]
        for content in contents:
            self.assertEqual(400, self.send(content).status)
        self.assertEqual(([], []), (self.there.pdus, self.there.edus))
        most = {"pdus": [{}] * 50, "edus": [EDU] * 100}
        self.assertEqual(200, self.send(most).status)

    def test_what_is_no_transaction_is_refused(self) -> None:
        """The list of PDUs has to be there, and lists have to be lists (C-40)."""
        contents: list[Any] = [{}, {"pdus": {}}, {"pdus": [], "edus": {}}]
        for content in contents:
            response = self.send(content)
            self.assertEqual((400, "M_BAD_JSON"), (response.status, response.errcode))

    def test_an_edu_never_fails_a_transaction(self) -> None:
        """The others are taken all the same (C-4)."""
        response = self.send({"pdus": [], "edus": [EDU, None, EDU]})
        self.assertEqual(200, response.status)
        self.assertEqual(2, len(self.there.edus))
        self.assertEqual(1, len(self.logged_errors()))

    def test_answers_that_are_remembered_are_bounded(self) -> None:
        """A few of each origin: it waits for one before it sends the next (C-42)."""
        for number in range(20):
            self.send({"pdus": []}, f"t{number}")
        (answers,) = self.there.transactions._answers.values()
        self.assertEqual(4, len(answers))

    def test_what_is_not_there_is_not_recognized(self) -> None:
        """404 for paths, 405 for methods, as JSON (C-55)."""
        missing = self.raw("GET", "/_matrix/federation/v1/no_such_thing")
        self.assertEqual((404, "M_UNRECOGNIZED"), (missing.status, missing.errcode))
        wrong = self.raw("POST", SEND + "1", {})
        self.assertEqual((405, "M_UNRECOGNIZED"), (wrong.status, wrong.errcode))
        self.assertEqual("application/json", wrong.headers["Content-Type"])


class SignatureTests(ServersTestCase):
    """Requests that are not what they say."""

    def assert_refused(self, response: Response) -> None:
        """Nothing of it was taken, and nobody was heard from."""
        self.assertEqual((401, "M_UNAUTHORIZED"), (response.status, response.errcode))
        self.assertEqual(
            ([], [], []), (self.there.edus, self.there.pdus, self.there.heard)
        )

    def test_a_request_without_a_signature_is_refused(self) -> None:
        """Whatever it holds (C-54)."""
        self.assert_refused(self.raw("PUT", SEND + "1", {"pdus": []}))
        self.assert_refused(self.raw("PUT", SEND + "1", b"no json"))
        token = self.raw("PUT", SEND + "1", {"pdus": []}, b"Bearer token")
        self.assert_refused(token)

    def test_a_request_that_was_signed_as_another_is_refused(self) -> None:
        """Method, path, body, destination, origin and key count (C-50, C-54)."""
        content = {"pdus": [], "edus": [EDU]}
        self.add("other")
        for changes in (
            {"method": "POST"},
            {"uri": SEND + "2"},
            {"content": b"{}"},
            {"content": None},
            {"destination": "other"},
            {"origin": "other"},
            {"origin": "nobody"},
            {"key": generate_signing_key("a_1")},
            {"key": generate_signing_key("b_2")},
        ):
            self.assert_refused(self.send(content, **changes))

    def test_a_request_for_another_server_is_refused(self) -> None:
        """Although its signature is right (C-52)."""
        content = {"pdus": [], "edus": [EDU]}
        response = self.send(content, destination="other")
        self.assert_refused(response)
        self.assertIn("for another server", response.json["error"])

    def test_a_request_that_does_not_say_for_whom_it_is_is_taken(self) -> None:
        """Its signature says it (C-52)."""
        path, content = SEND + "1", {"pdus": [], "edus": [EDU]}
        body = encode_canonical_json(content)
        said = sign_request("PUT", path, "here", "there", self.here.own.key, body)
        header = said.header().replace(b'destination="there",', b"")
        self.assertEqual(200, self.raw("PUT", path, content, header).status)

    def test_one_right_signature_of_several_is_enough(self) -> None:
        """A server that changes its key may sign with both (C-53)."""
        path = SEND + "1"
        content: dict[str, Any] = {"pdus": []}
        body = encode_canonical_json(content)
        headers = [
            sign_request("PUT", path, "here", "there", key, body).header()
            for key in (generate_signing_key("b_2"), self.here.own.key)
        ]
        both = b"\r\nAuthorization: ".join(headers)
        self.assertEqual(200, self.raw("PUT", path, content, both).status)
        wrong = b"\r\nAuthorization: ".join(headers[:1] * 2)
        self.there.heard.clear()
        self.assert_refused(self.raw("PUT", path, content, wrong))

    def test_what_is_checked_is_what_is_used(self) -> None:
        """Of a key that comes twice, one value counts for both (C-95)."""
        path = SEND + "1"
        body = encode_canonical_json({"pdus": [], "edus": []})
        said = sign_request("PUT", path, "here", "there", self.here.own.key, body)
        twice = b'{"edus":[],"pdus":[],"edus":[{"edu_type":"m.test","content":{}}]}'
        self.assert_refused(self.raw("PUT", path, twice, said.header()))
        spaced = b'{ "pdus": [], "edus": [{}], "edus": [] }'
        response = self.raw("PUT", path, spaced, said.header())
        self.assertEqual((200, []), (response.status, self.there.edus))

    def test_a_body_that_is_no_json_is_refused(self) -> None:
        """Lone surrogates and numbers that are none among them (C-95)."""
        said = sign_request("PUT", SEND + "1", "here", "there", self.here.own.key)
        for body in (b"", b"{", b"[]", b'{"a":"\\ud800"}', b'{"a":NaN}', b"\xff"):
            response = self.raw("PUT", SEND + "1", body, said.header())
            self.assertEqual(400, response.status, body)

    def test_a_server_whose_keys_cannot_be_had_is_refused(self) -> None:
        """And taken once they can (C-54)."""
        self.internet.down.add(b"here")
        content: dict[str, Any] = {"pdus": []}
        self.assert_refused(self.send(content))
        self.internet.down.clear()
        self.clock.advance(120)
        self.assertEqual(200, self.send(content).status)

    def test_a_server_may_change_its_key(self) -> None:
        """What it signs with the new one is taken, with the old one no more (C-61)."""
        old = self.here.own.key
        self.assertEqual(200, self.send({"pdus": []}, "1").status)
        self.here.rotate("b_2")
        self.clock.advance(120)
        self.assertEqual(200, self.send({"pdus": []}, "2").status)
        self.there.heard.clear()
        self.assert_refused(self.send({"pdus": []}, "3", key=old))

    def test_a_key_is_not_valid_for_ever(self) -> None:
        """A server that is gone signs nothing after its keys ran out (C-61)."""
        self.assertEqual(200, self.send({"pdus": []}, "1").status)
        self.internet.down.add(b"here")
        self.assertEqual(200, self.send({"pdus": []}, "2").status)
        self.there.heard.clear()
        self.clock.advance(8 * 24 * 3600)
        self.assert_refused(self.send({"pdus": []}, "3"))

    @given(st.binary())
    def test_any_header_is_refused(self, value: bytes) -> None:
        """Whatever it is, with nothing but the refusal (C-53, C-54)."""
        authentication = self.there.authentication
        for header in (value, b"X-Matrix " + value):
            asked = authentication.origin_of("GET", "/", [header], None)
            self.failureResultOf(Deferred.fromCoroutine(asked), Unauthorized)


class KeyEndpointTests(ServersTestCase):
    """What anybody may ask."""

    def test_keys_are_published(self) -> None:
        """At the old path too (C-60)."""
        document = self.raw("GET", "/_matrix/key/v2/server").json
        verify_signed_json(document, "there", get_verify_key(self.there.own.key))
        old = self.raw("GET", "/_matrix/key/v2/server/ed25519:a_1").json
        self.assertEqual(document, old)
        self.assertGreater(document["valid_until_ts"], self.there.now())

    def test_the_document_is_made_anew_in_time(self) -> None:
        """It is never about to run out (C-60)."""
        for _ in range(10):
            self.clock.advance(5 * 3600)
            document = self.raw("GET", "/_matrix/key/v2/server").json
            left = document["valid_until_ts"] - self.there.now()
            self.assertGreaterEqual(left, 12 * 3_600_000)

    def test_the_version_is_told(self) -> None:
        """To anybody (C-63)."""
        response = self.raw("GET", "/_matrix/federation/v1/version")
        server = {"name": "matrix_presence", "version": "1.0"}
        self.assertEqual({"server": server}, response.json)

    def test_the_keys_of_others_are_told(self) -> None:
        """One server by GET, several by POST, each signed by both (C-62)."""
        path = "/_matrix/key/v2/query"
        one = self.raw("GET", f"{path}/here?minimum_valid_until_ts=5").json
        (document,) = one["server_keys"]
        for server in (self.here, self.there):
            verify_signed_json(document, server.name, get_verify_key(server.own.key))
        wanted = {"here": {"ed25519:a_1": {"minimum_valid_until_ts": 5}}, "no": {}}
        many = self.raw("POST", path, {"server_keys": wanted}).json
        self.assertEqual(one, many)

    def test_queries_that_make_no_sense_are_refused(self) -> None:
        """What is no object of objects, and times that are none (C-62)."""
        path = "/_matrix/key/v2/query"
        for content in (b"{}", b'{"server_keys":[]}', b'{"server_keys":{"a":[]}}'):
            self.assertEqual(400, self.raw("POST", path, content).status)
        query = "?minimum_valid_until_ts=soon"
        self.assertEqual(400, self.raw("GET", f"{path}/here{query}").status)

    def test_a_notary_lets_a_server_be_believed_that_does_not_answer(self) -> None:
        """Those who trust the notary can check its requests (C-62)."""
        self.raw("GET", "/_matrix/key/v2/query/here")
        third = self.add("third", "there")
        self.internet.down.add(b"here")
        self.successResultOf(self.here.link.send("third", [EDU]))
        self.assertEqual([("here", EDU, self.here.now())], third.edus)


class Odd(Resource):
    """Answers as it is told to."""

    isLeaf = True
    code, body = 200, b"{}"

    def render(self, request: Any) -> Any:
        """That answer; none if there is no body."""
        request.setResponseCode(self.code)
        return self.body or NOT_DONE_YET


class ClientTests(ServersTestCase):
    """Answers that are of no use."""

    def ask(self, code: int, body: bytes) -> Deferred[Any]:
        """Ask a server that answers this."""
        odd = Odd()
        odd.code, odd.body = code, body
        server = self.add("odd")
        server.router.render = odd.render  # type: ignore[method-assign]
        return Deferred.fromCoroutine(self.here.client.get("odd", "/_matrix/x"))

    def test_a_refusal_says_what_was_answered(self) -> None:
        """With the words of the server, if it has any."""
        body = json.dumps({"errcode": "M_FORBIDDEN", "error": "no"}).encode()
        refused = self.failureResultOf(self.ask(403, body), Refused).value
        self.assertEqual("answered 403 M_FORBIDDEN no", str(refused))
        for errcode in (b"7", b"[" * 1020 + b"]" * 1020):
            odd = self.ask(500, b'{"error": {}, "errcode": %b}' % errcode)
            refused = self.failureResultOf(odd, Refused).value
            self.assertEqual("answered 500", str(refused))
        refused = self.failureResultOf(self.ask(502, b"<html>"), Refused).value
        self.assertEqual((502, "answered 502"), (refused.status, str(refused)))

    def test_redirects_are_not_followed(self) -> None:
        """No server may have us sign for another."""
        self.failureResultOf(self.ask(302, b"{}"), Refused)

    def test_what_is_no_json_object_is_no_answer(self) -> None:
        """Nor is one that is too long to be read."""
        for body in (b"<html>", b"[]", b"null", b'{"a": "' + b"a" * 300_000 + b'"}'):
            self.failureResultOf(self.ask(200, body), BadAnswer)

    def test_a_server_that_does_not_answer_is_given_up(self) -> None:
        """After half a minute."""
        asking = self.ask(200, b"")
        self.clock.advance(29)
        self.assertNoResult(asking)
        self.clock.advance(1)
        self.failureResultOf(asking, Unreachable)

    def test_a_server_that_is_down_is_unreachable(self) -> None:
        """At once, and without another try."""
        self.internet.down.add(b"there")
        sending = self.here.link.send("there", [EDU])
        self.assertNotIsInstance(
            self.failureResultOf(sending, Unreachable).value, AnswerLost
        )

    def test_what_is_no_server_name_is_not_asked(self) -> None:
        """It could lead anywhere."""
        for name in ("there/_matrix/x?", "u:p@there", "there#", "thëre", ""):
            self.failureResultOf(self.here.link.send(name, [EDU]), Unreachable)
        self.assertEqual([], self.internet.asked)

    def test_a_lost_answer_is_asked_for_again(self) -> None:
        """With the same transaction, which is taken once (C-42, C-43)."""
        request = self.internet.request
        lost: list[Any] = []

        def lose(*args: Any) -> Any:
            answer = request(*args)
            if b"/send/" not in args[1] or lost:
                return answer
            lost.append(self.successResultOf(answer))
            return fail(ResponseNeverReceived([]))

        self.patch(self.internet, "request", lose)
        sending = self.here.link.send("there", [EDU])
        self.assertNoResult(sending)
        self.clock.advance(0.5)
        self.successResultOf(sending)
        self.assertEqual(1, len(self.there.edus))
        sent = [path for _, path in self.internet.asked if b"/send/" in path]
        self.assertEqual(2, len(sent))
        self.assertEqual(1, len(set(sent)))

    def test_whoever_waits_no_more_ends_the_request(self) -> None:
        """Nothing is left of it."""
        asking = self.ask(200, b"")
        asking.cancel()
        self.failureResultOf(asking)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_errors_of_the_agent_are_errors_of_federation(self) -> None:
        """Whatever it takes to connect, whoever asks catches one kind."""

        class Broken:
            def request(self, *args: object) -> Deferred[Any]:
                return succeed(None).addCallback(lambda _: 1 / 0)

        own = OwnKeys("here", [generate_signing_key("a")], [], self.here.now)
        client = FederationClient(Broken(), own, self.clock)  # type: ignore[arg-type]
        asking = Deferred.fromCoroutine(client.get("there", "/x"))
        self.failureResultOf(asking, FederationError)


class PresenceTests(ServersTestCase):
    """Presence that goes over HTTP."""

    def test_users_who_share_a_room_see_each_other(self) -> None:
        """What one server is told, the users of the other see (C-1, C-40)."""
        servers = {}
        for server in (self.here, self.there):
            presence = MemoryPresence(
                server.name, clock=self.clock, federation=server.link, **PLAIN
            )
            server.edu_received = (  # type: ignore[method-assign]
                presence.service.receiver.edu_received
            )
            servers[server.name] = presence
            presence.room("!r:here", "@a:here", "@b:there")
        advance(self.clock, 10)
        sync = servers["here"].sync.connected(Requester("@a:here", "D"), None)
        with sync:
            done = servers["here"].set_status("@a:here", "online", "ünïcode")
            self.successResultOf(done)
            advance(self.clock, 10)
            seen = servers["there"].seen("@b:there")["@a:here"]
            self.assertEqual("online", seen["presence"])
            self.assertEqual("ünïcode", seen["status_msg"])
        for presence in servers.values():
            self.successResultOf(presence.stop())

    def test_malformed_presence_does_not_fail_a_transaction(self) -> None:
        """What can be read beside it is taken (C-4)."""
        presence = MemoryPresence("there", clock=self.clock, **PLAIN)
        presence.room("!r:here", "@a:here", "@b:there")
        self.there.edu_received = (  # type: ignore[method-assign]
            presence.service.receiver.edu_received
        )
        entries = [
            7,
            {"user_id": "@c:here", "presence": "online", "last_active_ago": 1.5},
            {"user_id": "@a:here", "presence": "online"},
            {"user_id": "@b:there", "presence": "online"},
        ]
        edus: list[Any] = [edu(*entries), {"edu_type": "m.presence"}, None, 1, []]
        self.assertEqual(200, self.send({"pdus": [], "edus": edus}).status)
        advance(self.clock, 1)
        self.assertEqual("online", presence.seen("@b:there")["@a:here"]["presence"])
