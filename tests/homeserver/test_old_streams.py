"""The stream of r0.1.0: `GET /events` (A-101, A-102, A-105)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.homeserver.old_client import (
    ALICE,
    BOB,
    CAROL,
    OLD_VERSIONS,
    VERSIONS,
    OldClientTestCase,
    bodies,
    of_type,
    presence,
)


class EventsTests(OldClientTestCase):
    """`GET /events`."""

    def test_has_start_end_and_chunk_on_every_version(self) -> None:
        """The token that was sent comes back, with what is new since (A-101)."""
        for self.version in VERSIONS:
            start = self.now(self.bob)
            event_id = self.say(self.alice, self.version)
            body = self.events(self.bob, start)
            self.assertEqual(set(body), {"start", "end", "chunk"})
            self.assertEqual(body["start"], start)
            (event,) = of_type(body["chunk"], "m.room.message")
            self.assertEqual(event["event_id"], event_id)
            self.assertEqual(self.events(self.bob, body["end"])["chunk"], [])

    def test_events_have_the_shape_of_their_time(self) -> None:
        """The room, the user beside the sender, and the age beside `unsigned` are
        there (A-102)."""
        start = self.now(self.bob)
        self.say(self.alice)
        self.reactor.advance(2)
        (event,) = of_type(self.events(self.bob, start)["chunk"], "m.room.message")
        self.assertEqual(event["room_id"], self.room_id)
        self.assertEqual(event["user_id"], ALICE)
        self.assertEqual(event["sender"], ALICE)
        self.assertEqual(event["age"], 2000)
        self.assertEqual(event["unsigned"]["age"], 2000)

    def test_presence_is_mixed_in_in_the_old_shape(self) -> None:
        """Presence has the user in its content, and a sender (A-101, A-102)."""
        for self.version in VERSIONS:
            start = self.now(self.bob)
            self.put("alice", self.alice, "online", status_msg=self.version)
            self.reactor.advance(0.1)
            (event,) = self.events(self.bob, start)["chunk"]
            self.assertEqual(event["sender"], ALICE)
            self.assertEqual(event["content"]["user_id"], ALICE)
            self.assertEqual(event["content"]["status_msg"], self.version)

    def test_old_versions_know_four_states(self) -> None:
        """Free for chat is told as it is, except on v3 (A-110)."""
        start = self.now(self.bob)
        target = self.target(self.alice, f"presence/{ALICE}/status")
        body = {"presence": "free_for_chat"}
        self.assertEqual(self.connection.request("PUT", target, body).status, 200)
        self.reactor.advance(0.1)
        for self.version in VERSIONS:
            shown = presence(self.events(self.bob, start)["chunk"])[ALICE]
            is_old = self.version in OLD_VERSIONS
            self.assertEqual(shown["presence"], "free_for_chat" if is_old else "online")

    def test_waits_thirty_seconds_unless_told_otherwise(self) -> None:
        """Without news it is answered after its time, or after 30 s (A-101)."""
        self.let_pass(60)
        start = self.now(self.bob)
        for query, seconds in (({}, 30.0), ({"timeout": 5000}, 5.0)):
            polling = self.polling(self.bob, start, **query)
            self.reactor.pump([seconds - 0.1])
            self.assertEqual(polling.responses(), [])
            self.reactor.advance(0.2)
            body = self.answered(polling)
            self.assertEqual(body["chunk"], [])
            start = body["end"]

    def test_is_woken_by_whatever_is_new(self) -> None:
        """Events, typing, receipts, presence and account data each end the wait
        (A-101)."""
        event_id, room = self.say(self.alice), quote(self.room_id)
        start = self.now(self.bob)
        news: tuple[tuple[str, str, dict[str, Any], str], ...] = (
            ("PUT", f"rooms/{room}/send/m.room.message/1", {"body": "x"}, self.alice),
            ("PUT", f"rooms/{room}/typing/{ALICE}", {"typing": True}, self.alice),
            ("POST", f"rooms/{room}/receipt/m.read/{event_id}", {}, self.alice),
            ("PUT", f"presence/{ALICE}/status", {"presence": "offline"}, self.alice),
            ("PUT", f"user/{BOB}/rooms/{room}/tags/u.x", {}, self.bob),
        )
        types = ("m.room.message", "m.typing", "m.receipt", "m.presence", "m.tag")
        for request, event_type in zip(news, types, strict=True):
            polling = self.polling(self.bob, start)
            self.assertEqual(polling.responses(), [])
            self.do(*request)
            self.reactor.advance(1.1)
            body = self.answered(polling)
            self.assertIn(event_type, [event["type"] for event in body["chunk"]])
            (event,) = of_type(body["chunk"], event_type)
            if event_type != "m.presence":
                self.assertEqual(event["room_id"], self.room_id)
            self.reactor.advance(1.1)
            start = self.now(self.bob)

    def test_marks_the_user_online_while_it_is_open(self) -> None:
        """Who listens is online, and offline some time after (A-101)."""
        self.let_pass(60)
        path = f"presence/{BOB}/status"
        start = self.events(self.alice)["end"]
        polling = self.polling(self.bob, start)
        self.reactor.advance(0.1)
        answer = self.ask("GET", path, token=self.alice)
        self.assertEqual(answer.json["presence"], "online")
        polling.hang_up()
        self.reactor.pump([32, 1])
        answer = self.ask("GET", path, token=self.alice)
        self.assertEqual(answer.json["presence"], "offline")

    def test_does_not_mark_guests_online(self) -> None:
        """A guest who listens is not shown as present (D-41)."""
        room_id, guest = self.open_room(self.alice), self.guest()
        who = self.ask("GET", "account/whoami", token=guest).json["user_id"]
        polling = self.polling(guest, self.events(self.alice)["end"], room_id=room_id)
        self.reactor.advance(0.1)
        self.assertEqual(polling.responses(), [])
        cache = self.server.presence.cache
        self.assertNotIn(cache.users.intern(who), cache.present)

    def test_refuses_a_token_that_is_none(self) -> None:
        """Whatever is not a token of ours is refused (A-101)."""
        for start in ("", "x", "s1", "s1_2_3", "t5", "s1_2_3_x", "s-1_2_3_4", "START"):
            response = self.old(self.bob, "events", **{"from": start, "timeout": 0})
            self.assertRefused(response, 400, "M_INVALID_PARAM")
        for query in ({"timeout": "x"}, {"timeout": "-1"}, {"limit": "x"}):
            response = self.old(self.bob, "events", **query)
            self.assertRefused(response, 400, "M_INVALID_PARAM")

    def test_begins_now_without_a_token(self) -> None:
        """Without `from`, or from END, nothing of the past is told (A-101)."""
        self.now(self.bob)
        self.say(self.alice)
        for query in ({}, {"from": "END"}):
            body = self.events(self.bob, **query)
            self.assertEqual(bodies(body["chunk"]), [])

    def test_goes_on_after_a_restart(self) -> None:
        """A token from before a restart is answered with what came after it (A-101)."""
        start = self.now(self.bob)
        self.say(self.alice, "before")
        self.put("alice", self.alice, "online", status_msg="still here")
        self.reactor.advance(1)
        self.stop()
        self.start()
        chunk = self.events(self.bob, start)["chunk"]
        self.assertEqual(bodies(chunk), ["before"])
        self.assertEqual(presence(chunk)[ALICE]["status_msg"], "still here")
        start = self.now(self.bob)
        self.say(self.alice, "after")
        self.assertEqual(bodies(self.events(self.bob, start)["chunk"]), ["after"])

    def test_goes_on_from_an_initial_sync_and_into_a_sync(self) -> None:
        """The tokens of all streams are the same ones (A-101)."""
        start = self.old_json(self.bob, "initialSync")["end"]
        self.say(self.alice, "first")
        body = self.events(self.bob, start)
        self.assertEqual(bodies(body["chunk"]), ["first"])
        self.say(self.alice, "second")
        room = self.sync(self.bob, body["end"])["rooms"]["join"][self.room_id]
        self.assertEqual(bodies(room["timeline"]["events"]), ["second"])

    def test_a_long_absence_comes_in_pieces(self) -> None:
        """No event is left out or comes twice, however many there are (A-101)."""
        other = self.do("POST", "createRoom", {}, self.bob)["room_id"]
        start, texts = self.now(self.bob), []
        for n in range(30):
            text = str(n)
            texts.append(text)
            if n % 3:
                self.say(self.alice, text)
            else:
                self.say(self.bob, text, other)
        heard: list[str] = []
        pieces = 0
        while True:
            body = self.events(self.bob, start, limit=7)
            start = body["end"]
            if not body["chunk"]:
                break
            heard += bodies(body["chunk"])
            pieces += 1
        self.assertEqual(heard, texts)
        self.assertGreater(pieces, 3)

    def test_a_receipt_is_not_lost_between_the_pieces(self) -> None:
        """What is no event comes with them, however many events there are (A-101)."""
        event_id = self.say(self.alice)
        start = self.now(self.bob)
        path = f"rooms/{quote(self.room_id)}/receipt/m.read/{event_id}"
        self.do("POST", path, {}, self.alice)
        for n in range(5):
            self.say(self.alice, str(n))
        receipts = []
        while chunk := (body := self.events(self.bob, start, limit=2))["chunk"]:
            start = body["end"]
            receipts += of_type(chunk, "m.receipt")
        self.assertEqual(len(receipts), 1)

    def test_what_is_not_shown_is_passed_over_in_pieces(self) -> None:
        """Much that a client is not to see is no reason to wait, nor to hold the
        server up (A-101)."""
        path = f"user/{BOB}/account_data/m.ignored_user_list"
        self.do("PUT", path, {"ignored_users": {ALICE: {}}}, self.bob)
        start = self.now(self.bob)
        for n in range(1100):
            self.say(self.alice, str(n))
        carol = self.register("carol")
        self.do("POST", f"join/{quote(self.room_id)}", {}, carol)
        self.say(carol, "seen")
        heard: list[str] = []
        while not heard:
            (response,) = self.polling(self.bob, start).responses()
            start = response.json["end"]
            heard += bodies(response.json["chunk"])
        self.assertEqual(heard, ["seen"])

    def test_an_invite_shows_the_room(self) -> None:
        """Who is invited is told what they may see of the room (A-101)."""
        start = self.now(self.bob)
        self.do("POST", "createRoom", {"invite": [BOB], "name": "Tea"}, self.alice)
        (invite,) = of_type(self.events(self.bob, start)["chunk"], "m.room.member")
        self.assertEqual(invite["content"]["membership"], "invite")
        names = of_type(invite["invite_room_state"], "m.room.name")
        self.assertEqual(names[0]["content"]["name"], "Tea")

    def test_who_leaves_hears_of_it_and_of_nothing_after(self) -> None:
        """The stream of a room ends with the own leave."""
        start, room = self.now(self.bob), quote(self.room_id)
        self.say(self.alice, "before")
        self.do("POST", f"rooms/{room}/leave", {}, self.bob)
        self.say(self.alice, "after")
        chunk = self.events(self.bob, start)["chunk"]
        self.assertEqual(bodies(chunk), ["before"])
        (own,) = of_type(chunk, "m.room.member")
        self.assertEqual(own["content"]["membership"], "leave")

    def test_nothing_is_left_of_a_client_that_leaves(self) -> None:
        """A poll whose client hangs up leaves nothing behind."""
        room_id = self.open_room(self.alice)
        start = self.now(self.bob)
        for query in ({}, {"room_id": room_id}):
            self.polling(self.bob, start, **query).hang_up()
        self.connection.hang_up()
        self.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_the_end_of_the_server_ends_a_wait(self) -> None:
        """Who waits is told that there is nothing new before the server is gone."""
        start = self.now(self.bob)
        polling = self.polling(self.bob, start)
        stopped = self.server.stopService()
        body = self.answered(polling)
        self.assertEqual((body["chunk"], body["end"]), ([], start))
        self.successResultOf(stopped)


class JoinTests(OldClientTestCase):
    """Who comes in is seen at once (A-105)."""

    def setUp(self) -> None:
        """A third user, with something to say."""
        super().setUp()
        self.carol = self.register("carol")
        self.put("carol", self.carol, "online", status_msg="hi")
        self.reactor.advance(1)

    def test_a_join_comes_with_the_presence_of_who_joined(self) -> None:
        """The members are told of the joiner in the same answer, and once (A-105)."""
        start = self.now(self.bob)
        polling = self.polling(self.bob, start)
        self.do("POST", f"join/{quote(self.room_id)}", {}, self.carol)
        body = self.answered(polling)
        (join,) = of_type(body["chunk"], "m.room.member")
        self.assertEqual(join["state_key"], CAROL)
        self.assertEqual(presence(body["chunk"])[CAROL]["status_msg"], "hi")
        self.reactor.advance(0.1)
        again = self.events(self.bob, body["end"])["chunk"]
        self.assertNotIn(CAROL, presence(again))

    def test_who_joins_is_told_of_everybody_there(self) -> None:
        """To the joiner the members are new, those offline too (A-105)."""
        start = self.now(self.carol)
        polling = self.polling(self.carol, start)
        self.do("POST", f"join/{quote(self.room_id)}", {}, self.carol)
        seen = presence(self.answered(polling)["chunk"])
        self.assertLessEqual({ALICE, BOB}, set(seen))

    def test_a_join_that_comes_later_has_the_presence_with_it(self) -> None:
        """However late the join is told, the presence is told beside it (A-105)."""
        start = self.now(self.bob)
        for n in range(2):
            self.say(self.alice, str(n))
        self.do("POST", f"join/{quote(self.room_id)}", {}, self.carol)
        self.reactor.advance(1)
        while not of_type(
            (body := self.events(self.bob, start, limit=1))["chunk"], "m.room.member"
        ):
            start = body["end"]
        self.assertIn(CAROL, presence(body["chunk"]))

    def test_a_change_of_name_brings_no_presence_by_itself(self) -> None:
        """A member event of who is in already is no join (A-105)."""
        room_id = self.open_room(self.alice)
        start = self.now(self.bob)
        name = {"membership": "join", "displayname": "A."}
        path = f"rooms/{quote(room_id)}/state/m.room.member/{ALICE}"
        self.do("PUT", path, name, self.alice)
        chunk = self.events(self.bob, start, room_id=room_id)["chunk"]
        self.assertEqual(len(of_type(chunk, "m.room.member")), 1)
        self.assertEqual(presence(chunk), {})
