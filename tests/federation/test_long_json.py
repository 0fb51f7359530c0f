"""Long JSON, read an item at a time."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.federation.long_json import Items, NotReadable, read_in_parts
from tests.base import TestCase

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
_OBJECTS = st.dictionaries(st.text(), _VALUES)


def whole(value: Any) -> Any:
    """The same without `Items`."""
    if isinstance(value, Items):
        return list(value)
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return value


class ReadInPartsTests(TestCase):
    """Answers about rooms."""

    @given(_OBJECTS, st.sampled_from([None, orjson.OPT_INDENT_2]))
    def test_it_says_what_it_says_when_read_at_once(
        self, value: dict[str, Any], option: int | None
    ) -> None:
        """However it is written."""
        body = b" " + orjson.dumps(value, option=option) + b"\n"
        self.assertEqual(value, whole(read_in_parts(body)))
        status, read = read_in_parts(orjson.dumps([200, value]))
        self.assertEqual((200, value), (status, whole(read)))

    @given(_OBJECTS, st.data())
    def test_what_is_cut_off_is_nothing(
        self, value: dict[str, Any], data: st.DataObject
    ) -> None:
        """Wherever it ends."""
        body = orjson.dumps(value)
        end = data.draw(st.integers(0, len(body) - 1))
        self.assertRaises(NotReadable, read_in_parts, body[:end])

    def test_what_is_no_json_is_not_read(self) -> None:
        """Nor what has something behind it, nor what is nested without end."""
        deep = b"[" * 100_000
        for body in (b"", b"7", b"{}x", b'{"a":[1,2}', b"\xff", b'{"a":' + deep, deep):
            with self.subTest(body[:10]):
                self.assertRaises(NotReadable, read_in_parts, body)

    def test_an_item_that_cannot_be_read_spoils_no_other(self) -> None:
        """What is wrong with one event is said of no other (C-41)."""
        deep = b"[" * 500 + b"]" * 500
        body = b'{"a": [{"b": 1}, {"c": "\xff"}, {"d": 2}, {"e": 1e999}, %b]}' % deep
        read = list(read_in_parts(body)["a"])
        self.assertEqual([{"b": 1}, None, {"d": 2}, None], read[:4])

    def test_objects_are_told_from_other_items(self) -> None:
        """Without reading them."""
        read = read_in_parts(b'{"a": [{}, {"b": 1} ], "c": [{}, 1], "d": []}')
        self.assertTrue(read["a"].are_objects())
        self.assertFalse(read["c"].are_objects())
        self.assertTrue(read["d"].are_objects())
        self.assertEqual([{"b": 1}], list(read["a"][1:]))
