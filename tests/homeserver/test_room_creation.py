"""`createRoom`: presets, wishes, and what is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from signedjson.key import get_verify_key

from matrix_presence.wire.room_versions import ROOM_VERSIONS
from matrix_presence.wire.signing import content_hash_matches, event_id_of, verify_event
from tests.homeserver.rooms import ALICE, BOB, CAROL, KEY, RoomsTestCase


class CreateRoomTests(RoomsTestCase):
    """Client-server API, `POST /createRoom`."""

    def _contents(self, room_id: str) -> dict[str, Any]:
        """The contents of the state events with an empty state key."""
        return {
            event["type"]: event["content"]
            for event in self.get(ALICE, f"rooms/{quote(room_id)}/state")
            if event["state_key"] == ""
        }

    def test_presets(self) -> None:
        """A preset sets join rule and guest access; visibility chooses one."""
        for body, rule, guests in (
            ({}, "invite", "can_join"),
            ({"preset": "private_chat"}, "invite", "can_join"),
            ({"preset": "trusted_private_chat"}, "invite", "can_join"),
            ({"preset": "public_chat"}, "public", "forbidden"),
            ({"visibility": "public"}, "public", "forbidden"),
            ({"visibility": "public", "preset": "private_chat"}, "invite", "can_join"),
        ):
            room_id = self.post(ALICE, "createRoom", body)["room_id"]
            contents = self._contents(room_id)
            self.assertEqual(contents["m.room.join_rules"], {"join_rule": rule})
            self.assertEqual(contents["m.room.guest_access"], {"guest_access": guests})
            listed = self.get(ALICE, f"directory/list/room/{quote(room_id)}")
            self.assertEqual(listed["visibility"], body.get("visibility", "private"))

    def test_a_room_begins_with_what_the_rules_need(self) -> None:
        """In the order in which each allows the next (C-83)."""
        room_id = self.post(ALICE, "createRoom", {"preset": "public_chat"})["room_id"]
        room = self.rooms.get(room_id)
        assert room is not None
        self.assertEqual(
            [
                ("m.room.create", ""),
                ("m.room.member", ALICE),
                ("m.room.power_levels", ""),
                ("m.room.join_rules", ""),
                ("m.room.history_visibility", ""),
            ],
            [event.key for event in room.timeline][:5],
        )

    def test_everything_at_once(self) -> None:
        """Name, topic, alias, own state, power levels and invites are all there."""
        encryption = {"algorithm": "m.megolm.v1.aes-sha2"}
        body = {
            "name": "Tea",
            "topic": "All about it",
            "room_alias_name": "tea",
            "invite": [BOB, BOB],
            "is_direct": True,
            "creation_content": {"type": "m.space", "creator": "@x:y"},
            "initial_state": [
                {"type": "m.room.encryption", "content": encryption},
                {"type": "m.room.join_rules", "content": {"join_rule": "knock"}},
            ],
            "power_level_content_override": {"events_default": 25},
        }
        room_id = self.post(ALICE, "createRoom", body)["room_id"]
        contents = self._contents(room_id)
        self.assertEqual(contents["m.room.name"], {"name": "Tea"})
        self.assertEqual(contents["m.room.topic"], {"topic": "All about it"})
        self.assertEqual(contents["m.room.encryption"], encryption)
        self.assertEqual(contents["m.room.join_rules"], {"join_rule": "knock"})
        self.assertEqual(
            contents["m.room.create"], {"room_version": "11", "type": "m.space"}
        )
        self.assertEqual(contents["m.room.power_levels"]["events_default"], 25)
        self.assertEqual(contents["m.room.power_levels"]["users"], {ALICE: 100})
        self.assertEqual(contents["m.room.canonical_alias"], {"alias": "#tea:hs.test"})
        found = self.get(BOB, "directory/room/" + quote("#tea:hs.test"))
        self.assertEqual(found, {"room_id": room_id, "servers": ["hs.test"]})
        member = self.get(
            ALICE, f"rooms/{quote(room_id)}/state/m.room.member/{quote(BOB)}"
        )
        self.assertEqual(
            member, {"membership": "invite", "displayname": "Bob", "is_direct": True}
        )

    def test_trusted_guests_get_the_creators_power(self) -> None:
        """In a trusted chat the invited have level 100, or are creators in 12."""
        for version in ("11", "12"):
            room_id = self.room(
                preset="trusted_private_chat", invite=[BOB], room_version=version
            )
            self.post(BOB, f"join/{quote(room_id)}")
            self.state(BOB, room_id, "m.room.server_acl", {})

    def test_every_version(self) -> None:
        """Rooms of all versions work, and their events verify (C-91 to C-94)."""
        for identifier, version in ROOM_VERSIONS.items():
            room_id = self.room(ALICE, BOB, room_version=identifier)
            self.say(BOB, room_id)
            self.assertEqual(":" in room_id, identifier != "12")
            room = self.rooms.get(room_id)
            assert room is not None
            for event in room.timeline:
                verify_event(event.pdu, version, "hs.test", get_verify_key(KEY))
                self.assertTrue(content_hash_matches(event.pdu))
                self.assertEqual(event_id_of(event.pdu, version), event.event_id)
            depths = [event.pdu["depth"] for event in room.timeline]
            self.assertEqual(depths, list(range(1, len(depths) + 1)))

    def test_members_are_reported(self) -> None:
        """The creator's join is told to those who listen, an invite is not."""
        room_id = self.room(ALICE, invite=[BOB])
        self.assertEqual(self.moves, [("joined", room_id, ALICE)])
        self.assertEqual(self.active, [(ALICE, "ALICE")])

    def test_refusals(self) -> None:
        """What cannot be is refused, and no room remains."""
        self.room(room_alias_name="taken")
        before = len(list(self.rooms))
        for body, status, errcode in (
            ({"room_version": "99"}, 400, "M_UNSUPPORTED_ROOM_VERSION"),
            ({"room_version": 11}, 400, "M_BAD_JSON"),
            ({"room_alias_name": "taken"}, 400, "M_ROOM_IN_USE"),
            ({"room_alias_name": "#a:hs.test"}, 400, "M_INVALID_PARAM"),
            ({"room_alias_name": "x" * 300}, 400, "M_INVALID_PARAM"),
            ({"preset": "nice"}, 400, "M_INVALID_PARAM"),
            ({"visibility": "nice"}, 400, "M_INVALID_PARAM"),
            ({"invite": ["bob"]}, 400, "M_INVALID_PARAM"),
            ({"invite": [1]}, 400, "M_BAD_JSON"),
            ({"invite": ["@nobody:hs.test"]}, 404, "M_NOT_FOUND"),
            ({"invite": ["@bob:elsewhere"]}, 403, "M_FORBIDDEN"),
            ({"invite": [ALICE]}, 400, "M_INVALID_ROOM_STATE"),
            ({"invite_3pid": [{}]}, 400, "M_INVALID_PARAM"),
            ({"initial_state": [1]}, 400, "M_BAD_JSON"),
            ({"initial_state": [{"type": "x"}]}, 400, "M_MISSING_PARAM"),
            ({"creation_content": []}, 400, "M_BAD_JSON"),
            ({"creation_content": {"x": 1.5}}, 400, "M_BAD_JSON"),
            ({"topic": "x" * 65536}, 413, "M_TOO_LARGE"),
            (
                {"power_level_content_override": {"users": {}}, "name": "x"},
                400,
                "M_INVALID_ROOM_STATE",
            ),
        ):
            response = self.ask(ALICE, "POST", "createRoom", body)
            self.assertRefused(response, status, errcode)
        self.assertEqual(len(list(self.rooms)), before)

    def test_guests_make_no_rooms(self) -> None:
        """Guests are not granted this endpoint."""
        guest = self.register("guest", is_guest=True)
        response = self.ask(guest, "POST", "createRoom", {})
        self.assertRefused(response, 403, "M_GUEST_ACCESS_FORBIDDEN")

    def test_joined_rooms(self) -> None:
        """The list has the rooms one is in, not those one was invited to or left."""
        mine, left = self.room(), self.room()
        self.room(BOB, invite=[ALICE])
        self.post(ALICE, f"rooms/{quote(left)}/leave")
        self.assertEqual(self.get(ALICE, "joined_rooms"), {"joined_rooms": [mine]})
        self.assertEqual(self.get(CAROL, "joined_rooms"), {"joined_rooms": []})
