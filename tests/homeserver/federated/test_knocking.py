"""Our users ask to be let into rooms of other servers."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.homeserver.federated.rig import FederatedTestCase
from tests.web.connection import Response


class KnockingTests(FederatedTestCase):
    """Bob has a room that takes knocks, and Alice would like to come in."""

    def setUp(self) -> None:
        """Two servers."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.there = self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.bob = self.there.register("bob")
        self.room_id = self.make_room()

    def make_room(self, version: str = "12") -> str:
        """A room that takes knocks; its id says nothing of where it is."""
        rule = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
        return self.there.create(
            self.bob, name="Tea", room_version=version, initial_state=[rule]
        )

    def knock(self, room: str, *via: str, **body: Any) -> Response:
        """What Alice is answered who knocks."""
        path = f"knock/{quote(room, safe='')}"
        return self.here.ask(self.alice, "POST", path, body, via=list(via))

    def shown(self) -> dict[str, Any]:
        """The knocks that a first sync shows."""
        rooms = self.here.sync(self.alice).get("rooms", {})
        knocks: dict[str, Any] = rooms.get("knock", {})
        return knocks

    def test_a_knock_is_heard(self) -> None:
        """And who knocks is shown at which door they stand."""
        answer = self.knock(self.room_id, "b.test", reason="cake")
        self.assertEqual({"room_id": self.room_id}, answer.json)
        event = self.there.room(self.room_id).state["m.room.member", self.alice]
        self.assertEqual("knock", event.membership)
        self.assertEqual("cake", event.content["reason"])
        state = self.shown()[self.room_id]["knock_state"]["events"]
        names = [one["content"] for one in state if one["type"] == "m.room.name"]
        self.assertEqual([{"name": "Tea"}], names)

    def test_who_is_let_in_may_come(self) -> None:
        """The invite takes the place of the knock."""
        self.knock(self.room_id, "b.test")
        path = f"rooms/{quote(self.room_id)}/invite"
        self.there.call(self.bob, "POST", path, {"user_id": self.alice})
        self.assertEqual({}, self.shown())
        self.here.join(self.alice, self.room_id)
        self.assertIn(self.alice, self.there.room(self.room_id).joined)

    def test_a_knock_may_be_taken_back(self) -> None:
        """Whoever took it is told, in rooms of all versions that take knocks."""
        for version in ("7", "10", "12"):
            with self.subTest(version):
                room_id = self.make_room(version)
                self.knock(room_id, "b.test")
                self.here.leave(self.alice, room_id)
                self.assertNotIn(room_id, self.shown())
                room = self.there.room(room_id)
                self.assertEqual("leave", room.membership(self.alice))

    def test_a_door_without_a_bell_is_no_use(self) -> None:
        """The other server says so; nothing is shown."""
        room_id = self.there.create(self.bob, preset="private_chat")
        answer = self.knock(room_id, "b.test")
        self.assertEqual((403, "M_FORBIDDEN"), (answer.status, answer.errcode))
        answer = self.knock("!x")
        self.assertEqual((404, "M_NOT_FOUND"), (answer.status, answer.errcode))
        self.assertEqual({}, self.shown())
