"""What is missing before an event: asked for, given, or done without."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from matrix_presence.federation.client import Refused
from matrix_presence.homeserver.federated import gaps
from matrix_presence.homeserver.room import Room
from matrix_presence.web.call import Answer, Call
from tests.homeserver.federated.rig import FederatedTestCase

MALLORY = "@mallory:far.test"


class MissedTests(FederatedTestCase):
    """Two of our servers, one of which was away."""

    def setUp(self) -> None:
        """Both are in a room."""
        super().setUp()
        self.here, self.there = self.homeserver("a.test"), self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.bob = self.there.register("bob")
        self.carol = self.there.register("carol")
        self.room_id = self.here.create(self.alice)
        self.there.join(self.bob, self.room_id, "a.test")

    def miss(self, messages: int) -> None:
        """One server says so much to the other in vain, and is then heard again."""
        limit = "_MOST_WHILE_DOWN"
        self.internet.down.add(b"b.test")
        for number in range(messages):
            self.here.say(self.alice, self.room_id, str(number))
        self.here.set(self.alice, self.room_id, "m.room.topic", {"topic": limit})
        self.internet.down.clear()
        # Only the last event arrives by itself.
        outgoing = self.here.service._federated.outgoing
        unsent = outgoing._destinations["b.test"].unsent
        del unsent[:-1]
        self.there.say(self.bob, self.room_id, "hello?")
        self.pass_time(5)

    def test_what_lies_between_is_asked_for(self) -> None:
        """It is shown before what follows it."""
        self.miss(70)
        texts = self.there.texts(self.room_id)
        self.assertEqual([str(number) for number in range(70)], texts[1:])
        topic = self.there.room(self.room_id).text("m.room.topic", "topic")
        self.assertEqual("_MOST_WHILE_DOWN", topic)

    def test_who_has_left_still_tells_what_came_before(self) -> None:
        """Else nobody who was away meanwhile could follow their leaving."""
        other = self.homeserver("c.test")
        dave = other.register("dave")
        other.join(dave, self.room_id, "a.test")
        self.internet.down.add(b"a.test")
        path = f"rooms/{quote(self.room_id)}/leave"
        self.there.call(self.bob, "POST", path, {})
        self.pass_time(1)
        other.call(dave, "POST", path, {})
        self.pass_time(1)
        del self.there.service._federated.outgoing._destinations["a.test"].unsent[:]
        self.internet.down.clear()
        self.here.say(self.alice, self.room_id, "anybody?")
        self.pass_time(5)
        self.assertEqual({self.alice}, self.here.room(self.room_id).joined)

    def test_who_could_not_be_verified_is_found_to_be_there_later(self) -> None:
        """Their keys were out of reach when we came in; others in the room know."""
        other = self.homeserver("c.test")
        dave = other.register("dave")
        self.internet.down.add(b"b.test")
        other.join(dave, self.room_id, "a.test")
        self.assertEqual({self.alice, dave}, other.room(self.room_id).joined)
        self.internet.down.clear()
        self.pass_time(60)
        self.there.say(self.bob, self.room_id, "I am here")
        self.pass_time(60)
        self.there.say(self.bob, self.room_id, "Really")
        self.pass_time(5)
        self.assertEqual({self.alice, self.bob, dave}, other.room(self.room_id).joined)
        self.assertIn("Really", other.texts(self.room_id))

    def test_a_long_gap_stays_but_the_state_is_had(self) -> None:
        """What came in the room's state meanwhile counts, also after a restart."""
        self.patch(gaps, "_REQUESTS", 1)
        self.miss(70)
        room = self.there.room(self.room_id)
        self.assertLess(len(self.there.texts(self.room_id)), 70)
        self.assertIn("69", self.there.texts(self.room_id))
        self.assertEqual("_MOST_WHILE_DOWN", room.text("m.room.topic", "topic"))
        self.there.say(self.bob, self.room_id, "again")
        self.pass_time(5)
        self.assertIn("again", self.here.texts(self.room_id))
        state = {key: event.event_id for key, event in room.state.items()}
        self.there.restart()
        room = self.there.room(self.room_id)
        self.assertEqual(
            state, {key: event.event_id for key, event in room.state.items()}
        )
        self.assertIn("again", self.there.texts(self.room_id))

    def test_a_room_taken_over_survives_a_restart(self) -> None:
        """Its state, members, heads and what was said since."""
        self.here.say(self.alice, self.room_id, "hello")
        self.pass_time()
        before = self.there.room(self.room_id)
        self.there.restart()
        after = self.there.room(self.room_id)
        self.assertEqual(before.joined, after.joined)
        self.assertEqual(before.servers, after.servers)
        self.assertEqual(list(before.heads), list(after.heads))
        self.assertEqual(
            {key: event.event_id for key, event in before.state.items()},
            {key: event.event_id for key, event in after.state.items()},
        )
        self.here.say(self.alice, self.room_id, "still there?")
        self.pass_time(5)
        self.assertEqual(["hello", "still there?"], self.there.texts(self.room_id))

    def test_who_comes_back_is_told_what_the_room_has_become(self) -> None:
        """The state is that of the second join; what lies between stays unknown."""
        self.there.leave(self.bob, self.room_id)
        self.pass_time()
        self.here.set(self.alice, self.room_id, "m.room.topic", {"topic": "new"})
        self.here.say(self.alice, self.room_id, "unheard")
        since = self.there.sync(self.bob)["next_batch"]
        self.there.join(self.bob, self.room_id, "a.test")
        room = self.there.room(self.room_id)
        self.assertEqual("new", room.text("m.room.topic", "topic"))
        self.assertEqual({self.alice, self.bob}, room.joined)
        news = self.there.sync(self.bob, since=since)["rooms"]["join"][self.room_id]
        told = [*news["state"]["events"], *news["timeline"]["events"]]
        topics = [e["content"] for e in told if e["type"] == "m.room.topic"]
        self.assertEqual([{"topic": "new"}], topics)
        self.here.say(self.alice, self.room_id, "heard")
        self.pass_time()
        self.assertEqual(["heard"], self.there.texts(self.room_id))
        state = {key: event.event_id for key, event in room.state.items()}
        self.there.restart()
        room = self.there.room(self.room_id)
        self.assertEqual(
            state, {key: event.event_id for key, event in room.state.items()}
        )
        self.assertEqual({self.alice, self.bob}, room.joined)


