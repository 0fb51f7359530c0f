"""What clients say about presence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.errors import BadJson, InvalidParam, TooLarge
from matrix_presence.rules.states import Presence
from matrix_presence.wire.requests import (
    checked_status_msg,
    modern_states,
    parse_set_presence,
    parse_status,
)
from tests.base import TestCase

_STATES = modern_states(busy=True)


class StatusTests(TestCase):
    """The body of a `PUT`."""

    def test_states(self) -> None:
        """Modern clients know three states, and busy where it is on (A-22)."""
        self.assertEqual(
            modern_states(busy=False), ("offline", "unavailable", "online")
        )
        self.assertEqual(_STATES[-1], "org.matrix.msc3026.busy")
        for name, state in zip(
            _STATES,
            (Presence.OFFLINE, Presence.UNAVAILABLE, Presence.ONLINE, Presence.BUSY),
            strict=True,
        ):
            self.assertEqual(
                parse_status({"presence": name}, _STATES, 9), (state, None)
            )

    def test_message(self) -> None:
        """A message is taken as it is; null, empty and absent are none (A-21, A-25)."""
        for status_msg, expected in (("hi ", "hi "), ("", None), (None, None)):
            body = {"presence": "online", "status_msg": status_msg}
            self.assertEqual(
                parse_status(body, _STATES, 9), (Presence.ONLINE, expected)
            )

    def test_wrong_bodies(self) -> None:
        """A missing or wrong value is BadJson, and the sentence names the key
        (A-23)."""
        for body, key in (
            ({}, "presence"),
            ({"presence": None}, "presence"),
            ({"presence": ["online"]}, "presence"),
            ({"presence": "free_for_chat"}, "presence"),
            ({"presence": "online", "status_msg": 1}, "status_msg"),
            ({"presence": "online", "status_msg": {}}, "status_msg"),
        ):
            error = self.assertRaises(BadJson, parse_status, body, _STATES, 9)
            self.assertIn(f"'{key}'", error.error)

    @given(st.text(st.characters()), st.integers(0, 40))
    def test_limit_is_in_bytes(self, status_msg: str, limit: int) -> None:
        """A message is taken if it is Unicode without NUL, in `limit` bytes of UTF-8
        (A-26)."""
        try:
            length = len(status_msg.encode())
        except UnicodeEncodeError:
            self.assertRaises(BadJson, checked_status_msg, status_msg, limit)
            return
        if "\0" in status_msg:
            self.assertRaises(BadJson, checked_status_msg, status_msg, limit)
        elif length > limit:
            self.assertRaises(TooLarge, checked_status_msg, status_msg, limit)
        else:
            self.assertEqual(checked_status_msg(status_msg, limit), status_msg)


class SetPresenceTests(TestCase):
    """The parameter of a sync."""

    def test_values(self) -> None:
        """Each state is its value, and without the parameter there is none (A-80)."""
        self.assertIsNone(parse_set_presence(None, _STATES))
        for name, state in (
            ("offline", Presence.OFFLINE),
            ("unavailable", Presence.UNAVAILABLE),
            ("online", Presence.ONLINE),
            ("org.matrix.msc3026.busy", Presence.BUSY),
        ):
            self.assertEqual(parse_set_presence(name, _STATES), state)

    def test_other_values(self) -> None:
        """Anything else is InvalidParam, with the values there are (A-81)."""
        states = modern_states(busy=False)
        for value in ("", "bogus", "Online", "org.matrix.msc3026.busy"):
            error = self.assertRaises(InvalidParam, parse_set_presence, value, states)
            self.assertIn("offline, unavailable, online", error.error)
