"""A room on two and three servers: coming in, speaking, leaving."""

from __future__ import annotations

from matrix_presence.wire.room_versions import ROOM_VERSIONS
from tests.homeserver.federated.rig import FederatedTestCase, Homeserver


class SharingTests(FederatedTestCase):
    """Two servers of ours."""

    def setUp(self) -> None:
        """Alice on one, Bob on the other."""
        super().setUp()
        self.here, self.there = self.homeserver("a.test"), self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.bob = self.there.register("bob")

    def test_a_user_of_another_server_joins(self) -> None:
        """Each server then shows both, and the same state (C-80, C-81)."""
        room_id = self.here.create(self.alice)
        self.there.join(self.bob, room_id, "a.test")
        for server in (self.here, self.there):
            room = server.room(room_id)
            self.assertEqual({self.alice, self.bob}, room.joined)
            self.assertEqual({"a.test": 1, "b.test": 1}, room.servers)
        self.assertSameState(room_id, self.here, self.there)

    def test_messages_go_both_ways(self) -> None:
        """In order."""
        room_id = self.here.create(self.alice)
        self.there.join(self.bob, room_id, "a.test")
        self.here.say(self.alice, room_id, "one")
        self.pass_time()
        self.there.say(self.bob, room_id, "two")
        self.pass_time()
        self.here.say(self.alice, room_id, "three")
        self.pass_time()
        for server in (self.here, self.there):
            self.assertEqual(["one", "two", "three"], server.texts(room_id))

    def test_rooms_of_any_version_are_shared(self) -> None:
        """Joined, spoken in both ways, and left (C-80 to C-93)."""
        for version in ROOM_VERSIONS:
            with self.subTest(version):
                room_id = self.here.create(self.alice, room_version=version)
                self.there.join(self.bob, room_id, "a.test")
                self.there.say(self.bob, room_id, "hello")
                self.pass_time()
                self.here.say(self.alice, room_id, "hi")
                self.pass_time()
                for server in (self.here, self.there):
                    self.assertEqual(["hello", "hi"], server.texts(room_id))
                self.assertSameState(room_id, self.here, self.there)
                self.there.leave(self.bob, room_id)
                self.pass_time()
                self.assertEqual({self.alice}, self.here.room(room_id).joined)

    def assertSameState(self, room_id: str, *servers: Homeserver) -> None:
        """All of them know the same state."""
        states = [
            {key: event.event_id for key, event in server.room(room_id).state.items()}
            for server in servers
        ]
        for state in states[1:]:
            self.assertEqual(states[0], state)
