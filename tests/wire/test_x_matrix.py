"""The header that signs a request between servers."""

from __future__ import annotations

import json
from typing import Any

from canonicaljson import encode_canonical_json
from hypothesis import given
from hypothesis import strategies as st
from signedjson.key import decode_signing_key_base64, get_verify_key
from signedjson.sign import SignatureVerifyException, sign_json, verify_signed_json

from matrix_presence.wire.signing import BadSignature
from matrix_presence.wire.x_matrix import (
    BadHeader,
    XMatrix,
    parse_header,
    parse_headers,
    sign_request,
    verify_request,
)
from tests.base import TestCase

KEY = decode_signing_key_base64(
    "ed25519", "1", "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
)
OTHER_KEY = decode_signing_key_base64("ed25519", "1", "A" * 43)
URI = "/_matrix/federation/v1/send/1?a=b%2Fc"
CONTENT: dict[str, Any] = {"pdus": [], "origin": "a.test", "edus": [{"x": "ü"}]}

ALL = XMatrix("a.test:8448", "ed25519:k_1", "c2ln", "b.test")

texts = st.text(
    st.characters(codec="ascii", min_codepoint=33, exclude_characters='"\\')
)


def verify(said: XMatrix, **changes: Any) -> None:
    """Verify a request of which something may have changed on the way."""
    request: dict[str, Any] = {
        "method": "PUT",
        "uri": URI,
        "destination": "b.test",
        "key": get_verify_key(KEY),
        "content": CONTENT,
    }
    verify_request(said, **(request | changes))


class SignatureTests(TestCase):
    """What is signed."""

    def setUp(self) -> None:
        """A request that is signed."""
        content = encode_canonical_json(CONTENT)
        self.said = sign_request("PUT", URI, "a.test", "b.test", KEY, content)

    def test_it_is_the_signature_of_the_request_as_json(self) -> None:
        """signedjson finds the same in the object of the specification (C-50)."""
        request = {
            "method": "PUT",
            "uri": URI,
            "origin": "a.test",
            "destination": "b.test",
            "content": CONTENT,
            "signatures": {"a.test": {"ed25519:1": self.said.signature}},
        }
        verify_signed_json(request, "a.test", get_verify_key(KEY))
        with self.assertRaises(SignatureVerifyException):
            verify_signed_json(request, "a.test", get_verify_key(OTHER_KEY))

    def test_a_request_without_a_body_has_no_content(self) -> None:
        """The key `content` is absent then (C-50)."""
        request = {
            "method": "GET",
            "uri": "/_matrix/federation/v1/version",
            "origin": "a.test",
            "destination": "b.test",
        }
        said = sign_request("GET", request["uri"], "a.test", "b.test", KEY)
        signed = sign_json(request, "a.test", KEY)
        self.assertEqual(said.signature, signed["signatures"]["a.test"]["ed25519:1"])
        verify(said, method="GET", uri=request["uri"], content=None)

    def test_a_signed_request_is_verified(self) -> None:
        """By the body as it was parsed (C-95)."""
        verify(self.said)
        verify(self.said, content=json.loads(json.dumps(CONTENT, indent=4)))

    def test_whatever_changes_breaks_the_signature(self) -> None:
        """Method, target, destination, body and key are all covered (C-50)."""
        for change in (
            {"method": "POST"},
            {"uri": "/_matrix/federation/v1/send/1?a=b/c"},
            {"destination": "c.test"},
            {"content": CONTENT | {"edus": []}},
            {"content": None},
            {"key": get_verify_key(OTHER_KEY)},
        ):
            with self.assertRaises(BadSignature):
                verify(self.said, **change)

    def test_a_number_with_a_fraction_is_verified_too(self) -> None:
        """It means nothing to us, and what stands beside it may."""
        content = {"edus": [{"ago": 1.5}]}
        body = encode_canonical_json(content)
        verify(sign_request("PUT", URI, "a.test", "b.test", KEY, body), content=content)

    def test_a_body_without_a_canonical_form_is_not_verified(self) -> None:
        """Lone surrogates and bottomless nesting are refused (C-95)."""
        deep: dict[str, Any] = {}
        for _ in range(100_000):
            deep = {"a": deep}
        for content in ({"a": "\ud800"}, deep):
            with self.assertRaises(BadSignature):
                verify(self.said, content=content)


