"""The initial syncs of r0.1.0: of everything and of one room (A-100, A-103)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.homeserver.old_client import (
    ALICE,
    BOB,
    CAROL,
    VERSIONS,
    OldClientTestCase,
    bodies,
    of_type,
    presence,
)


class InitialSyncTests(OldClientTestCase):
    """`GET /initialSync`."""

    def test_has_end_rooms_and_presence_on_every_version(self) -> None:
        """The three required keys are there, wherever clients look (A-100)."""
        for self.version in VERSIONS:
            body = self.old_json(self.bob, "initialSync")
            self.assertLessEqual({"end", "rooms", "presence"}, set(body))
            (room,) = body["rooms"]
            self.assertEqual(room["room_id"], self.room_id)
            self.assertEqual(room["membership"], "join")
            self.assertEqual(room["visibility"], "private")

    def test_own_presence_is_in_it(self) -> None:
        """A user sees themself with a last active time, offline or not (A-100,
        A-111)."""
        carol = self.register("carol")
        for token, user_id in ((self.alice, ALICE), (carol, CAROL)):
            self.reactor.advance(2)
            body = self.old_json(token, "initialSync")
            own = presence(body["presence"])[user_id]
            self.assertIn("presence", own)
            self.assertGreaterEqual(own["last_active_ago"], 2000)

    def test_room_mates_are_in_it_and_strangers_are_not(self) -> None:
        """Presence is that of those who share a room (A-100)."""
        carol = self.register("carol")
        self.put("alice", self.alice, "online", status_msg="here")
        self.put("carol", carol, "online")
        self.reactor.advance(0.1)
        seen = presence(self.old_json(self.bob, "initialSync")["presence"])
        self.assertEqual(seen[ALICE]["presence"], "online")
        self.assertEqual(seen[ALICE]["status_msg"], "here")
        self.assertNotIn(CAROL, seen)

    def test_presence_has_the_user_in_its_content_and_a_sender(self) -> None:
        """Both are there, on every version (A-102, A-110)."""
        for self.version in VERSIONS:
            for event in self.old_json(self.bob, "initialSync")["presence"]:
                self.assertEqual(set(event), {"type", "sender", "content"})
                self.assertEqual(event["sender"], event["content"]["user_id"])

    def test_limit_is_of_the_messages_of_each_room(self) -> None:
        """So many messages come, with a token for those before (A-100)."""
        for n in range(12):
            self.say(self.alice, str(n))
        room = self.old_json(self.bob, "initialSync", limit=3)["rooms"][0]
        self.assertEqual(bodies(room["messages"]["chunk"]), ["9", "10", "11"])
        path = f"rooms/{quote(self.room_id)}/messages"
        query = {"from": room["messages"]["start"], "dir": "b", "limit": 1}
        self.assertEqual(bodies(self.old_json(self.bob, path, **query)["chunk"]), ["8"])
        room = self.old_json(self.bob, "initialSync")["rooms"][0]
        self.assertEqual(len(room["messages"]["chunk"]), 10)
        self.assertIn("m.room.create", [event["type"] for event in room["state"]])

    def test_invites_are_in_it(self) -> None:
        """An invite has who invites, and the event of it (A-100)."""
        body = {"invite": [BOB], "name": "Tea"}
        room_id = self.do("POST", "createRoom", body, self.alice)["room_id"]
        rooms = self.old_json(self.bob, "initialSync")["rooms"]
        (invite,) = [room for room in rooms if room["room_id"] == room_id]
        self.assertEqual(invite["membership"], "invite")
        self.assertEqual(invite["inviter"], ALICE)
        self.assertEqual(invite["invite"]["user_id"], ALICE)
        self.assertNotIn("state", invite)

    def test_archived_rooms_are_in_it_if_asked_for(self) -> None:
        """A room that was left is there with `archived`, as it was left (A-100)."""
        self.say(self.alice, "before")
        self.do("POST", f"rooms/{quote(self.room_id)}/leave", {}, self.bob)
        self.say(self.alice, "after")
        self.assertEqual(self.old_json(self.bob, "initialSync")["rooms"], [])
        (room,) = self.old_json(self.bob, "initialSync", archived="true")["rooms"]
        self.assertEqual(room["membership"], "leave")
        self.assertEqual(bodies(room["messages"]["chunk"]), ["before"])

    def test_receipts_and_account_data_are_in_it(self) -> None:
        """So are receipts, tags and the rules for notifications (A-100)."""
        event_id = self.say(self.alice)
        room = quote(self.room_id)
        self.do("POST", f"rooms/{room}/receipt/m.read/{event_id}", {}, self.bob)
        tag = f"user/{BOB}/rooms/{room}/tags/u.x"
        self.do("PUT", tag, {}, self.bob)
        body = self.old_json(self.bob, "initialSync")
        (receipt,) = body["receipts"]
        self.assertEqual(receipt["room_id"], self.room_id)
        self.assertIn(event_id, receipt["content"])
        (data,) = body["rooms"][0]["account_data"]
        self.assertEqual(data["type"], "m.tag")
        self.assertTrue(of_type(body["account_data"], "m.push_rules"))

    def test_guests_have_none(self) -> None:
        """It is not among what guests may use (A-13)."""
        response = self.old(self.guest(), "initialSync")
        self.assertRefused(response, 403, "M_GUEST_ACCESS_FORBIDDEN")

    def test_it_does_not_make_the_user_present(self) -> None:
        """A look is no connection: only /events is."""
        self.let_pass(60)
        self.old(self.bob, "initialSync")
        self.reactor.advance(0.1)
        status = self.ask("GET", f"presence/{BOB}/status", token=self.alice)
        self.assertEqual(status.json["presence"], "offline")


class RoomInitialSyncTests(OldClientTestCase):
    """`GET /rooms/{roomId}/initialSync`."""

    def room(self, token: str, room_id: str, **query: Any) -> Any:
        """The JSON of it."""
        return self.old_json(token, f"rooms/{quote(room_id)}/initialSync", **query)

    def test_has_the_presence_of_its_members(self) -> None:
        """All members are there, offline or not, and nobody else (A-103)."""
        self.put("alice", self.alice, "online")
        self.reactor.advance(0.1)
        for self.version in VERSIONS:
            body = self.room(self.bob, self.room_id, limit=1)
            seen = presence(body["presence"])
            self.assertEqual(set(seen), {ALICE, BOB})
            self.assertEqual(seen[ALICE]["presence"], "online")
            self.assertEqual(body["membership"], "join")
            self.assertEqual(len(body["messages"]["chunk"]), 1)
            self.assertTrue(body["state"])

    def test_guests_and_peekers_see_a_world_readable_room(self) -> None:
        """Who is not in it sees it too, with its members' presence (A-103, D-41)."""
        room_id = self.open_room(self.alice)
        for token in (self.bob, self.guest()):
            body = self.room(token, room_id)
            self.assertEqual(set(presence(body["presence"])), {ALICE})
            self.assertNotIn("membership", body)

    def test_other_rooms_are_refused(self) -> None:
        """Nobody looks into a room that is not world-readable, nor learns of one
        (A-103)."""
        for token in (self.register("carol"), self.guest()):
            for room_id in (self.room_id, "!nowhere:hs.test"):
                path = f"rooms/{quote(room_id)}/initialSync"
                self.assertRefused(self.old(token, path), 403, "M_FORBIDDEN")

    def test_who_has_left_sees_no_presence(self) -> None:
        """The room as it was left has no presence any more (A-103)."""
        self.do("POST", f"rooms/{quote(self.room_id)}/leave", {}, self.bob)
        body = self.room(self.bob, self.room_id)
        self.assertEqual(body["membership"], "leave")
        self.assertEqual(body["presence"], [])

    def test_who_is_ignored_is_not_seen(self) -> None:
        """Presence of ignored users stays out of it (A-94, A-103)."""
        path = f"user/{BOB}/account_data/m.ignored_user_list"
        self.do("PUT", path, {"ignored_users": {ALICE: {}}}, self.bob)
        body = self.room(self.bob, self.room_id)
        self.assertEqual(set(presence(body["presence"])), {BOB})