class LyingTests(FederatedTestCase):
    """A server that answers questions about the past as it likes."""

    def setUp(self) -> None:
        """It is in a room of ours."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.alice = self.here.register("alice")
        self.far = self.peer("far.test")
        self.room_id = self.here.create(self.alice)
        self.far.join("a.test", self.room_id, MALLORY)
        self.told: dict[str, Any] = {}
        base = "_matrix/federation/v1"
        for method, path in (
            ("POST", "get_missing_events/{room_id}"),
            ("GET", "state/{room_id}"),
            ("GET", "event_auth/{room_id}/{event_id}"),
        ):
            self.far.router.add(method, f"{base}/{path}", self.tell)

    async def tell(self, call: Call) -> Answer:
        """What the test says."""
        empty: dict[str, Any] = {"events": [], "pdus": [], "auth_chain": []}
        return 200, empty | self.told

    @property
    def room(self) -> Room:
        """The room as we know it."""
        return self.here.room(self.room_id)

    def test_what_it_tells_of_the_past_is_checked(self) -> None:
        """Events of others are not made up, nor those of strangers taken."""
        forged = self.far.message(self.room, self.alice, "forged")
        own = self.far.message(self.room, MALLORY, "own", prev_events=["$x"])
        self.told = {"events": [forged.pdu, {}, own.pdu]}
        event = self.far.message(
            self.room, MALLORY, "hello", prev_events=[forged.event_id, own.event_id]
        )
        self.far.send("a.test", event.pdu)
        self.assertNotIn("forged", self.here.texts(self.room_id))
        self.assertIn("hello", self.here.texts(self.room_id))

    def test_a_state_it_tells_takes_nothing_back(self) -> None:
        """Neither what we know, nor who may do what: it adds what is allowed (C-94)."""
        powers = self.room.state["m.room.power_levels", ""]
        mine = powers.content | {"users": {MALLORY: 100}}
        deep = self.room.timeline[-1].depth + 50
        forged = [
            self.far.event(
                self.room, MALLORY, "m.room.power_levels", mine, "", depth=deep
            ),
            self.far.event(
                self.room, MALLORY, "m.room.name", {"name": "mine"}, "", depth=deep
            ),
            self.far.event(
                self.room, self.alice, "m.room.name", {"name": "x"}, "", depth=deep
            ),
        ]
        create = self.room.state["m.room.create", ""]
        self.told = {
            "pdus": [create.pdu, *(event.pdu for event in forged)],
            "auth_chain": [create.pdu],
        }
        before = dict(self.room.state)
        event = self.far.message(
            self.room, MALLORY, "hello", prev_events=["$x"], depth=deep + 1
        )
        self.assertEqual({event.event_id: {}}, self.far.send("a.test", event.pdu))
        self.assertEqual(
            {key: each.event_id for key, each in before.items()},
            {key: each.event_id for key, each in self.room.state.items()},
        )
        self.assertEqual({self.alice, MALLORY}, self.room.joined)

    def test_a_whole_state_is_not_asked_for_at_every_turn(self) -> None:
        """However many gaps a server makes up."""
        create = self.room.state["m.room.create", ""].pdu
        self.told = {"pdus": [create], "auth_chain": [create]}
        for number in (1, 2):
            event = self.far.message(
                self.room, MALLORY, str(number), prev_events=["$x"], depth=99 * number
            )
            (result,) = self.far.send("a.test", event.pdu).values()
        self.assertIn("Too many", result["error"])
        self.assertEqual(["1"], self.here.texts(self.room_id))
        self.pass_time(60)
        self.assertEqual({event.event_id: {}}, self.far.send("a.test", event.pdu))

    def test_what_events_rest_on_is_not_asked_for_without_end(self) -> None:
        """However many events rest on what nobody has; those are refused."""
        rootless = [
            self.far.message(
                self.room, MALLORY, str(number), auth_events=[f"$a{number}"]
            )
            for number in range(20)
        ]
        self.told = {"events": [event.pdu for event in rootless]}
        event = self.far.message(
            self.room,
            MALLORY,
            "hello",
            prev_events=[each.event_id for each in rootless],
        )
        self.far.send("a.test", event.pdu)
        asked = [path for _, path in self.internet.asked if b"/event_auth/" in path]
        self.assertEqual(10, len(asked))
        self.assertEqual(["hello"], self.here.texts(self.room_id))

    def test_who_is_not_in_the_room_is_not_asked(self) -> None:
        """It is no use asking strangers about the past."""
        stranger = self.peer("stranger.test")
        event = self.far.message(self.room, MALLORY, "hello", prev_events=["$x"])
        (result,) = stranger.send("a.test", event.pdu).values()
        self.assertIn("not in it", result["error"])
        paths = [path for host, path in self.internet.asked if host != b"a.test"]
        self.assertFalse([path for path in paths if b"missing" in path])

    def test_it_has_us_ask_only_so_often_at_a_time(self) -> None:
        """However many events it sends that follow nothing."""
        self.internet.down.add(b"far.test")
        self.patch(gaps, "_AT_ONCE", 0)
        event = self.far.message(self.room, MALLORY, "hello", prev_events=["$x"])
        (result,) = self.far.send("a.test", event.pdu).values()
        self.assertIn("Too many", result["error"])


class HistoryTests(FederatedTestCase):
    """What other servers are told of the past."""

    def setUp(self) -> None:
        """A room with a server in it, and another server that is not."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.alice = self.here.register("alice")
        self.far, self.out = self.peer("far.test"), self.peer("out.test")
        self.room_id = self.here.create(self.alice)
        self.ids = [self.here.say(self.alice, self.room_id, str(n)) for n in range(5)]
        self.far.join("a.test", self.room_id, MALLORY)
        self.last = self.here.say(self.alice, self.room_id, "last")

    @property
    def room(self) -> Room:
        """The room as we know it."""
        return self.here.room(self.room_id)

    def texts(self, pdus: list[Any]) -> list[str | None]:
        """The texts of messages; None for one that was redacted."""
        return [
            pdu["content"].get("body")
            for pdu in pdus
            if pdu["type"] == "m.room.message"
        ]

    def test_events_before_others_are_told(self) -> None:
        """The newest first, with those that were named."""
        path = f"v1/backfill/{self.room_id}"
        told = self.far.get("a.test", path, v=[self.last], limit=4)["pdus"]
        self.assertEqual(["last", "4", "3"], self.texts(told))
        self.assertEqual("m.room.member", told[1]["type"])

    def test_events_between_others_are_told(self) -> None:
        """The oldest first, without those that were named."""
        path = f"v1/get_missing_events/{self.room_id}"
        body = {
            "earliest_events": [self.ids[0]],
            "latest_events": [self.last],
            "limit": 100,
        }
        told = self.far.post("a.test", path, body)["events"]
        self.assertEqual(["1", "2", "3", "4"], self.texts(told))
        told = self.far.post("a.test", path, body | {"limit": 2})["events"]
        self.assertEqual(["4"], self.texts(told))

    def test_the_state_before_an_event_is_told(self) -> None:
        """With all that it rests on, whole or as ids."""
        room_path, query = self.room_id, {"event_id": self.ids[0]}
        whole = self.far.get("a.test", f"v1/state/{room_path}", **query)
        members = [p for p in whole["pdus"] if p["type"] == "m.room.member"]
        self.assertEqual([self.alice], [pdu["state_key"] for pdu in members])
        ids = self.far.get("a.test", f"v1/state_ids/{room_path}", **query)
        self.assertEqual(len(whole["pdus"]), len(ids["pdu_ids"]))
        self.assertEqual(len(whole["auth_chain"]), len(ids["auth_chain_ids"]))
        create = self.room.state["m.room.create", ""].event_id
        self.assertIn(create, ids["auth_chain_ids"])
        before_all = self.far.get(
            "a.test", f"v1/state_ids/{room_path}", event_id=create
        )
        self.assertEqual({"pdu_ids": [], "auth_chain_ids": []}, before_all)

    def test_one_event_and_its_right_are_told(self) -> None:
        """By its id."""
        told = self.far.get("a.test", f"v1/event/{self.last}")
        self.assertEqual(["last"], self.texts(told["pdus"]))
        path = f"v1/event_auth/{self.room_id}/{self.last}"
        chain = self.far.get("a.test", path)["auth_chain"]
        self.assertIn("m.room.create", [pdu["type"] for pdu in chain])

    def test_servers_outside_are_told_nothing(self) -> None:
        """Nor those that have left (C-12)."""
        paths = [
            f"v1/{name}/{self.room_id}?event_id={self.last}&v={self.last}"
            for name in ("state", "state_ids", "backfill")
        ]
        paths += [f"v1/event/{self.last}", f"v1/event_auth/{self.room_id}/{self.last}"]
        for path in paths:
            refusal = self.assertRaises(Refused, self.out.get, "a.test", path)
            self.assertEqual((403, "M_FORBIDDEN"), (refusal.status, refusal.errcode))
        leave = self.far.event(
            self.room, MALLORY, "m.room.member", {"membership": "leave"}, MALLORY
        )
        self.assertEqual({leave.event_id: {}}, self.far.send("a.test", leave.pdu))
        for path in paths:
            self.assertRaises(Refused, self.far.get, "a.test", path)

    def test_what_is_not_there_is_not_found(self) -> None:
        """Rooms that we are not in, events that we do not know."""
        for path in (
            "v1/state/!no:a.test?event_id=$x",
            f"v1/state/{self.room_id}?event_id=$x",
            "v1/event/$x",
            f"v1/event_auth/{self.room_id}/$x",
        ):
            refusal = self.assertRaises(Refused, self.far.get, "a.test", path)
            self.assertEqual((404, "M_NOT_FOUND"), (refusal.status, refusal.errcode))
        for path in (f"v1/backfill/{self.room_id}?limit=x", f"v1/state/{self.room_id}"):
            refusal = self.assertRaises(Refused, self.far.get, "a.test", path)
            self.assertEqual(400, refusal.status)

    def test_what_its_users_may_not_see_is_redacted(self) -> None:
        """Messages from before they joined, if the room wants that."""
        visibility = {"history_visibility": "joined"}
        room_id = self.here.create(
            self.alice,
            initial_state=[
                {"type": "m.room.history_visibility", "content": visibility}
            ],
        )
        self.here.say(self.alice, room_id, "secret")
        self.far.join("a.test", room_id, MALLORY)
        last = self.here.say(self.alice, room_id, "public")
        path = f"v1/backfill/{room_id}"
        told = self.far.get("a.test", path, v=[last], limit=50)["pdus"]
        self.assertEqual(["public", None], self.texts(told))
