"""Users of other servers who join, leave, knock and are let in: what is taken."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from twisted.internet.task import Clock

from matrix_presence.federation.client import Refused
from matrix_presence.homeserver.room import Room
from tests.homeserver.federated.rig import FederatedTestCase
from tests.web.connection import Connection

MALLORY, OSCAR = "@mallory:far.test", "@oscar:far.test"
EVERY = [str(number) for number in range(1, 13)]


class HandshakeTests(FederatedTestCase):
    """A server of ours, and one whose users want in."""

    def setUp(self) -> None:
        """A public room."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.alice = self.here.register("alice")
        self.far = self.peer("far.test")
        self.room_id = self.here.create(self.alice)

    @property
    def room(self) -> Room:
        """The room as we know it."""
        return self.here.room(self.room_id)

    def make(
        self,
        user_id: str = MALLORY,
        membership: str = "join",
        ver: list[str] = EVERY,
        room_id: str | None = None,
    ) -> Any:
        """What `make_…` answers."""
        path = f"v1/make_{membership}/{quote(room_id or self.room_id)}/{quote(user_id)}"
        return self.far.get("a.test", path, ver=ver)

    def hand_in(
        self,
        made: Any,
        membership: str = "join",
        version: str = "v2",
        into: str | None = None,
        **fields: Any,
    ) -> Any:
        """What `send_…` answers to the event of this template, with fields changed."""
        event = self.far.signed(made["event"] | fields, self.room.version)
        event_id = quote(event.event_id, safe="")
        path = f"{version}/send_{membership}/{quote(into or self.room_id)}/{event_id}"
        return self.far.put("a.test", path, event.pdu)

    def assertRefused(
        self, status: int, errcode: str, *args: Any, **more: Any
    ) -> Refused:
        """The call is refused like this, and nobody came in."""
        refusal = self.assertRaises(Refused, *args, **more)
        self.assertEqual((status, errcode), (refusal.status, refusal.errcode))
        self.assertEqual({self.alice}, self.room.joined)
        assert isinstance(refusal, Refused)
        return refusal

    def test_a_join_is_prepared(self) -> None:
        """As it would stand in the room, without a signature (C-80)."""
        made = self.make()
        event = made["event"]
        self.assertEqual("11", made["room_version"])
        self.assertEqual(
            ("m.room.member", MALLORY, MALLORY, {"membership": "join"}, self.room_id),
            tuple(
                event[key]
                for key in ("type", "sender", "state_key", "content", "room_id")
            ),
        )
        self.assertEqual(list(self.room.heads), event["prev_events"])
        self.assertEqual(self.room.timeline[-1].depth + 1, event["depth"])
        self.assertNotIn("signatures", event)
        self.assertEqual({self.alice}, self.room.joined)

    def test_a_join_is_answered_with_the_room(self) -> None:
        """The state before it, what that rests on, and who is there (C-81)."""
        before = {event.event_id for event in self.room.state.values()}
        answer = self.hand_in(self.make())
        self.assertEqual({self.alice, MALLORY}, self.room.joined)
        self.assertEqual(len(before), len(answer["state"]))
        self.assertFalse(answer["members_omitted"])
        self.assertEqual(["a.test", "far.test"], answer["servers_in_room"])
        self.assertEqual(MALLORY, answer["event"]["state_key"])
        types = {pdu["type"] for pdu in answer["auth_chain"]}
        self.assertLessEqual({"m.room.create", "m.room.join_rules"}, types)

    def test_a_join_is_taken_once(self) -> None:
        """A server whose answer got lost is answered the same."""
        made = self.make()
        first, second = self.hand_in(made), self.hand_in(made)
        self.assertEqual(len(first["state"]), len(second["state"]))
        joins = [e for e in self.room.timeline if e.state_key == MALLORY]
        self.assertEqual(1, len(joins))

    def test_version_1_repeats_the_status(self) -> None:
        """As it was before (C-82)."""
        answer = self.hand_in(self.make(), version="v1")
        self.assertIn("state", answer)

    def test_only_own_users_are_let_in(self) -> None:
        """A server prepares and sends joins for its own users (C-80)."""
        self.assertRefused(403, "M_FORBIDDEN", self.make, "@x:other.test")
        made = self.make()
        for fields in ({"sender": self.alice, "state_key": self.alice},):
            self.assertRefused(403, "M_FORBIDDEN", self.hand_in, made, **fields)

    def test_the_version_has_to_be_known(self) -> None:
        """To the server that asks; those that say nothing know the first (C-80)."""
        errcode = "M_INCOMPATIBLE_ROOM_VERSION"
        self.assertRefused(400, errcode, self.make, ver=["1", "10"])
        self.assertRefused(400, errcode, self.make, ver=[])

    def test_a_room_that_we_are_not_in_is_not_found(self) -> None:
        """We cannot let anybody in (C-80)."""
        for room_id in ("!no:a.test", "!no:b.test"):
            self.assertRefused(404, "M_NOT_FOUND", self.make, room_id=room_id)
        made = self.make()
        self.assertRefused(404, "M_NOT_FOUND", self.hand_in, made, into="!no:a.test")

    def test_the_event_is_the_one_that_was_meant(self) -> None:
        """A join of its sender, in the room and with the id of the path."""
        made = self.make()
        for fields in (
            {"content": {"membership": "leave"}},
            {"state_key": OSCAR},
            {"type": "m.room.message"},
            {"room_id": "!other:a.test"},
        ):
            self.assertRefused(400, "M_INVALID_PARAM", self.hand_in, made, **fields)
        event = self.far.signed(made["event"], self.room.version)
        path = f"v2/send_join/{self.room_id}/$other"
        self.assertRefused(
            400, "M_INVALID_PARAM", self.far.put, "a.test", path, event.pdu
        )
        self.assertRefused(400, "M_BAD_JSON", self.far.put, "a.test", path, {})

    def test_a_join_has_to_be_signed(self) -> None:
        """By the server of its sender (C-92)."""
        event = self.far.signed(self.make()["event"], self.room.version)
        path = f"v2/send_join/{self.room_id}/{event.event_id}"
        unsigned = event.pdu | {"signatures": {}}
        self.assertRefused(400, "M_BAD_JSON", self.far.put, "a.test", path, unsigned)

    def test_a_closed_room_lets_nobody_in(self) -> None:
        """Neither prepared nor taken (C-80)."""
        made = self.make()
        rule = {"join_rule": "invite"}
        self.here.set(self.alice, self.room_id, "m.room.join_rules", rule)
        self.assertRefused(403, "M_FORBIDDEN", self.make)
        self.assertRefused(403, "M_FORBIDDEN", self.hand_in, made)

    def test_a_member_leaves_by_handshake(self) -> None:
        """It is no longer in the room then (C-82)."""
        self.hand_in(self.make())
        made = self.make(membership="leave")
        self.assertEqual({}, self.hand_in(made, "leave"))
        self.assertEqual({self.alice}, self.room.joined)
        self.assertRefused(403, "M_FORBIDDEN", self.make, membership="leave")

    def test_other_servers_hear_of_who_was_let_in(self) -> None:
        """The server that let them in tells, but not the one they are of (C-81)."""
        third = self.homeserver("b.test")
        bob = third.register("bob")
        third.join(bob, self.room_id, "a.test")
        self.hand_in(self.make())
        self.pass_time()
        self.assertIn(MALLORY, third.room(self.room_id).joined)
        self.assertEqual([], self.far.pdus)
        self.hand_in(self.make(membership="leave"), "leave")
        self.pass_time()
        self.assertNotIn(MALLORY, third.room(self.room_id).joined)

    def test_whoever_knocks_is_shown_the_room(self) -> None:
        """And may be invited then."""
        rule = {"join_rule": "knock"}
        self.here.set(self.alice, self.room_id, "m.room.join_rules", rule)
        made = self.make(membership="knock")
        answer = self.hand_in(made, "knock", "v1")
        types = {event["type"] for event in answer["knock_room_state"]}
        self.assertIn("m.room.create", types)
        self.assertEqual("knock", self.room.membership(MALLORY))

    def test_members_of_one_room_are_let_into_another(self) -> None:
        """Only they, and with the signature of who lets them in (C-80)."""
        other = self.here.create(self.alice)
        rule = {
            "join_rule": "restricted",
            "allow": [{"type": "m.room_membership", "room_id": other}],
        }
        self.here.set(self.alice, self.room_id, "m.room.join_rules", rule)
        self.assertRefused(403, "M_FORBIDDEN", self.make)
        self.far.join("a.test", other, MALLORY)
        made = self.make()
        named = made["event"]["content"]["join_authorised_via_users_server"]
        self.assertEqual(self.alice, named)
        answer = self.hand_in(made)
        self.assertEqual({"a.test", "far.test"}, set(answer["event"]["signatures"]))
        self.assertEqual({self.alice, MALLORY}, self.room.joined)

    def test_nobody_is_signed_for_who_may_not_come_in(self) -> None:
        """Whatever their server hands in (C-80)."""
        other = self.here.create(self.alice, preset="private_chat")
        rule = {
            "join_rule": "restricted",
            "allow": [{"type": "m.room_membership", "room_id": other}],
        }
        made = self.make()
        self.here.set(self.alice, self.room_id, "m.room.join_rules", rule)
        for named in (self.alice, "@nobody:a.test"):
            content = {"membership": "join", "join_authorised_via_users_server": named}
            self.assertRefused(403, "M_FORBIDDEN", self.hand_in, made, content=content)

    def test_what_we_cannot_tell_is_left_to_others(self) -> None:
        """Rooms that we are not in, and members who may not invite (C-80)."""
        elsewhere = {"type": "m.room_membership", "room_id": "!x:b.test"}
        rule = {"join_rule": "restricted", "allow": [elsewhere]}
        self.here.set(self.alice, self.room_id, "m.room.join_rules", rule)
        self.assertRefused(400, "M_UNABLE_TO_AUTHORISE_JOIN", self.make)
        other = self.here.create(self.alice)
        self.far.join("a.test", other, MALLORY)
        rule["allow"] = [{"type": "m.room_membership", "room_id": other}]
        self.here.set(self.alice, self.room_id, "m.room.join_rules", rule)
        levels = self.room.state["m.room.power_levels", ""].content | {"invite": 101}
        self.patch(self.room.state["m.room.power_levels", ""], "content", levels)
        self.assertRefused(400, "M_UNABLE_TO_GRANT_JOIN", self.make)

    def test_rooms_may_be_closed_to_other_servers(self) -> None:
        """From the beginning (C-14)."""
        content = {"m.federate": False}
        self.room_id = self.here.create(self.alice, creation_content=content)
        self.assertRefused(403, "M_FORBIDDEN", self.make)

    def test_requests_have_to_be_signed(self) -> None:
        """Every one of them (C-54)."""
        connection = Connection(self.here.root, Clock())
        base = "/_matrix/federation"
        for method, path in (
            ("GET", f"v1/make_join/{self.room_id}/{MALLORY}"),
            ("PUT", f"v2/send_join/{self.room_id}/$x"),
            ("GET", f"v1/make_leave/{self.room_id}/{MALLORY}"),
            ("PUT", f"v2/send_leave/{self.room_id}/$x"),
            ("PUT", f"v1/send_join/{self.room_id}/$x"),
            ("PUT", f"v1/send_leave/{self.room_id}/$x"),
            ("GET", f"v1/make_knock/{self.room_id}/{MALLORY}"),
            ("PUT", f"v1/send_knock/{self.room_id}/$x"),
            ("PUT", f"v2/invite/{self.room_id}/$x"),
            ("PUT", f"v1/invite/{self.room_id}/$x"),
            ("GET", f"v1/state/{self.room_id}"),
            ("GET", f"v1/state_ids/{self.room_id}"),
            ("GET", "v1/event/$x"),
            ("GET", f"v1/event_auth/{self.room_id}/$x"),
            ("POST", f"v1/get_missing_events/{self.room_id}"),
            ("GET", f"v1/backfill/{self.room_id}"),
            ("GET", "v1/query/profile"),
            ("GET", "v1/query/directory"),
            ("GET", f"v1/user/devices/{self.alice}"),
            ("POST", "v1/user/keys/query"),
            ("POST", "v1/user/keys/claim"),
            ("GET", "v1/publicRooms"),
            ("POST", "v1/publicRooms"),
            ("PUT", "v1/send/x"),
        ):
            response = connection.request(method, f"{base}/{path}", {})
            self.assertEqual(401, response.status, path)
