"""What old clients need beside their streams, and what others see of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.homeserver.old_client import (
    ALICE,
    VERSIONS,
    OldClientTestCase,
    presence,
)


class OneEventTests(OldClientTestCase):
    """`GET /events/{eventId}`."""

    def test_an_event_is_found_by_its_id(self) -> None:
        """Members read an event in the old shape; to others it is not there."""
        event_id = self.say(self.alice, "this")
        path = f"events/{quote(event_id)}"
        event = self.old_json(self.bob, path)
        self.assertEqual(event["content"]["body"], "this")
        self.assertEqual(event["user_id"], ALICE)
        for token, other in ((self.register("carol"), path), (self.bob, "events/x")):
            self.assertRefused(self.old(token, other), 404, "M_NOT_FOUND")


class OldShapesBesideModernOnesTests(OldClientTestCase):
    """The same server, seen by old clients and by modern ones."""

    def test_only_old_syncs_have_the_user_in_the_content(self) -> None:
        """/sync on r0 has `content.user_id` beside the sender, on v3 not (A-110)."""
        self.put("alice", self.alice, "online")
        self.reactor.advance(0.1)
        for self.version in ("r0", "v3"):
            body = self.old_json(self.bob, "sync")
            for event in body["presence"]["events"]:
                user_id = event["content"].get("user_id")
                expected = event["sender"] if self.version == "r0" else None
                self.assertEqual(user_id, expected)

    def test_old_events_have_names_and_no_nulls(self) -> None:
        """The profile is in each event where it is set, and no key is null
        (A-113)."""
        path = f"profile/{ALICE}/displayname"
        self.do("PUT", path, {"displayname": "Alice L."}, self.alice)
        self.reactor.advance(0.1)
        seen = presence(self.old_json(self.bob, "initialSync")["presence"])
        self.assertEqual(seen[ALICE]["displayname"], "Alice L.")
        self.assertNotIn("avatar_url", seen[ALICE])
        for content in seen.values():
            self.assertNotIn(None, content.values())

    def test_the_name_of_a_room_stays_in_the_room(self) -> None:
        """Presence has the canonical name, whatever a user is called in a room
        (D-5)."""
        path = f"profile/{ALICE}/displayname"
        self.do("PUT", path, {"displayname": "Alice L."}, self.alice)
        name = {"membership": "join", "displayname": "Queen"}
        path = f"rooms/{quote(self.room_id)}/state/m.room.member/{ALICE}"
        self.do("PUT", path, name, self.alice)
        self.put("alice", self.alice, "online")
        self.reactor.advance(1)
        seen = presence(self.old_json(self.bob, "initialSync")["presence"])
        self.assertEqual(seen[ALICE]["displayname"], "Alice L.")

    def test_currently_active_is_told_of_those_online_only(self) -> None:
        """It is there with online, and with nothing less (A-112)."""
        for state, told in (("online", True), ("unavailable", False)):
            self.put("alice", self.alice, state)
            self.reactor.advance(0.1)
            seen = presence(self.old_json(self.bob, "initialSync")["presence"])
            self.assertEqual("currently_active" in seen[ALICE], told)

    def test_nobody_hides_by_the_old_word_for_it(self) -> None:
        """`hidden` was never implemented, and is refused on every path (A-114)."""
        for self.version in VERSIONS:
            target = self.target(self.alice, f"presence/{ALICE}/status")
            response = self.connection.request("PUT", target, {"presence": "hidden"})
            self.assertEqual(response.status, 400)


class PlainRegistrationTests(OldClientTestCase):
    """What a client of api/v1 needs before it can listen."""

    def post(self, path: str, body: Any, token: str | None = None) -> Any:
        """The JSON of a successful POST under api/v1."""
        query = "" if token is None else f"?access_token={token}"
        target = f"/_matrix/client/api/v1/{path}{query}"
        response = self.connection.request("POST", target, body)
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def test_register_and_login_take_a_name_and_a_password(self) -> None:
        """One request each is enough, without stages."""
        flows = self.connection.request("GET", "/_matrix/client/api/v1/register")
        self.assertEqual(flows.json, {"flows": [{"type": "m.login.password"}]})
        body = {"type": "m.login.password", "user": "dave", "password": "wonderland"}
        made = self.post("register", body)
        self.assertEqual(made["user_id"], "@dave:hs.test")
        self.assertEqual(made["home_server"], "hs.test")
        token = self.post("login", body)["access_token"]
        room = self.post("createRoom", {}, token)["room_id"]
        content = {"msgtype": "m.text", "body": "x"}
        sent = [
            self.post(f"rooms/{quote(room)}/send/m.room.message", content, token)
            for _ in range(2)
        ]
        self.assertNotEqual(sent[0]["event_id"], sent[1]["event_id"])

    def test_wrong_bodies_are_refused(self) -> None:
        """What is no name and no password makes no account."""
        target = "/_matrix/client/api/v1/register"
        password = "m.login.password"
        for body in (
            {"type": password, "user": 5, "password": "x"},
            {"type": password, "user": "dave"},
            {"type": password, "user": "alice", "password": "wonderland"},
            {"type": password, "user": "Not A Name", "password": "wonderland"},
            {"type": [password]},
        ):
            response = self.connection.request("POST", target, body)
            self.assertIn(response.status, (400, 401), response.body)
