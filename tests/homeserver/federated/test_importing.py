"""Rooms taken over from servers that say what is not so (C-81)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from matrix_presence.homeserver import slices
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.importing import allowing
from matrix_presence.web.call import Answer, Call
from matrix_presence.wire.room_versions import ROOM_VERSIONS
from tests.homeserver.federated.rig import FederatedTestCase

Twist = Callable[[dict[str, Any]], None]


class ImportTests(FederatedTestCase):
    """Bob wants into a room of a server whose answers the test changes."""

    def setUp(self) -> None:
        """The room is there; far.test stands between."""
        super().setUp()
        self.here, self.there = self.homeserver("a.test"), self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.bob = self.there.register("bob")
        self.room_id = self.here.create(self.alice)
        self.mallory = self.peer("far.test")
        self.twist: Twist = lambda answer: None
        # The keys of the other server are known, but it cannot be asked for the room.
        self.there.join(self.bob, self.here.create(self.alice), "a.test")
        self.internet.down.add(b"a.test")
        base = "_matrix/federation"
        path = f"{base}/v1/make_join/{{room_id}}/{{user_id}}"
        self.mallory.router.add("GET", path, self.make_join)
        path = f"{base}/v2/send_join/{{room_id}}/{{event_id}}"
        self.mallory.router.add("PUT", path, self.send_join)

    async def make_join(self, call: Call) -> Answer:
        """A template such as the resident would give."""
        room = self.here.room(self.room_id)
        template = self.mallory.event(
            room, self.bob, "m.room.member", {"membership": "join"}, self.bob
        ).pdu
        return 200, {"event": template, "room_version": room.version.identifier}

    async def send_join(self, call: Call) -> Answer:
        """The state such as the resident would give, with a twist."""
        room = self.here.room(self.room_id)
        answer = {
            "state": [event.pdu for event in room.state.values()],
            "auth_chain": [event.pdu for event in room.state.values()],
            "servers_in_room": ["a.test"],
        }
        self.twist(answer)
        return 200, answer

    def join(self) -> int:
        """The status with which the join is answered."""
        path = f"join/{self.room_id}"
        return self.there.ask(
            self.bob, "POST", path, {}, server_name=["far.test"]
        ).status

    def without(self, event_type: str) -> Twist:
        """Leave out events of this type."""

        def twist(answer: dict[str, Any]) -> None:
            for part in ("state", "auth_chain"):
                answer[part] = [e for e in answer[part] if e["type"] != event_type]

        return twist

    def with_more(self, event: Event) -> Twist:
        """Put this event into the state."""
        return lambda answer: answer["state"].append(event.pdu)

    def test_the_truth_is_taken(self) -> None:
        """Nothing is wrong with it."""
        self.assertEqual(200, self.join())
        self.assertEqual({self.alice, self.bob}, self.there.room(self.room_id).joined)

    def test_a_large_room_is_taken_in_slices(self) -> None:
        """However little is done in each turn of the reactor, nothing is missing."""
        self.patch(slices, "SLICE", 0)
        self.assertEqual(200, self.join())
        here, there = self.here.room(self.room_id), self.there.room(self.room_id)
        self.assertLessEqual(here.state.keys(), there.state.keys())
        found: dict[str, Event] = {}
        events = list(here.events.values())
        sizes = [len(found) for _ in allowing(self.room_id, events, found)]
        grown = {after - before for before, after in pairwise(sizes)}
        self.assertEqual({0, 1}, grown)
        self.assertEqual(here.events.keys(), found.keys())

    def test_a_room_without_its_beginning_is_none(self) -> None:
        """Nor one in which our user could not be."""
        for event_type in ("m.room.create", "m.room.join_rules"):
            self.twist = self.without(event_type)
            self.assertEqual(502, self.join())
            self.assertIsNone(self.there.rooms.get(self.room_id))
            self.assertNotIn(self.room_id, self.there.rooms.of(self.bob).joined)

    def test_what_nobody_signed_is_left_out(self) -> None:
        """A forged event in the state, and whatever has no form."""
        room = self.here.room(self.room_id)
        forged = self.mallory.event(
            room, self.alice, "m.room.name", {"name": "forged"}, ""
        )
        self.twist = self.with_more(forged)
        self.assertEqual(200, self.join())
        self.assertIsNone(self.there.room(self.room_id).value("m.room.name", "name"))

    def test_what_the_rules_refuse_is_left_out(self) -> None:
        """Signed by a server with no user in the room."""
        room = self.here.room(self.room_id)
        name = {"name": "mine"}
        event = self.mallory.event(room, "@x:far.test", "m.room.name", name, "")
        self.twist = self.with_more(event)
        self.assertEqual(200, self.join())
        self.assertIsNone(self.there.room(self.room_id).value("m.room.name", "name"))

    def test_events_of_another_room_are_left_out(self) -> None:
        """However right they are there."""
        other = self.here.create(self.alice, name="other")
        name = self.here.room(other).state["m.room.name", ""]
        self.twist = self.with_more(name)
        self.assertEqual(200, self.join())
        self.assertIsNone(self.there.room(self.room_id).value("m.room.name", "name"))

    def test_a_room_is_of_the_version_that_it_was_made_in(self) -> None:
        """Another one would have other rules."""
        created = self.here.room(self.room_id).state["m.room.create", ""]
        content = created.content | {"room_version": "10"}
        signer = self.here.rooms.signer
        pdu = {
            key: value
            for key, value in created.pdu.items()
            if key not in ("hashes", "signatures")
        }
        event = signer.signed(pdu | {"content": content}, ROOM_VERSIONS["11"])

        def twist(answer: dict[str, Any]) -> None:
            self.without("m.room.create")(answer)
            answer["state"].append(event.pdu)

        self.twist = twist
        self.assertEqual(502, self.join())
        self.assertIsNone(self.there.rooms.get(self.room_id))

    def test_events_that_rest_on_each_other_rest_on_nothing(self) -> None:
        """The first versions could say so."""
        room_id = self.here.create(self.alice, room_version="1")
        room = self.here.room(room_id)
        member = room.state["m.room.member", self.alice]
        powers = room.state["m.room.power_levels", ""]
        looped = member.pdu | {
            "auth_events": [*member.pdu["auth_events"], [powers.event_id, {}]]
        }
        events = [
            Event(member.event_id, room_id, looped, room.version),
            powers,
            room.state["m.room.create", ""],
        ]
        allowed: dict[str, Event] = {}
        for _ in allowing(room_id, events, allowed):
            pass
        self.assertEqual([events[2].event_id], list(allowed))