class SilentRoomTests(OldClientTestCase):
    """A server on which rooms of two are too large to carry presence."""

    def start(self, **options: Any) -> None:
        """Start it so."""
        super().start(max_room_members=1, **options)

    def test_a_room_that_carries_no_presence_shows_none(self) -> None:
        """Neither its initial sync nor a look into it has any (A-103, D-31)."""
        path = f"rooms/{quote(self.room_id)}/initialSync"
        self.assertEqual(self.old_json(self.bob, path)["presence"], [])
        start = self.now(self.bob)
        self.put("alice", self.alice, "online")
        self.reactor.advance(1)
        chunk = self.events(self.bob, start, room_id=self.room_id)["chunk"]
        self.assertEqual(chunk, [])


class DisabledTests(OldClientTestCase):
    """A server with presence switched off."""

    def start(self, **options: Any) -> None:
        """Start it so."""
        super().start(enabled=False, **options)

    def test_nothing_has_presence(self) -> None:
        """Every list of presence is empty (A-103)."""
        path = f"rooms/{quote(self.room_id)}/initialSync"
        self.assertEqual(self.old_json(self.bob, path)["presence"], [])
        self.assertEqual(self.old_json(self.bob, "initialSync")["presence"], [])
        start = self.now(self.bob)
        self.put("alice", self.alice, "online")
        self.reactor.advance(1)
        self.assertEqual(self.events(self.bob, start)["chunk"], [])
        room = {"room_id": self.room_id}
        self.assertEqual(self.events(self.bob, start, **room)["chunk"], [])
