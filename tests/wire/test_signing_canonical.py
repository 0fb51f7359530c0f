"""What has a canonical form and what is refused (C-90, C-95)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.wire.canonical import MAX_DEPTH, NotCanonical, canonical
from tests.base import TestCase

WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


class CanonicalTests(TestCase):
    """Matrix appendices, "Canonical JSON"."""

    def test_published_examples(self) -> None:
        """Keys are sorted by code point, nothing is escaped without need."""
        for value, text in (
            ({}, "{}"),
            ({"one": 1, "two": "Two"}, '{"one":1,"two":"Two"}'),
            ({"b": "2", "a": "1"}, '{"a":"1","b":"2"}'),
            ({"本": 2, "日": 1}, '{"日":1,"本":2}'),
            ({"a": "日"}, '{"a":"日"}'),
            ({"a": None}, '{"a":null}'),
            ({"a": "\u0000\u007f/\n"}, '{"a":"\\u0000\u007f/\\n"}'),
        ):
            self.assertEqual(canonical(value), text.encode())

    def test_integers_of_53_bits(self) -> None:
        """The widest integers are taken, the next ones are not."""
        self.assertEqual(
            canonical([2**53 - 1, -(2**53) + 1, 0]),
            canonical([9007199254740991, -9007199254740991, 0]),
        )
        for value in (2**53, -(2**53)):
            with self.assertRaises(NotCanonical):
                canonical({"a": [value]})

    def test_what_has_no_canonical_form(self) -> None:
        """Floats, lone surrogates, other keys and other types are refused."""
        for value in (1.0, -0.0, float("nan"), "\ud800", {"\ud800": 1}, {1: 1}, {1}):
            with self.assertRaises(NotCanonical):
                canonical({"a": value})

    def test_depth_is_bounded(self) -> None:
        """Nesting is taken up to a limit and never exhausts the stack."""
        canonical(_nested(MAX_DEPTH - 1))
        for depth in (MAX_DEPTH, 100_000):
            with self.assertRaises(NotCanonical):
                canonical(_nested(depth))

    @given(WILD)
    def test_any_json_is_written_or_refused(self, value: Any) -> None:
        """Any JSON value is written or refused in one way."""
        try:
            self.assertIsInstance(canonical(value), bytes)
        except NotCanonical:
            pass
