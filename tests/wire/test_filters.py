"""The presence part of a `/sync` filter."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.errors import InvalidParam
from matrix_presence.wire.filters import (
    EVERYTHING,
    PresenceFilter,
    only_fields,
    parse_presence_filter,
)
from tests.base import TestCase

_EVENT: dict[str, Any] = {
    "type": "m.presence",
    "sender": "@a:hs",
    "content": {"presence": "online", "a.b": 1, "a\\b": 2, "": 3},
}


def parsed(**part: Any) -> PresenceFilter:
    """The filter with this presence part."""
    return parse_presence_filter({"presence": part})


class ParseTests(TestCase):
    """From JSON to a filter."""

    def test_nothing_said_is_everything(self) -> None:
        """No filter, an empty one and one about other things let all through (A-91)."""
        filter_json: dict[str, Any]
        for filter_json in (
            {},
            {"presence": {}},
            {"presence": None},
            {"room": {"timeline": {"limit": 1}}},
            {"presence": {"unknown": 1}},
            {"event_fields": None},
        ):
            self.assertEqual(parse_presence_filter(filter_json), EVERYTHING)

    def test_types(self) -> None:
        """Some type has to match and no excluded one may (A-91)."""
        for types, not_types, wanted in (
            (None, None, True),
            (["m.presence"], None, True),
            (["a", "m.presence"], None, True),
            ([], None, False),
            (["m.presenc"], None, False),
            (["m.presence "], None, False),
            (None, ["m.presence"], False),
            (None, [], True),
            (["m.presence"], ["m.presence"], False),
        ):
            found = parsed(types=types, not_types=not_types).wanted
            self.assertIs(found, wanted, (types, not_types))

    @given(
        st.lists(
            st.sampled_from(["*", "?", "[", "]", "!", "m", "m.presence", "."]),
            max_size=7,
        )
    )
    def test_only_the_asterisk_is_special(self, pieces: list[str]) -> None:
        """`*` stands for any characters, every other one for itself (A-91)."""
        pattern = "".join(pieces)
        self.assertIs(parsed(types=[pattern]).wanted, _fits(pattern, "m.presence"))

    def test_other_signs_of_shells_are_not_special(self) -> None:
        """Beside an asterisk too, `?` and brackets stand for themselves (A-91)."""
        for pattern in ("*presenc?", "[m]*", "m.*[!x]", "?.presence*"):
            self.assertFalse(parsed(types=[pattern]).wanted, pattern)

    def test_many_asterisks_are_no_burden(self) -> None:
        """A pattern made to be slow to match is not (A-91)."""
        self.assertFalse(parsed(types=["*e" * 20_000 + "x"]).wanted)
        self.assertTrue(parsed(types=["*" * 20_000]).wanted)

    def test_senders(self) -> None:
        """A sender has to be among the wanted and not among the unwanted (A-91)."""
        for senders, not_senders, allowed in (
            (None, None, True),
            (["@a:hs"], None, True),
            (["@b:hs"], None, False),
            ([], None, False),
            (None, ["@a:hs"], False),
            (None, ["@b:hs"], True),
            (["@a:hs"], ["@a:hs"], False),
        ):
            only = parsed(senders=senders, not_senders=not_senders)
            self.assertIs(only.allows("@a:hs"), allowed, (senders, not_senders))
            self.assertIs(
                only.asks_for_senders, senders is not None or bool(not_senders)
            )

    def test_unwanted_types_allow_nobody(self) -> None:
        """Where the type is excluded the sender does not matter (A-91)."""
        self.assertFalse(parsed(types=[], senders=["@a:hs"]).allows("@a:hs"))

    def test_limit(self) -> None:
        """A limit is a positive integer or not there (A-92)."""
        self.assertIsNone(parsed(limit=None).limit)
        self.assertEqual(parsed(limit=7).limit, 7)
        limit: Any
        for limit in (0, -7, 1.0, "7", True, False, [], {}):
            self.assertRaises(InvalidParam, parsed, limit=limit)

    def test_wrong_types(self) -> None:
        """Lists have to be lists of strings; the sentence names the key (A-91)."""
        value: Any
        filter_json: dict[str, Any]
        for key in ("types", "not_types", "senders", "not_senders"):
            for value in ("m.presence", {}, 1, [1], [None], [["a"]]):
                error = self.assertRaises(InvalidParam, parsed, **{key: value})
                self.assertIn(f"'{key}'", error.error)
        for filter_json in ({"presence": []}, {"presence": 1}, {"event_fields": "a"}):
            self.assertRaises(InvalidParam, parse_presence_filter, filter_json)


class FieldsTests(TestCase):
    """`event_fields`."""

    def fields(self, *fields: str) -> dict[str, Any]:
        """The event with these fields."""
        only = parse_presence_filter({"event_fields": [*fields]})
        return only_fields(_EVENT, only.fields)

    def test_no_wish_is_everything(self) -> None:
        """Without the key, or with an empty list, events are whole (A-93)."""
        self.assertIs(self.fields(), _EVENT)
        self.assertIs(only_fields(_EVENT, None), _EVENT)

    def test_paths(self) -> None:
        """Paths go down at dots; what is not there adds no value (A-93)."""
        for fields, expected in (
            (["sender"], {"sender": "@a:hs"}),
            (["content"], {"content": _EVENT["content"]}),
            (["content.presence"], {"content": {"presence": "online"}}),
            (["content", "content.presence"], {"content": _EVENT["content"]}),
            (["content.presence", "content"], {"content": _EVENT["content"]}),
            (["nothing"], {}),
            (["sender.x"], {}),
            (["sender.x.y"], {}),
            ([""], {}),
        ):
            self.assertEqual(self.fields(*fields), expected, fields)

    def test_escaped_dots(self) -> None:
        """A backslash keeps a dot or a backslash within a key (A-93)."""
        for field, key in (("content.a\\.b", "a.b"), ("content.a\\\\b", "a\\b")):
            content = self.fields(field)["content"]
            self.assertEqual(list(content), [key])

    @given(st.lists(st.text("\\.", max_size=4) | st.sampled_from(["content.a.b"])))
    def test_odd_paths_add_nothing(self, fields: list[str]) -> None:
        """Whatever the paths, no key and no value comes that was not there (A-93)."""
        kept = self.fields(*fields)
        self.assertLessEqual(set(kept), set(_EVENT))
        content = kept.get("content", {})
        self.assertLessEqual(content.items(), _EVENT["content"].items())

    @given(st.lists(st.sampled_from(["content", "content.presence", "sender", "type"])))
    def test_the_event_is_left_alone(self, fields: list[str]) -> None:
        """Choosing fields does not change the event they are chosen from (A-93)."""
        before = {**_EVENT, "content": dict(_EVENT["content"])}
        self.fields(*fields)
        self.assertEqual(_EVENT, before)


def _fits(pattern: str, text: str) -> bool:
    """Whether the pattern fits, decided in the plainest way."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_fits(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return text[:1] == pattern[0] and _fits(pattern[1:], text[1:])
