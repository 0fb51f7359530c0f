"""Requests and answers as they are shown."""

from __future__ import annotations

from twisted.web.http_headers import Headers

from matrix_presence.check.exchange import Reply
from tests.base import TestCase


def reply(
    body: bytes = b"{}",
    *,
    path: str = "/_matrix/x",
    sent: bytes | None = None,
    status: int = 200,
    **headers: str,
) -> Reply:
    """An answer to a request of @a:hs."""
    given = Headers(
        {name.replace("_", "-"): [value] for name, value in headers.items()}
    )
    return Reply("PUT", path, "@a:hs", sent, status, given, body, took=7)


class ReplyTests(TestCase):
    """What can be read from an answer."""

    def test_json_and_errcode(self) -> None:
        """A refusal has an errcode; whatever is none reads as empty."""
        self.assertEqual("M_X", reply(b'{"errcode":"M_X"}').errcode)
        for body in (b"{}", b"[]", b'{"errcode":5}', b"<html>", b""):
            self.assertEqual("", reply(body).errcode)

    def test_what_is_not_json_is_told_from_null(self) -> None:
        """Both read as None."""
        self.assertEqual((None, True), (reply(b"null").json, reply(b"null").is_json))
        self.assertEqual((None, False), (reply(b"<p>").json, reply(b"<p>").is_json))

    def test_headers(self) -> None:
        """Whatever their case; empty if there is none."""
        given = reply(retry_after="7")
        self.assertEqual("7", given.header("Retry-After"))
        self.assertEqual("", given.header("X-Other"))


class TextTests(TestCase):
    """An exchange as text."""

    def test_request_and_answer(self) -> None:
        """Who asked for what, what was sent, and what came back."""
        given = reply(b'{"error":"no"}', sent=b'{"presence":"x"}', status=400)
        self.assertEqual(
            "PUT /_matrix/x   (by @a:hs)\n"
            '{"presence":"x"}\n'
            '-> 400 {"error":"no"}   (7 ms)',
            given.text(),
        )

    def test_tokens_and_passwords_are_blanked(self) -> None:
        """Known tokens everywhere, and whatever is called a token or a password."""
        given = reply(
            b'{"access_token": "fresh", "user_id": "@a:hs", "echo": "known"}',
            path="/_matrix/x?access_token=in-query&known",
            sent=b'{"password":"wonderland","mac":"abc"}',
        )
        text = given.text({"known"})
        for secret in ("fresh", "known", "in-query", "wonderland", "abc"):
            self.assertNotIn(secret, text)
        self.assertIn("@a:hs", text)

    def test_a_query_is_decoded(self) -> None:
        """A filter can be read; the path stays as it was sent."""
        path = "/presence/%40a%3Ahs?filter=%7B%22a%22%3A1%7D&x=1+2"
        self.assertIn(
            '/presence/%40a%3Ahs?filter={"a":1}&x=1 2', reply(path=path).text()
        )

    def test_of_a_sync_only_presence_is_shown(self) -> None:
        """And that there was more."""
        body = b'{"next_batch":"s1","rooms":{"join":{}},"presence":{"events":[]}}'
        text = reply(body).text()
        self.assertIn('{"next_batch":"s1","presence":{"events":[]}} and more', text)
        self.assertNotIn("rooms", text)

    def test_long_bodies_are_cut(self) -> None:
        """To what fits on a screen, with their length."""
        text = reply(b"x" * 5000).text()
        self.assertIn("xxx... (5000 bytes)", text)
        self.assertLess(len(text), 1000)
