"""Invites between servers: asked in, coming in, declining."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from matrix_presence.errors import Forbidden
from matrix_presence.web.call import Answer, Call
from matrix_presence.wire.room_versions import ROOM_VERSIONS
from tests.homeserver.federated.rig import FederatedTestCase, Homeserver
from tests.web.connection import Response


class InvitesTestCase(FederatedTestCase):
    """Alice is here, Bob is there, Carol is on a third server."""

    def setUp(self) -> None:
        """Three servers."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.there = self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.bob = self.there.register("bob")

    def invite(self, room_id: str, user_id: str, **more: Any) -> Response:
        """What Alice is answered who invites somebody."""
        path = f"rooms/{quote(room_id)}/invite"
        return self.here.ask(self.alice, "POST", path, {"user_id": user_id, **more})

    def private_room(self, *invited: str, **body: Any) -> str:
        """A room of Alice's for those who are invited."""
        body = {"preset": "private_chat", **body}
        return self.here.create(self.alice, *invited, **body)

    def invites(self, server: Homeserver, user_id: str) -> dict[str, Any]:
        """The invites that a first sync shows."""
        rooms = server.sync(user_id).get("rooms", {})
        invites: dict[str, Any] = rooms.get("invite", {})
        return invites


class InvitingTests(InvitesTestCase):
    """Our users ask others in."""

    def test_users_of_other_servers_are_invited(self) -> None:
        """To rooms of all versions; they see who invites them to what (C-82)."""
        for version in ROOM_VERSIONS:
            with self.subTest(version):
                room_id = self.private_room(name="Tea", room_version=version)
                answer = self.invite(room_id, self.bob, reason="cake")
                self.assertEqual(200, answer.status, answer.body)
                invite = self.invites(self.there, self.bob)[room_id]
                shown = {
                    (event["type"], event["state_key"]): event
                    for event in invite["invite_state"]["events"]
                }
                name = shown["m.room.name", ""]["content"]
                self.assertEqual({"name": "Tea"}, name)
                own = shown["m.room.member", self.bob]
                self.assertEqual(self.alice, own["sender"])
                self.assertEqual("cake", own["content"]["reason"])
                self.there.join(self.bob, room_id)
                room = self.here.room(room_id)
                self.assertEqual({self.alice, self.bob}, room.joined)

    def test_both_servers_have_signed_the_invite(self) -> None:
        """So that all others can believe it (C-82)."""
        room_id = self.private_room()
        self.invite(room_id, self.bob)
        event = self.here.room(room_id).state["m.room.member", self.bob]
        self.assertEqual({"a.test", "b.test"}, set(event.pdu["signatures"]))

    def test_other_members_servers_hear_of_an_invite(self) -> None:
        """The invited user's server does not: it is not in the room."""
        carol = self.homeserver("c.test").register("carol")
        room_id = self.private_room(carol)
        third = self.running[-1]
        third.join(carol, room_id)
        self.invite(room_id, self.bob)
        self.pass_time()
        self.assertEqual("invite", third.room(room_id).membership(self.bob))
        self.assertIsNone(self.there.rooms.get(room_id))

    def test_a_chat_begins_with_an_invite(self) -> None:
        """It is part of the creation, and may fail alone (C-82)."""
        room_id = self.private_room(
            self.bob,
            "@zoe:down.test",
            preset="trusted_private_chat",
            is_direct=True,
        )
        invite = self.invites(self.there, self.bob)[room_id]
        own = invite["invite_state"]["events"][-1]
        self.assertIs(True, own["content"]["is_direct"])
        room = self.here.room(room_id)
        self.assertIsNone(room.membership("@zoe:down.test"))
        self.there.join(self.bob, room_id)
        # Those who are trusted can do what the creator can.
        path = f"rooms/{quote(room_id)}/state/m.room.power_levels"
        levels = self.here.call(self.alice, "GET", path)
        self.assertEqual(100, levels["users"][self.bob])

    def test_who_may_not_invite_asks_nobody(self) -> None:
        """The room is asked first."""
        room_id = self.here.create(
            self.alice, power_level_content_override={"invite": 101}
        )
        self.internet.asked.clear()
        answer = self.invite(room_id, self.bob)
        self.assertEqual((403, "M_FORBIDDEN"), (answer.status, answer.errcode))
        self.assertEqual([], self.internet.asked)

    def test_a_refusal_leaves_no_trace(self) -> None:
        """The client is told why; the room stays as it was."""
        room_id = self.private_room()
        for user_id, status, errcode in (
            ("@nobody:b.test", 403, "M_FORBIDDEN"),
            ("@zoe:down.test", 502, "M_UNKNOWN"),
            ("@zoe:no server", 403, "M_FORBIDDEN"),
            ("zoe", 400, "M_INVALID_PARAM"),
        ):
            with self.subTest(user_id):
                answer = self.invite(room_id, user_id)
                self.assertEqual((status, errcode), (answer.status, answer.errcode))
                self.assertIsNone(self.here.room(room_id).membership(user_id))

    def test_an_invite_that_is_not_signed_is_none(self) -> None:
        """Others would not believe it (C-82)."""
        far = self.peer("far.test")
        room_id = self.private_room()

        def forged(event: dict[str, Any]) -> dict[str, Any]:
            by_us = event["signatures"]["a.test"]
            other = "ed25519:a_1"
            signed = {other: next(iter(by_us.values()))}
            return {**event, "signatures": {"far.test": signed}}

        answers: tuple[Any, ...] = (
            lambda event: event,
            lambda event: {**event, "signatures": []},
            lambda event: {**event, "signatures": {"far.test": 7}},
            lambda event: {**event, "signatures": {"far.test": {"a": 7, "b:c": {}}}},
            forged,
        )
        wrong = iter(answers)

        async def invite(call: Call) -> Answer:
            return 200, {"event": next(wrong)(call.json()["event"])}

        path = "_matrix/federation/v2/invite/{room}/{event}"
        far.router.add("PUT", path, invite)
        for _ in answers:
            refused = self.invite(room_id, "@zoe:far.test")
            self.assertEqual(502, refused.status, refused.body)
            room = self.here.room(room_id)
            self.assertIsNone(room.membership("@zoe:far.test"))


