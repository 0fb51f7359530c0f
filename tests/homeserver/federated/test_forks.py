"""Histories that branch: what the state is, and that all servers agree."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_presence.homeserver.forks import state_after
from tests.homeserver.federated.rig import FederatedTestCase, Homeserver

NAME = "m.room.name"


class ForkTests(FederatedTestCase):
    """Servers that cannot reach one another for a while."""

    def setUp(self) -> None:
        """Alice runs the room on one server; Bob is on the other, and may do much."""
        super().setUp()
        self.here, self.there = self.homeserver("a.test"), self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.bob = self.there.register("bob")
        self.room_id = self.here.create(
            self.alice, power_level_content_override={"users": self.levels(99)}
        )
        self.there.join(self.bob, self.room_id, "a.test")

    def levels(self, of_bob: int) -> dict[str, int]:
        """Power levels."""
        return {"@alice:a.test": 100, "@bob:b.test": of_bob}

    def part(self) -> None:
        """From now on neither server reaches the other."""
        self.internet.down |= {b"a.test", b"b.test"}

    def meet(self) -> None:
        """They do again, and have told each other everything."""
        self.internet.down.clear()
        # A sign of life from each ends the waiting.
        for server in (self.here, self.there):
            user_id = next(iter(server.tokens))
            server.say(user_id, self.room_id, "back")
        self.pass_time(700)
        self.pass_time(700)

    def assertAgreed(self) -> None:
        """Both know the same events and have the same state, and the same members."""
        rooms = [server.room(self.room_id) for server in (self.here, self.there)]
        one, other = rooms
        # One may know an event as allowed that the other knows as soft-failed.
        self.assertEqual({*one.events, *one.others}, {*other.events, *other.others})
        self.assertEqual(
            {key: event.event_id for key, event in one.state.items()},
            {key: event.event_id for key, event in other.state.items()},
        )
        self.assertEqual(one.joined, other.joined)
        for room in rooms:
            # It does not matter how they came there.
            found = state_after(room, [*room.heads.values()])
            self.assertEqual(room.state, found)

    def name(self, server: Homeserver) -> Any:
        """What the room is called there."""
        return server.room(self.room_id).value(NAME, "name")

    def test_what_both_say_at_the_same_time_is_shown_by_both(self) -> None:
        """In the order in which each heard it; the next event follows both."""
        self.part()
        self.here.say(self.alice, self.room_id, "one")
        self.there.say(self.bob, self.room_id, "two")
        self.meet()
        for server in (self.here, self.there):
            texts = server.texts(self.room_id)
            self.assertEqual(["back", "back", "one", "two"], sorted(texts))
            self.assertEqual(2, len(server.room(self.room_id).heads))
        self.here.say(self.alice, self.room_id, "three")
        self.pass_time()
        for server in (self.here, self.there):
            (head,) = server.room(self.room_id).heads.values()
            self.assertEqual(2, len(head.prev_ids))
        self.assertAgreed()

    def test_of_two_names_the_later_one_counts(self) -> None:
        """By the clocks of those who gave them."""
        self.part()
        self.here.set(self.alice, self.room_id, NAME, {"name": "first"})
        self.pass_time()
        self.there.set(self.bob, self.room_id, NAME, {"name": "second"})
        self.meet()
        self.assertEqual("second", self.name(self.here))
        self.assertEqual("second", self.name(self.there))
        self.assertAgreed()

    def test_who_is_banned_meanwhile_has_done_nothing_to_the_state(self) -> None:
        """Although their server did not know of the ban."""
        self.here.set(self.alice, self.room_id, NAME, {"name": "before"})
        self.pass_time()
        since = self.there.sync(self.bob)["next_batch"]
        self.part()
        path = f"rooms/{self.room_id}/ban"
        self.there.set(self.bob, self.room_id, NAME, {"name": "mine"})
        self.here.call(self.alice, "POST", path, {"user_id": self.bob})
        self.meet()
        for server in (self.here, self.there):
            room = server.room(self.room_id)
            self.assertEqual("before", self.name(server))
            self.assertEqual("ban", room.membership(self.bob))
            self.assertEqual({self.alice}, room.joined)
        left = self.there.sync(self.bob, since=since)["rooms"]["leave"]
        self.assertEqual([self.room_id], list(left))

    def test_clients_are_told_of_state_that_does_not_count_after_all(self) -> None:
        """The name that another one took the place of comes back (A-91)."""
        carol = self.there.register("carol")
        self.there.join(carol, self.room_id)
        self.here.set(self.alice, self.room_id, NAME, {"name": "before"})
        self.pass_time()
        self.part()
        self.there.set(self.bob, self.room_id, NAME, {"name": "mine"})
        since = self.there.sync(carol)["next_batch"]
        path = f"rooms/{self.room_id}/ban"
        self.here.call(self.alice, "POST", path, {"user_id": self.bob})
        self.meet()
        news = self.there.sync(carol, since=since)["rooms"]["join"][self.room_id]
        (told,) = (e for e in news["state"]["events"] if e["type"] == NAME)
        self.assertEqual({"name": "before"}, told["content"])
        self.assertEqual("before", self.name(self.there))

    def test_a_fork_survives_a_restart(self) -> None:
        """The heads and the state are what they were."""
        self.part()
        self.here.set(self.alice, self.room_id, NAME, {"name": "first"})
        self.pass_time()
        self.there.set(self.bob, self.room_id, NAME, {"name": "second"})
        self.meet()
        heads = set(self.here.room(self.room_id).heads)
        self.here.restart()
        self.assertEqual(heads, set(self.here.room(self.room_id).heads))
        self.assertAgreed()

    @settings(max_examples=15, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.booleans(),
                st.sampled_from(("say", "name", "topic", "rule", "level", "kick")),
                st.integers(0, 3),
            ),
            max_size=8,
        ),
        st.sampled_from(("2", "6", "11", "12")),
    )
    def test_whatever_happens_apart_all_agree_in_the_end(
        self, deeds: list[tuple[bool, str, int]], version: str
    ) -> None:
        """The state depends on what happened, not on who heard of it first."""
        self.internet.down.clear()
        carol = f"@carol{len(self.there.tokens)}:b.test"
        self.there.register(carol[1:].partition(":")[0])
        levels = self.levels(99)
        if version == "12":
            del levels["@alice:a.test"]
        self.room_id = self.here.create(
            self.alice,
            room_version=version,
            power_level_content_override={
                "users": levels,
                "events": {"m.room.power_levels": 50},
            },
        )
        self.there.join(self.bob, self.room_id, "a.test")
        self.there.join(carol, self.room_id)
        self.pass_time()
        self.part()
        for is_alice, deed, value in deeds:
            self.do(is_alice, deed, value, carol)
        self.meet()
        self.assertAgreed()
        # This follows all there is, and with it the histories are one again.
        self.there.say(self.bob, self.room_id, "over")
        self.pass_time()
        self.assertAgreed()
        for server in (self.here, self.there):
            (head,) = server.room(self.room_id).heads.values()
            self.assertEqual("over", head.content["body"])

    def do(self, is_alice: bool, deed: str, value: int, carol: str) -> None:
        """Something that one of the two does, if they may."""
        server, user_id = (
            (self.here, self.alice) if is_alice else (self.there, self.bob)
        )
        path, body = "", {}
        match deed:
            case "say":
                server.say(user_id, self.room_id, str(value))
            case "name":
                path, body = NAME, {"name": str(value)}
            case "topic":
                path, body = "m.room.topic", {"topic": str(value)}
            case "rule":
                rule = "invite" if value % 2 else "public"
                path, body = "m.room.join_rules", {"join_rule": rule}
            case "level":
                held = server.room(self.room_id).state["m.room.power_levels", ""]
                events = {"m.room.power_levels": 50, "m.room.topic": 50 + 20 * value}
                path, body = "m.room.power_levels", held.content | {"events": events}
            case "kick":
                kick = f"rooms/{self.room_id}/kick"
                server.ask(user_id, "POST", kick, {"user_id": carol})
        if path:
            server.ask(user_id, "PUT", f"rooms/{self.room_id}/state/{path}", body)
