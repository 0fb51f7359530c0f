"""Events of other servers, good ones and others, and what becomes of them."""

from __future__ import annotations

from typing import Any

from matrix_presence.federation.client import Refused
from matrix_presence.homeserver.events import Standing
from matrix_presence.homeserver.room import Room
from tests.homeserver.federated.rig import FederatedTestCase

MALLORY, OSCAR = "@mallory:far.test", "@oscar:far.test"


class IncomingTests(FederatedTestCase):
    """Our server, and one whose word is not taken for anything."""

    def setUp(self) -> None:
        """Both are in a room."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.alice = self.here.register("alice")
        self.far = self.peer("far.test")
        self.room_id = self.here.create(self.alice)
        self.far.join("a.test", self.room_id, MALLORY)

    @property
    def room(self) -> Room:
        """The room as we know it."""
        return self.here.room(self.room_id)

    def assertRefused(self, results: dict[str, Any], *reasons: str) -> None:
        """Each event was refused for a reason that says this; nothing is placed."""
        errors = [result["error"] for result in results.values()]
        self.assertEqual(len(reasons), len(errors), results)
        for reason, error in zip(reasons, errors, strict=True):
            self.assertIn(reason, error)
        self.assertEqual([], self.here.texts(self.room_id))

    def test_a_message_is_shown(self) -> None:
        """To the clients of the members, by the next /sync (C-41)."""
        since = self.here.sync(self.alice)["next_batch"]
        event = self.far.message(self.room, MALLORY, "hello")
        self.assertEqual({event.event_id: {}}, self.far.send("a.test", event.pdu))
        news = self.here.sync(self.alice, since=since)["rooms"]["join"][self.room_id]
        (shown,) = news["timeline"]["events"]
        self.assertEqual(
            (MALLORY, "hello"), (shown["sender"], shown["content"]["body"])
        )

    def test_the_same_event_again_is_nothing_new(self) -> None:
        """Whatever transaction brings it."""
        event = self.far.message(self.room, MALLORY, "once")
        for _ in range(2):
            self.assertEqual({event.event_id: {}}, self.far.send("a.test", event.pdu))
        self.assertEqual(["once"], self.here.texts(self.room_id))

    def test_an_event_of_nobody_is_refused(self) -> None:
        """A signature is missing, of another key, or on something else (C-94)."""
        event = self.far.message(self.room, MALLORY, "hello")
        (signatures,) = event.pdu["signatures"].values()
        (signature,) = signatures.values()
        wrong: dict[str, Any]
        for wrong in (
            {},
            {"far.test": {}},
            {"far.test": {"ed25519:other": signature}},
            {"far.test": {"ed25519:a_1": signature[::-1]}},
            {"far.test": {"ed25519:a_1": 7}},
            {"a.test": signatures},
        ):
            self.assertRefused(
                self.far.send("a.test", event.pdu | {"signatures": wrong}),
                "not signed by far.test",
            )
        later = event.pdu | {"origin_server_ts": self.now() + 5}
        self.assertRefused(self.far.send("a.test", later), "not signed by far.test")

    def test_nobody_speaks_for_another_server(self) -> None:
        """An event is signed by the server of its sender (C-92)."""
        event = self.far.message(self.room, self.alice, "hello")
        self.assertRefused(self.far.send("a.test", event.pdu), "not signed by a.test")

    def test_what_the_hash_does_not_cover_is_taken_away(self) -> None:
        """The event stands, without what somebody put into it (C-94)."""
        event = self.far.message(self.room, MALLORY, "hello")
        content = {"msgtype": "m.text", "body": "something else"}
        altered = event.pdu | {"content": content, "more": 1}
        results = self.far.send("a.test", altered)
        self.assertEqual({event.event_id: {}}, results)
        placed = self.room.timeline[-1]
        self.assertEqual((event.event_id, {}), (placed.event_id, placed.content))
        self.assertNotIn("more", placed.pdu)

    def test_what_others_add_is_no_part_of_an_event(self) -> None:
        """`unsigned` is neither kept nor counted."""
        event = self.far.message(self.room, MALLORY, "hello")
        more = {"unsigned": {"age": 5, "much": "x" * 70_000}}
        self.assertEqual(
            {event.event_id: {}}, self.far.send("a.test", event.pdu | more)
        )
        self.assertNotIn("unsigned", self.room.timeline[-1].pdu)

    def test_the_rules_are_asked(self) -> None:
        """Of those who are in the room, and of those who are not (C-41)."""
        self.assertRefused(
            self.far.send(
                "a.test",
                self.far.event(
                    self.room, MALLORY, "m.room.name", {"name": "x"}, ""
                ).pdu,
                self.far.message(self.room, OSCAR, "hello").pdu,
            ),
            "does not allow",
            "does not allow",
        )

    def test_one_bad_event_does_no_harm_to_others(self) -> None:
        """Each has its own result (C-41)."""
        good = self.far.message(self.room, MALLORY, "good")
        bad = self.far.message(self.room, OSCAR, "bad")
        results = self.far.send("a.test", bad.pdu, {"nonsense": 1}, 7, good.pdu)
        self.assertEqual({}, results[good.event_id])
        self.assertIn("error", results[bad.event_id])
        self.assertEqual(["good"], self.here.texts(self.room_id))

    def test_events_of_other_rooms_are_refused(self) -> None:
        """We are not in those, and ask nobody for keys on their account."""
        event = self.far.message(
            self.room, "@x:elsewhere.test", "hello", room_id="!no:far.test"
        )
        self.assertRefused(self.far.send("a.test", event.pdu), "not in this room")
        asked = {host for host, _ in self.internet.asked}
        self.assertNotIn(b"elsewhere.test", asked)

    def test_an_event_too_large_is_refused(self) -> None:
        """More than 65536 bytes, or a type of more than 255."""
        event = self.far.message(self.room, MALLORY, "hello")
        large = event.pdu | {"content": {"body": "x" * 65536}}
        self.assertRefused(self.far.send("a.test", large), "65536 bytes")
        long = event.pdu | {"type": "x" * 256}
        self.assertRefused(self.far.send("a.test", long), "255 bytes")

    def test_what_has_not_the_form_of_an_event_is_refused(self) -> None:
        """Whatever is missing or has the wrong type."""
        event = self.far.message(self.room, MALLORY, "hello")
        wrong: dict[str, Any]
        for wrong in (
            {"sender": "mallory"},
            {"sender": 7},
            {"type": None},
            {"state_key": 7},
            {"content": []},
            {"depth": "1"},
            {"depth": -1},
            {"depth": True},
            {"origin_server_ts": None},
            {"prev_events": "x"},
            {"prev_events": ["$x"] * 21},
            {"prev_events": [["$x", {"sha256": "y"}]]},
            {"auth_events": ["$x"] * 11},
            {"auth_events": [7]},
            {"hashes": None},
            {"signatures": {"far.test": []}},
            {"type": "m.room.member", "state_key": "nobody"},
            {"type": "m.room.member", "state_key": MALLORY, "content": {}},
        ):
            with self.subTest(str(wrong)):
                results = self.far.send("a.test", event.pdu | wrong)
                self.assertNotIn({}, results.values())
                self.assertEqual([], self.here.texts(self.room_id))

    def test_what_follows_an_event_of_nowhere_stands_at_the_end(self) -> None:
        """A server that says it does not have what came before is believed."""
        self.far.router.add(
            "POST",
            "_matrix/federation/v1/get_missing_events/{room_id}",
            self.nothing,
        )
        before = list(self.room.heads)
        event = self.far.message(
            self.room, MALLORY, "hello", prev_events=["$nowhere"], depth=1
        )
        self.assertEqual({event.event_id: {}}, self.far.send("a.test", event.pdu))
        self.assertEqual([event.event_id], list(self.room.heads))
        self.assertEqual(
            before, [parent.event_id for parent in self.room.timeline[-1].parents]
        )

    async def nothing(self, _call: object) -> Any:
        """The answer of a server that knows no events."""
        return 200, {"events": []}

    def test_an_event_whose_past_cannot_be_had_is_refused(self) -> None:
        """It will come again, or its successors will (C-41)."""
        event = self.far.message(
            self.room, MALLORY, "hello", prev_events=["$nowhere"], depth=99
        )
        self.assertRefused(self.far.send("a.test", event.pdu), "could not be had")

    def test_auth_events_have_to_be_the_right_ones(self) -> None:
        """Neither less nor more, nor others, nor unknown ones."""
        event = self.far.message(self.room, MALLORY, "hello")
        right = event.pdu["auth_events"]
        rules = self.room.state["m.room.join_rules", ""].event_id
        for wrong in (right[1:], [], [*right, rules], [*right, right[0]]):
            bad = self.far.message(self.room, MALLORY, "x", auth_events=wrong)
            self.assertRefused(self.far.send("a.test", bad.pdu), "does not allow")

    def test_who_was_put_out_is_not_heard(self) -> None:
        """Not even by events that follow one from before (soft failure)."""
        early = self.far.message(self.room, MALLORY, "from before")
        path = f"rooms/{self.room_id}/ban"
        self.here.call(self.alice, "POST", path, {"user_id": MALLORY})
        self.assertEqual({early.event_id: {}}, self.far.send("a.test", early.pdu))
        self.assertEqual([], self.here.texts(self.room_id))
        found = self.room.find(early.event_id)
        assert found is not None
        self.assertIs(Standing.SOFT_FAILED, found.standing)
        self.assertNotIn(early.event_id, self.room.heads)

    def test_a_room_denies_servers(self) -> None:
        """What they send, and what they ask for (C-13)."""
        acl = {"allow": ["*"], "deny": ["FAR.*"]}
        event = self.far.message(self.room, MALLORY, "hello")
        self.here.set(self.alice, self.room_id, "m.room.server_acl", acl)
        self.assertRefused(self.far.send("a.test", event.pdu), "not allowed")
        for path in (
            f"v1/make_join/{self.room_id}/{MALLORY}",
            f"v1/make_leave/{self.room_id}/{MALLORY}",
            f"v1/state_ids/{self.room_id}",
            f"v1/backfill/{self.room_id}",
        ):
            refusal = self.assertRaises(Refused, self.far.get, "a.test", path)
            self.assertEqual((403, "M_FORBIDDEN"), (refusal.status, refusal.errcode))

    def test_what_came_survives_a_restart(self) -> None:
        """Events, state, members, heads, and who was refused."""
        self.far.send("a.test", self.far.message(self.room, MALLORY, "hello").pdu)
        bad = self.far.message(self.room, OSCAR, "no")
        self.far.send("a.test", bad.pdu)
        before = self.room
        self.here.restart()
        after = self.room
        self.assertIsNot(before, after)
        self.assertEqual(
            [event.event_id for event in before.timeline],
            [event.event_id for event in after.timeline],
        )
        self.assertEqual(
            {key: event.event_id for key, event in before.state.items()},
            {key: event.event_id for key, event in after.state.items()},
        )
        self.assertEqual(before.joined, after.joined)
        self.assertEqual(before.servers, after.servers)
        self.assertEqual(list(before.heads), list(after.heads))
        found = after.find(bad.event_id)
        assert found is not None
        self.assertIs(Standing.REJECTED, found.standing)
        self.assertEqual(["hello"], self.here.texts(self.room_id))
