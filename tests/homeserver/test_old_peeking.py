"""Listening to one room, also from outside: `GET /events?room_id=` (A-104)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.homeserver.old_client import (
    ALICE,
    BOB,
    CAROL,
    OldClientTestCase,
    bodies,
    presence,
)


class PeekTests(OldClientTestCase):
    """`GET /events?room_id=` (A-104)."""

    def setUp(self) -> None:
        """A room of Alice's into which Carol and a guest look."""
        super().setUp()
        self.open = self.open_room(self.alice)
        self.carol = self.register("carol")
        self.reactor.advance(1)
        self.start_token = self.now(self.alice)

    def peek(self, token: str) -> Any:
        """What is new to who looks in."""
        return self.events(token, self.start_token, room_id=self.open)["chunk"]

    def test_who_looks_in_hears_what_is_said(self) -> None:
        """Messages of this room are told, and of no other (A-104)."""
        self.say(self.alice, "in here", self.open)
        self.say(self.alice, "elsewhere")
        for token in (self.carol, self.guest(), self.bob):
            self.assertEqual(bodies(self.peek(token)), ["in here"])

    def test_who_looks_in_sees_the_members(self) -> None:
        """The members' presence is told, nobody else's (A-104, D-41)."""
        self.put("alice", self.alice, "unavailable", status_msg="tea")
        self.put("bob", self.bob, "unavailable")
        self.reactor.advance(1)
        for token in (self.carol, self.guest(), self.bob):
            seen = presence(self.peek(token))
            self.assertEqual(set(seen), {ALICE})
            self.assertEqual(seen[ALICE]["status_msg"], "tea")

    def test_a_wait_is_ended_by_message_and_by_presence(self) -> None:
        """Both wake who looks in; what is elsewhere does not (A-104)."""
        for token in (self.carol, self.guest()):
            start = self.events(token, room_id=self.open)["end"]
            polling = self.polling(token, start, room_id=self.open)
            self.say(self.alice, "elsewhere")
            self.reactor.advance(2)
            self.assertEqual(polling.responses(), [])
            self.say(self.alice, "here", self.open)
            body = self.answered(polling)
            self.assertEqual(bodies(body["chunk"]), ["here"])
            self.reactor.advance(2)
            start = self.events(token, body["end"], room_id=self.open)["end"]
            polling = self.polling(token, start, room_id=self.open)
            self.put("alice", self.alice, "online", status_msg=token)
            self.reactor.advance(2)
            seen = presence(self.answered(polling)["chunk"])
            self.assertEqual(seen[ALICE]["status_msg"], token)

    def test_who_comes_in_is_seen_by_who_looks_in(self) -> None:
        """A join is told with the presence of who joined (A-104, A-105)."""
        guest = self.guest()
        start = self.events(guest, room_id=self.open)["end"]
        polling = self.polling(guest, start, room_id=self.open)
        self.do("POST", f"join/{quote(self.open)}", {}, self.bob)
        body = self.answered(polling)
        self.assertIn(BOB, presence(body["chunk"]))

    def test_what_may_not_be_seen_is_refused(self) -> None:
        """Closed rooms and rooms that are not there look alike (A-104)."""
        for room_id in (self.room_id, "!nowhere:hs.test", ""):
            query = {"room_id": room_id, "timeout": 0}
            response = self.old(self.carol, "events", **query)
            self.assertRefused(response, 403, "M_FORBIDDEN")

    def test_who_is_refused_is_not_online_by_it(self) -> None:
        """A stream that never was makes nobody present (A-101, A-104)."""
        self.let_pass(60)
        self.old(self.carol, "events", room_id=self.room_id)
        status = self.ask("GET", f"presence/{CAROL}/status", token=self.carol)
        self.assertEqual(status.json["presence"], "offline")

    def test_a_wait_ends_when_the_room_is_closed(self) -> None:
        """From then on who looked in is refused (A-104)."""
        start = self.events(self.carol, room_id=self.open)["end"]
        polling = self.polling(self.carol, start, room_id=self.open)
        path = f"rooms/{quote(self.open)}/state/m.room.history_visibility"
        self.do("PUT", path, {"history_visibility": "joined"}, self.alice)
        (response,) = polling.responses()
        self.assertRefused(response, 403, "M_FORBIDDEN")

    def test_guests_have_to_name_a_room(self) -> None:
        """There is nothing else that they could listen to (A-13)."""
        response = self.old(self.guest(), "events", timeout=0)
        self.assertRefused(response, 400, "M_MISSING_PARAM")
