"""What a redaction keeps, room version by room version (table C7)."""

from __future__ import annotations

from typing import Any

from matrix_presence.wire.redaction import redacted
from matrix_presence.wire.room_versions import ROOM_VERSIONS
from tests.base import TestCase


def _left(event_type: str, content: dict[str, Any], version: int) -> dict[str, Any]:
    """The content that survives in that version."""
    event = {"type": event_type, "content": content}
    left: dict[str, Any] = redacted(event, ROOM_VERSIONS[str(version)])["content"]
    return left


class RedactionTests(TestCase):
    """Matrix specification, "Redactions" of each room version."""

    def test_top_level(self) -> None:
        """Unknown keys go; `origin`, `membership` and `prev_state` until version 10."""
        event = {
            "type": "m.room.message",
            "sender": "@a:b",
            "content": {"body": "x"},
            "origin": "b",
            "membership": "join",
            "prev_state": [],
            "unsigned": {},
            "redacts": "$x",
            "extra": 1,
            "depth": 1,
            "hashes": {},
            "state_key": "",
        }
        common = {
            "type": "m.room.message",
            "sender": "@a:b",
            "content": {},
            "depth": 1,
            "hashes": {},
            "state_key": "",
        }
        old = {**common, "origin": "b", "membership": "join", "prev_state": []}
        for identifier, version in ROOM_VERSIONS.items():
            expected = common if int(identifier) >= 11 else old
            self.assertEqual(redacted(event, version), expected, identifier)

    def test_rubbish_content_becomes_empty(self) -> None:
        """Content that is no object is replaced by an empty one."""
        content: Any
        for content in (None, [], "x", 1):
            event = {"type": "m.room.member", "content": content}
            self.assertEqual(redacted(event, ROOM_VERSIONS["11"])["content"], {})

    def test_member(self) -> None:
        """Membership stays; the authorising user from 9; a signed invite from 11."""
        content: dict[str, Any] = {
            "membership": "join",
            "displayname": "x",
            "join_authorised_via_users_server": "@a:b",
            "third_party_invite": {"display_name": "x", "signed": {"mxid": "@a:b"}},
        }
        self.assertEqual(_left("m.room.member", content, 8), {"membership": "join"})
        self.assertEqual(
            _left("m.room.member", content, 9),
            {"membership": "join", "join_authorised_via_users_server": "@a:b"},
        )
        self.assertEqual(
            _left("m.room.member", content, 11)["third_party_invite"],
            {"signed": {"mxid": "@a:b"}},
        )
        rubbish: Any
        for rubbish in (None, "x", {}):
            content["third_party_invite"] = rubbish
            self.assertNotIn("third_party_invite", _left("m.room.member", content, 11))

    def test_create(self) -> None:
        """Only the creator until version 10, everything from 11."""
        content = {"creator": "@a:b", "room_version": "1", "m.federate": False}
        self.assertEqual(_left("m.room.create", content, 10), {"creator": "@a:b"})
        self.assertEqual(_left("m.room.create", content, 11), content)

    def test_join_rules(self) -> None:
        """`allow` is kept from version 8."""
        content = {"join_rule": "restricted", "allow": [], "x": 1}
        self.assertEqual(
            _left("m.room.join_rules", content, 7), {"join_rule": "restricted"}
        )
        self.assertEqual(
            _left("m.room.join_rules", content, 8),
            {"join_rule": "restricted", "allow": []},
        )

    def test_power_levels(self) -> None:
        """`invite` is kept from version 11, `notifications` never."""
        content: dict[str, Any] = {
            "users": {},
            "ban": 1,
            "invite": 2,
            "notifications": {"room": 3},
        }
        self.assertEqual(
            _left("m.room.power_levels", content, 10), {"users": {}, "ban": 1}
        )
        self.assertEqual(
            _left("m.room.power_levels", content, 11),
            {"users": {}, "ban": 1, "invite": 2},
        )

    def test_others(self) -> None:
        """Visibility stays always, aliases until 5, `redacts` from 11."""
        visibility = {"history_visibility": "joined", "x": 1}
        for version in (1, 12):
            self.assertEqual(
                _left("m.room.history_visibility", visibility, version),
                {"history_visibility": "joined"},
            )
        aliases = {"aliases": ["#a:b"]}
        self.assertEqual(_left("m.room.aliases", aliases, 5), aliases)
        self.assertEqual(_left("m.room.aliases", aliases, 6), {})
        redaction = {"redacts": "$x", "reason": "spam"}
        self.assertEqual(_left("m.room.redaction", redaction, 10), {})
        self.assertEqual(_left("m.room.redaction", redaction, 11), {"redacts": "$x"})
