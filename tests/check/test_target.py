"""Targets that are none: each is told in one sentence what it is."""

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import Error as TLSError
from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectionDone,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
)
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError
from twisted.web.client import ResponseFailed, ResponseNeverReceived

from matrix_presence.check.target import NoAnswer, found_target, read_url
from matrix_presence.check.verdicts import CannotRun
from tests.base import TestCase
from tests.check.targets import VERSIONS, Answer, Answers, always, scripted

_HTML = Answer(200, b"<html>Welcome to nginx!</html>", content_type="text/html")


class FoundTargetTests(TestCase):
    """Whether there is a homeserver at a URL."""

    def refusal(self, answers: Answers) -> str:
        """Why a target cannot be checked that answers this."""
        finding = Deferred.fromCoroutine(found_target(scripted(answers)))
        return str(self.failureResultOf(finding, CannotRun).value)

    def test_a_homeserver_is_found(self) -> None:
        """Its /versions say so."""
        target = scripted(lambda method, path: VERSIONS)
        found = self.successResultOf(Deferred.fromCoroutine(found_target(target)))
        self.assertEqual(target, found)

    def test_a_delegation_is_followed(self) -> None:
        """The name of a server leads to where its clients go."""
        answers = [
            _HTML,
            Answer(200, {"m.homeserver": {"base_url": "https://m.hs.test/"}}),
            VERSIONS,
        ]
        finding = found_target(scripted(lambda method, path: answers.pop(0)))
        found = self.successResultOf(Deferred.fromCoroutine(finding))
        self.assertEqual("https://m.hs.test", found.base_url)

    def test_html_is_named(self) -> None:
        """Some other web server."""
        self.assertEqual(
            "http://hs.test is no homeserver: it answers GET /_matrix/client/versions "
            "with status 200 and an HTML page",
            self.refusal(lambda method, path: _HTML),
        )

    def test_other_json_is_named(self) -> None:
        """An API, but not this one."""
        bodies: list[Any] = [{}, [], {"versions": 5}, b"", None]
        for body in bodies:
            said = self.refusal(always(Answer(404, body)))
            self.assertIn("status 404 and nothing that a homeserver says", said)

    def test_a_broken_delegation_is_no_target(self) -> None:
        """Whatever `.well-known` holds."""
        urls: list[Any] = [{}, {"base_url": 5}, {"base_url": "gopher://x"}]
        delegations: list[Any] = [[], *({"m.homeserver": url} for url in urls)]
        for delegation in delegations:
            known = Answer(200, delegation)

            def answers(method: str, path: str, known: Answer = known) -> Answer:
                return known if "well-known" in path else _HTML

            self.assertIn("is no homeserver", self.refusal(answers))

    def test_what_keeps_from_connecting_is_named(self) -> None:
        """Each in words of its own."""
        refused = ConnectionRefusedError()
        closed = ResponseNeverReceived([Failure(ConnectionDone())])
        garbage = ResponseNeverReceived([Failure(ParseError("what", b"SSH-2.0"))])
        half = ResponseFailed([Failure(ConnectionDone())])
        untrusted = ResponseNeverReceived(
            [Failure(TLSError([("SSL routines", "", "certificate verify failed")]))]
        )
        for error, words in (
            (refused, "does not listen there"),
            (DNSLookupError(), "a name that does not resolve"),
            (ConnectTimeout(), "cannot be connected to"),
            (NoRouteError(), "cannot be connected to"),
            (closed, "closed the connection without an answer"),
            (garbage, "does not speak HTTP"),
            (half, "in the middle of an answer"),
            (untrusted, "cannot be trusted (certificate verify failed)"),
        ):
            said = self.refusal(always(error))
            self.assertTrue(said.startswith("http://hs.test "), said)
            self.assertIn(words, said)
            self.assertNotIn("\n", said)

    def test_a_slow_target_is_waited_for_and_then_left(self) -> None:
        """Half a minute, and what it was asked to wait."""
        clock = Clock()
        target = scripted(lambda method, path: None, clock)
        asking = Deferred.fromCoroutine(target.ask("GET", "/_matrix/x", wait=10.0))
        clock.advance(39.0)
        self.assertNoResult(asking)
        clock.advance(1.0)
        error = self.failureResultOf(asking, NoAnswer).value
        self.assertEqual("did not answer within 40 s", str(error))

    def test_an_endless_answer_is_cut_off(self) -> None:
        """32 MiB are more than any answer has."""
        target = scripted(lambda method, path: Answer(200, b"x" * (2**25 + 1)))
        asking = Deferred.fromCoroutine(target.ask("GET", "/_matrix/x"))
        error = self.failureResultOf(asking, NoAnswer).value
        self.assertEqual("answered with more than 32 MiB", str(error))


class ReadUrlTests(TestCase):
    """A URL as somebody writes it."""

    def test_a_name_alone_is_https(self) -> None:
        """Slashes at the end are of no account."""
        self.assertEqual("https://hs.example", read_url("hs.example"))
        self.assertEqual("http://[::1]:8008", read_url("http://[::1]:8008//"))
        self.assertEqual(
            "https://hs.example/base", read_url("https://hs.example/base/")
        )

    def test_what_is_no_url_is_named(self) -> None:
        """Other schemes, queries, user names, nothing."""
        for written in (
            "ftp://hs", "https://", "", "https://a b", "https://a?b", "https://a@b",
            "https://ü.example",
        ):  # fmt: skip
            error = self.assertRaises(ValueError, read_url, written)
            self.assertIn(repr(written), str(error))