class DecliningTests(InvitesTestCase):
    """Our users are asked in, and would rather not."""

    def setUp(self) -> None:
        """Bob invites Alice."""
        super().setUp()
        self.room_id = self.there.create(self.bob, self.alice, preset="private_chat")
        self.assertIn(self.room_id, self.invites(self.here, self.alice))

    def decline(self, **body: Any) -> Response:
        """What Alice is answered who does not want to come."""
        path = f"rooms/{quote(self.room_id)}/leave"
        return self.here.ask(self.alice, "POST", path, body)

    def test_the_other_server_hears_of_it(self) -> None:
        """With the reason, if there is one (C-82)."""
        since = self.here.sync(self.alice)["next_batch"]
        self.assertEqual(200, self.decline(reason="tired").status)
        event = self.there.room(self.room_id).state["m.room.member", self.alice]
        self.assertEqual("leave", event.membership)
        self.assertEqual("tired", event.content["reason"])
        self.assertEqual({}, self.invites(self.here, self.alice))
        news = self.here.sync(self.alice, since=since)["rooms"]
        self.assertIn(self.room_id, news["leave"])

    def assertOver(self) -> None:
        """The invite is not shown any more, not even after a restart."""
        self.assertEqual({}, self.invites(self.here, self.alice))
        self.pass_time()
        self.here.restart()
        self.assertEqual({}, self.invites(self.here, self.alice))

    def test_it_is_over_even_if_nobody_can_be_told(self) -> None:
        """The server of who has invited is gone."""
        self.internet.down.add(b"b.test")
        self.assertEqual(200, self.decline().status)
        self.assertOver()

    def test_it_is_over_even_if_nobody_wants_to_know(self) -> None:
        """What the other server thinks of it is its own affair."""

        async def make_leave(call: Call) -> Answer:
            raise Forbidden("no")

        path = "_matrix/federation/v1/make_leave/{room}/{user}"
        self.peer("b.test").router.add("GET", path, make_leave)
        self.assertEqual(200, self.decline().status)
        self.assertOver()

    def test_there_is_nothing_to_decline_twice(self) -> None:
        """Nor where nobody was invited."""
        self.decline()
        answer = self.decline()
        self.assertEqual((403, "M_FORBIDDEN"), (answer.status, answer.errcode))
        answer = self.here.ask(self.alice, "POST", "rooms/!x:b.test/leave", {})
        self.assertEqual((403, "M_FORBIDDEN"), (answer.status, answer.errcode))

    def test_an_invite_may_be_taken_back(self) -> None:
        """By who gave it; then it is not shown any more."""
        path = f"rooms/{quote(self.room_id)}/kick"
        self.there.call(self.bob, "POST", path, {"user_id": self.alice})
        self.pass_time()
        self.assertEqual({}, self.invites(self.here, self.alice))
