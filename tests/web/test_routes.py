"""Tests of matrix_presence.web.routes, with call, answers and encoding."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from treq.testing import StubTreq
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from matrix_presence.errors import Forbidden, LimitExceeded
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from tests.base import TestCase
from tests.web.connection import Connection, Response


class RouterTests(TestCase):
    """From a path to its endpoint."""

    def setUp(self) -> None:
        """A router with an endpoint that tells what it was called with."""
        self.router = Router()
        self.connection = Connection(self.router, Clock())
        self.router.add("GET", "user/{user_id}/status", self.echo)

    async def echo(self, call: Call) -> Answer:
        """The path variables."""
        return 200, call.params

    def get(self, path: str) -> Response:
        """The response to a GET."""
        return self.connection.request("GET", path)

    def test_variables_are_decoded_one_by_one(self) -> None:
        """`%2F` stays inside its segment, `%00` and UTF-8 arrive as they are."""
        response = self.get("/user/@a%2Fb%00%C3%A9:x/status")
        self.assertEqual(response.json, {"user_id": "@a/b\0é:x"})

    def test_bad_utf8_in_a_variable_is_invalid(self) -> None:
        """An undecodable user id is 400 M_INVALID_PARAM (A-23)."""
        response = self.get("/user/%FF/status")
        self.assertEqual((response.status, response.errcode), (400, "M_INVALID_PARAM"))

    def test_unknown_path_is_unrecognized(self) -> None:
        """A path without endpoint is 404 M_UNRECOGNIZED (A-7)."""
        for path in ("/", "/user", "/user/@a:x", "/user/@a:x/status/", "/%FF/a"):
            response = self.get(path)
            self.assertEqual(
                (response.status, response.errcode), (404, "M_UNRECOGNIZED"), path
            )

    def test_wrong_method_is_not_allowed(self) -> None:
        """A path that exists for other methods is 405 M_UNRECOGNIZED (A-7)."""
        response = self.connection.request("DELETE", "/user/@a:x/status")
        self.assertEqual((response.status, response.errcode), (405, "M_UNRECOGNIZED"))
        self.assertEqual(response.headers["Allow"], "GET, HEAD, OPTIONS")

    def test_head_is_get_without_the_body(self) -> None:
        """HEAD has the headers of GET, its length too, and no body."""
        response = self.connection.request("HEAD", "/user/@a:x/status")
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(response.headers["Content-Length"], "18")

    def test_literal_is_taken_before_variable(self) -> None:
        """Where both fit, the literal segment wins."""

        async def literal(call: Call) -> Answer:
            return 200, "literal"

        self.router.add("GET", "user/me/status", literal)
        self.assertEqual(self.get("/user/me/status").json, "literal")
        self.assertEqual(self.get("/user/you/status").json, {"user_id": "you"})

    def test_a_literal_that_leads_nowhere_is_left_again(self) -> None:
        """A literal that fits at first does not hide a variable that fits in all."""
        self.router.add("GET", "user/me/name", self.echo)
        self.router.add("PUT", "user/{name}/name", self.echo)
        self.assertEqual(self.get("/user/me/status").json, {"user_id": "me"})
        put = self.connection.request("PUT", "/user/me/name")
        self.assertEqual(put.json, {"name": "me"})

    def test_empty_segments_count(self) -> None:
        """A trailing slash is a segment of its own."""
        self.router.add("GET", "rules/", self.echo)
        self.assertEqual(self.get("/rules/").status, 200)
        self.assertEqual(self.get("/rules").status, 404)
        self.assertEqual(self.get("/user//status").json, {"user_id": ""})

    def test_two_endpoints_for_the_same_are_refused(self) -> None:
        """Adding a second endpoint for a method of a path is a ValueError."""
        with self.assertRaises(ValueError):
            self.router.add("GET", "user/{other}/status", self.echo)

    @given(st.binary())
    def test_no_path_breaks_it(self, path: bytes) -> None:
        """Whatever the path, the answer is JSON."""
        quoted = "".join(f"%{byte:02X}" for byte in path)
        for target in (f"/{quoted}", f"/user/{quoted}/status"):
            self.assertIn(self.get(target).status, (200, 400, 404))


class AnswerTests(TestCase):
    """What an endpoint returns or raises, and what the client gets."""

    def setUp(self) -> None:
        """A router with one endpoint that runs `self.endpoint`."""
        self.router = Router()
        self.connection = Connection(self.router, Clock())
        self.router.add("GET", "x", lambda call: self.endpoint(call))
        self.router.add("PUT", "x", lambda call: self.endpoint(call))

    async def endpoint(self, call: Call) -> Answer:
        """Replaced by each test."""
        return 200, {}

    def test_every_answer_has_the_headers_of_the_spec(self) -> None:
        """JSON and CORS headers are on answers and on refusals (A-8)."""
        for path, status in (("/x", 200), ("/y", 404)):
            response = self.connection.request("GET", path)
            self.assertEqual(response.status, status)
            self.assertEqual(response.headers["Content-Type"], "application/json")
            self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")
            self.assertIn("PUT", response.headers["Access-Control-Allow-Methods"])
            self.assertIn(
                "Authorization", response.headers["Access-Control-Allow-Headers"]
            )
            self.assertEqual(response.headers["Date"], "Thu, 01 Jan 1970 00:00:00 GMT")

    def test_options_needs_no_token_and_no_endpoint(self) -> None:
        """OPTIONS is 204 with CORS headers on any path (A-8)."""
        for path in ("/x", "/y"):
            response = self.connection.request("OPTIONS", path)
            self.assertEqual((response.status, response.body), (204, b""))
            self.assertEqual(response.headers["Access-Control-Allow-Origin"], "*")
            self.assertNotIn("Content-Length", response.headers)

    def test_empty_object_is_an_object(self) -> None:
        """`{}` is sent as `{}`, not as an empty body (A-27)."""
        self.assertEqual(self.connection.request("GET", "/x").body, b"{}")

    def test_encoded_answer_is_sent_as_it_is(self) -> None:
        """Bytes are the JSON of a 200."""

        async def endpoint(call: Call) -> Answer:
            return b'{"a": 1}'

        self.endpoint = endpoint  # type: ignore[method-assign]  # the test's own
        response = self.connection.request("GET", "/x")
        self.assertEqual((response.status, response.body), (200, b'{"a": 1}'))

    def test_refusal_is_worded_as_matrix_words_it(self) -> None:
        """A MatrixError gives status, errcode, error and its headers (A-8, A-28)."""

        async def endpoint(call: Call) -> Answer:
            raise LimitExceeded(1200)

        self.endpoint = endpoint  # type: ignore[method-assign]  # the test's own
        response = self.connection.request("GET", "/x")
        self.assertEqual((response.status, response.errcode), (429, "M_LIMIT_EXCEEDED"))
        self.assertEqual(response.json["retry_after_ms"], 1200)
        self.assertEqual(response.headers["Retry-After"], "2")

    def test_fault_is_logged_once_and_told_in_general(self) -> None:
        """Any other exception is 500 M_UNKNOWN without particulars, logged once."""

        async def endpoint(call: Call) -> Answer:
            raise RuntimeError("particulars")

        self.endpoint = endpoint  # type: ignore[method-assign]  # the test's own
        response = self.connection.request("GET", "/x")
        self.assertEqual((response.status, response.errcode), (500, "M_UNKNOWN"))
        self.assertNotIn(b"particulars", response.body)
        (error,) = self.logged_errors()
        self.assertIn("particulars", error)

    def test_value_without_json_form_is_a_fault(self) -> None:
        """An answer that cannot be encoded is 500, not a broken connection."""

        async def endpoint(call: Call) -> Answer:
            return 200, {"lone": "\ud800"}

        self.endpoint = endpoint  # type: ignore[method-assign]  # the test's own
        self.assertEqual(self.connection.request("GET", "/x").status, 500)
        self.assertEqual(len(self.logged_errors()), 1)

    def test_stock_sites_serve_the_router_too(self) -> None:
        """The router needs no site of ours: treq's stub serves it from Twisted's."""
        # treq's stub has the methods of the treq module, but not for type checkers.
        stub: Any = StubTreq(self.router)
        response = self.successResultOf(stub.get("http://hs.test/x"))
        self.assertEqual(response.code, 200)
        self.assertEqual(self.successResultOf(response.json()), {})
        self.assertEqual(
            response.headers.getRawHeaders("Content-Type"), ["application/json"]
        )


class WaitingTests(TestCase):
    """Endpoints that wait before they answer."""

    def setUp(self) -> None:
        """A router with an endpoint that waits for `self.waits_for`."""
        router = Router()
        router.add("GET", "x", self.wait)
        self.connection = Connection(router, Clock())
        self.waits_for: Deferred[Any] = Deferred()
        self.outcome: list[object] = []

    async def wait(self, call: Call) -> Answer:
        """What was waited for."""
        try:
            result = await self.waits_for
            self.waits_for = Deferred()
            return 200, [result, await self.waits_for]
        except BaseException as error:
            self.outcome.append(error)
            raise

    def test_answer_comes_when_it_is_there(self) -> None:
        """The response is sent once the endpoint has what it waits for."""
        self.connection.start("GET", "/x")
        self.waits_for.callback(1)
        self.assertEqual(self.connection.responses(), [])
        self.waits_for.callback(2)
        (response,) = self.connection.responses()
        self.assertEqual(response.json, [1, 2])

    def test_failure_reaches_the_endpoint(self) -> None:
        """A Deferred that fails raises inside the endpoint, a refusal as any other."""
        self.connection.start("GET", "/x")
        self.waits_for.errback(Forbidden("No"))
        (response,) = self.connection.responses()
        self.assertEqual((response.status, response.errcode), (403, "M_FORBIDDEN"))

    def test_client_that_leaves_cancels_the_endpoint(self) -> None:
        """An endpoint whose client has gone is cancelled, and nothing is logged."""
        self.connection.start("GET", "/x")
        self.connection.hang_up()
        self.assertIsInstance(self.outcome[0], CancelledError)

    def test_client_that_leaves_before_the_second_wait_cancels_it(self) -> None:
        """Also a later wait of the same endpoint is cancelled."""
        self.connection.start("GET", "/x")
        self.waits_for.callback(1)
        self.connection.hang_up()
        self.assertIsInstance(self.outcome[0], CancelledError)

    def test_context_variables_follow_the_request(self) -> None:
        """A context variable set before a wait is there after it, and only there."""
        name: ContextVar[str] = ContextVar("name", default="none")
        waits_for: Deferred[None] = Deferred()

        async def endpoint(call: Call) -> Answer:
            name.set("set")
            await waits_for
            return 200, name.get()

        router = Router()
        router.add("GET", "x", endpoint)
        connection = Connection(router, Clock())
        connection.start("GET", "/x")
        self.assertEqual(name.get(), "none")
        waits_for.callback(None)
        (response,) = connection.responses()
        self.assertEqual(response.json, "set")

    def test_a_deferred_may_be_the_answer(self) -> None:
        """It is waited for, whether or not the endpoint has waited before (A-27)."""
        first: Deferred[None] = Deferred()
        for wait_before in (False, True):
            last: Deferred[Answer] = Deferred()

            async def endpoint(
                call: Call,
                last: Deferred[Answer] = last,
                wait_before: bool = wait_before,
            ) -> Answer:
                if wait_before:
                    await first
                return last

            router = Router()
            router.add("GET", "x", endpoint)
            connection = Connection(router, Clock())
            connection.start("GET", "/x")
            if wait_before:
                first.callback(None)
            self.assertEqual(connection.responses(), [])
            last.callback((200, "late"))
            (response,) = connection.responses()
            self.assertEqual(response.json, "late")


class CallTests(TestCase):
    """Query and body, as endpoints read them."""

    def setUp(self) -> None:
        """A router whose endpoints return what they read."""

        async def query(call: Call) -> Answer:
            return 200, [call.query("q"), call.query("p", "default")]

        async def body(call: Call) -> Answer:
            return 200, call.json()

        async def body_or_empty(call: Call) -> Answer:
            return 200, call.json_or_empty()

        router = Router()
        router.add("GET", "x", query)
        router.add("PUT", "x", body)
        router.add("POST", "x", body_or_empty)
        self.connection = Connection(router, Clock())

    def test_first_of_repeated_query_parameters_counts(self) -> None:
        """A repeated parameter has its first value, a missing one its default."""
        response = self.connection.request("GET", "/x?q=%C3%A9+%2F&q=2")
        self.assertEqual(response.json, ["é /", "default"])
        self.assertEqual(self.connection.request("GET", "/x?p=").json, [None, ""])

    def test_bad_utf8_in_the_query_is_invalid(self) -> None:
        """A query parameter that is not UTF-8 is 400 M_INVALID_PARAM."""
        response = self.connection.request("GET", "/x?q=%FF")
        self.assertEqual((response.status, response.errcode), (400, "M_INVALID_PARAM"))

    def test_body_that_is_not_json_is_refused(self) -> None:
        """Not JSON, NaN, lone surrogates, endless nesting: M_NOT_JSON (A-23)."""
        for raw in (
            b"",
            b"{",
            b'{"a": NaN}',
            b'{"a": 1e999}',
            b'{"a": "\\ud800"}',
            b"\xff",
            b"[" * 5000 + b"]" * 5000,
        ):
            response = self.connection.request("PUT", "/x", raw=raw)
            self.assertEqual((response.status, response.errcode), (400, "M_NOT_JSON"))

    def test_body_that_could_not_be_passed_on_is_refused(self) -> None:
        """What is read can be written again, inside of an answer too."""
        for depth, status in ((130, 200), (180, 200), (250, 400), (1000, 400)):
            raw = b'{"a":' * depth + b"1" + b"}" * depth
            response = self.connection.request("PUT", "/x", raw=raw)
            self.assertEqual(status, response.status, depth)

    def test_body_that_is_no_object_is_bad_json(self) -> None:
        """JSON that is not an object: M_BAD_JSON (A-23)."""
        value: Any
        for value in (None, [], "a", 1, True):
            for method in ("PUT", "POST"):
                response = self.connection.request(method, "/x", value)
                self.assertEqual(
                    (response.status, response.errcode), (400, "M_BAD_JSON")
                )

    def test_no_body_may_count_as_an_empty_object(self) -> None:
        """Where the endpoint allows it, an empty body is `{}`."""
        self.assertEqual(self.connection.request("POST", "/x").json, {})

    @given(st.binary())
    def test_no_body_breaks_it(self, raw: bytes) -> None:
        """Whatever the body, it is taken or refused."""
        response = self.connection.request("PUT", "/x", raw=raw)
        self.assertIn(response.status, (200, 400))