class HeaderTests(TestCase):
    """Forms of the header."""

    def test_it_is_written_as_everybody_can_read_it(self) -> None:
        """One space, lower-case names, quotes, no space round commas (C-51)."""
        self.assertEqual(
            b'X-Matrix origin="a.test:8448",destination="b.test",'
            b'key="ed25519:k_1",sig="c2ln"',
            ALL.header(),
        )

    def test_every_form_is_read(self) -> None:
        """Case, order, spaces, quotes, escapes and unknown names vary (C-53)."""
        for text in (
            'X-Matrix origin="a.test:8448",destination="b.test",key="ed25519:k_1",'
            'sig="c2ln"',
            "X-Matrix origin=a.test:8448,destination=b.test,key=ed25519:k_1,sig=c2ln",
            "x-matrix  SIG=c2ln , Key=ed25519:k_1\t,Destination=b.test,ORIGIN="
            "a.test:8448",
            'X-Matrix origin="a\\.test:8448",destination="b.test",key=ed25519:k_1,'
            'sig="c2ln",extra="a \\" quote, and a comma"',
            'X-Matrix ,, origin = "a.test:8448",, destination="b.test",'
            'key="ed25519:k_1",sig=c2ln,',
        ):
            self.assertEqual(ALL, parse_header(text.encode()), text)

    def test_a_header_without_a_destination_is_read(self) -> None:
        """Older servers do not say it (C-52)."""
        said = parse_header(b"X-Matrix origin=a.test,key=ed25519:1,sig=AA")
        self.assertIsNone(said.destination)
        self.assertEqual(said, parse_header(said.header()))

    def test_what_cannot_be_read_is_refused(self) -> None:
        """Other schemes, missing or repeated names, open quotes, no server (C-54)."""
        for value in (
            b"",
            b"X-Matrix",
            b"Bearer token",
            b"X-Matrix origin=a.test,key=ed25519:1",
            b"X-Matrix origin=a.test,key=ed25519:1,sig=AA,sig=BB",
            b'X-Matrix origin="a.test,key=ed25519:1,sig=AA',
            b"X-Matrix origin=a.test key=ed25519:1 sig=AA",
            b"X-Matrix origin=a/b,key=ed25519:1,sig=AA",
            b'X-Matrix origin="",key=ed25519:1,sig=AA',
            b"X-Matrix origin=\xff,key=ed25519:1,sig=AA",
        ):
            self.assertRaises(BadHeader, parse_header, value)

    def test_several_headers_are_of_one_origin(self) -> None:
        """A server may sign with several keys, and only for itself (C-53)."""
        one = b"X-Matrix origin=a.test,key=ed25519:1,sig=AA"
        two = b"X-Matrix origin=a.test,key=ed25519:2,sig=BB"
        found = [said.key_id for said in parse_headers([one, two])]
        self.assertEqual(["ed25519:1", "ed25519:2"], found)
        other = b"X-Matrix origin=b.test,key=ed25519:1,sig=AA"
        self.assertRaises(BadHeader, parse_headers, [one, other])
        self.assertRaises(BadHeader, parse_headers, [one] * 5)

    @given(
        st.from_regex(r"[a-z.-]{1,9}(:[0-9]{1,5})?", fullmatch=True),
        texts,
        texts,
        st.none() | texts,
    )
    def test_what_is_written_is_read(
        self, origin: str, key: str, sig: str, destination: str | None
    ) -> None:
        """A round trip changes nothing (C-51, C-53)."""
        said = XMatrix(origin, key, sig, destination)
        self.assertEqual(said, parse_header(said.header()))

    @given(
        st.binary()
        | st.builds(lambda rest: b"X-Matrix " + rest, st.binary())
        | st.builds(
            lambda rest: b"X-Matrix origin=a,sig=b,key=c," + rest.encode(),
            st.text(alphabet='",=\\ a:\t'),
        )
    )
    def test_any_bytes_are_read_or_refused(self, value: bytes) -> None:
        """Nothing but the refusal comes out (C-54)."""
        try:
            parse_header(value)
        except BadHeader:
            pass
