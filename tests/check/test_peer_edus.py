"""What is wrong with an EDU of presence."""

from __future__ import annotations

from typing import Any

from matrix_presence.check.peer.edus import faults
from tests.base import TestCase

RIGHT: dict[str, Any] = {
    "user_id": "@a:hs.test",
    "presence": "online",
    "last_active_ago": 0,
    "currently_active": True,
    "status_msg": "here",
}


def found(*push: Any, **content: Any) -> list[str]:
    """What is wrong with an EDU of these entries."""
    if push:
        content["push"] = list(push)
    return list(faults({"edu_type": "m.presence", "content": content}, "hs.test"))


class SchemaTests(TestCase):
    """The form that what is sent should have (C-5, C-10)."""

    def test_what_is_right_has_no_fault(self) -> None:
        """With and without what may be left out, pushes and polls."""
        least = {key: RIGHT[key] for key in ("user_id", "presence", "last_active_ago")}
        self.assertEqual([], found(RIGHT, least))
        self.assertEqual([], found(poll=["@b:there.test"], unpoll=[]))

    def test_what_is_about_something_else_has_no_fault(self) -> None:
        """Whatever it says."""
        edu: Any
        for edu in ({"edu_type": "m.typing", "content": 5}, {"edu_type": []}, {}, None):
            self.assertEqual([], list(faults(edu, "hs.test")))

    def test_wrong_entries_have_one_fault_each(self) -> None:
        """Which names the key."""
        for key, value in (
            ("user_id", "a"),
            ("user_id", "@a:other.test"),
            ("user_id", 5),
            ("presence", "free_for_chat"),
            ("presence", []),
            ("last_active_ago", "0"),
            ("last_active_ago", -1),
            ("currently_active", 1),
            ("status_msg", None),
        ):
            (fault,) = found({**RIGHT, key: value})
            self.assertIn("about" if value == "@a:other.test" else key, fault)
        (fault,) = found({"user_id": "@a:hs.test", "presence": "online"})
        self.assertIn("last_active_ago", fault)

    def test_wrong_contents_have_a_fault(self) -> None:
        """Entries that are none, lists that are none, nothing at all."""
        self.assertEqual(["an entry of a push is no object"], found(5))
        self.assertEqual(["push of an EDU is no list"], found(push=5))
        self.assertEqual(["an EDU has no push"], found())
        self.assertEqual(["poll of an EDU is no list of user ids"], found(poll=["b"]))
        edu = {"edu_type": "m.presence", "content": []}
        (fault,) = faults(edu, "hs.test")
        self.assertIn("no content", fault)

    def test_what_is_too_much_has_a_fault(self) -> None:
        """More than 50 users, more than 64 KiB (C-10)."""
        (fault,) = found(*[RIGHT] * 51)
        self.assertIn("51 users", fault)
        (fault,) = found({**RIGHT, "status_msg": "x" * 65536})
        self.assertIn("bytes", fault)

    def test_the_letters_of_lists_have_two_keys(self) -> None:
        """And no other (C-24)."""
        right = {"observed_user": "@a:hs.test", "observer_user": "@b:there.test"}
        edu = {"edu_type": "m.presence_invite", "content": right}
        self.assertEqual([], list(faults(edu, "hs.test")))
        for wrong in ({**right, "x": 1}, {**right, "observer_user": "b"}):
            (fault,) = faults({**edu, "content": wrong}, "hs.test")
            self.assertIn("m.presence_invite", fault)
