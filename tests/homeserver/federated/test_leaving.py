"""After the last user of a server has left a room, it hears nothing more."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.homeserver.federated.rig import FederatedTestCase, Homeserver, Peer

FAR, OFF = "@fay:far.test", "@fred:off.test"


class LeavingTests(FederatedTestCase):
    """Two homeservers, and two servers of which it is seen what they get."""

    def setUp(self) -> None:
        """Alice has something to show."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.there = self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.bob = self.there.register("bob")
        self.far, self.off = self.peer("far.test"), self.peer("off.test")

    def show(self, server: Homeserver, user_id: str, status: str) -> None:
        """Somebody says how they are."""
        path = f"presence/{quote(user_id, safe='')}/status"
        body = {"presence": "online", "status_msg": status}
        server.call(user_id, "PUT", path, body)
        self.pass_time(6)

    def status(self, server: Homeserver, viewer: str, user_id: str) -> Any:
        """The status message that a viewer reads; None if they may not look."""
        path = f"presence/{quote(user_id, safe='')}/status"
        response = server.ask(viewer, "GET", path)
        return response.json.get("status_msg") if response.status == 200 else None

    def told(self, peer: Peer) -> list[tuple[str, str | None]]:
        """Users and status messages that a server was sent since the last call."""
        edus, peer.edus = peer.edus, []
        return [
            (said["user_id"], said.get("status_msg"))
            for _, edu, _ in edus
            for said in edu["content"]["push"]
        ]

    def test_who_leaves_is_not_seen_and_does_not_see(self) -> None:
        """From then on nothing is told (C-12)."""
        room_id = self.there.create(self.bob)
        self.here.join(self.alice, room_id, "b.test")
        self.show(self.here, self.alice, "here")
        self.here.leave(self.alice, room_id)
        self.pass_time(6)
        self.show(self.here, self.alice, "elsewhere")
        self.show(self.there, self.bob, "alone")
        self.assertIsNone(self.status(self.there, self.bob, self.alice))
        self.assertIsNone(self.status(self.here, self.alice, self.bob))

    def test_a_server_that_is_shut_out_is_told_nothing(self) -> None:
        """By the ACL of the room, from then on, and after a restart (C-13)."""
        room_id = self.here.create(self.alice)
        for peer, user_id in ((self.far, FAR), (self.off, OFF)):
            peer.join("a.test", room_id, user_id)
        acl = {"allow": ["*"], "deny": ["far.*"]}
        self.here.set(self.alice, room_id, "m.room.server_acl", acl)
        self.pass_time(6)
        for status in ("behind a wall", "as before"):
            self.told(self.far)
            self.show(self.here, self.alice, status)
            self.assertEqual([], self.told(self.far))
            self.assertIn((self.alice, status), self.told(self.off))
            self.here.restart()
            self.pass_time(6)
        self.here.set(self.alice, room_id, "m.room.server_acl", {"allow": ["*"]})
        self.show(self.here, self.alice, "welcome")
        self.assertIn((self.alice, "welcome"), self.told(self.far))

    def test_a_server_that_has_left_is_told_nothing(self) -> None:
        """Neither presence nor what is said in the room (C-12)."""
        room_id = self.here.create(self.alice)
        for peer, user_id in ((self.far, FAR), (self.off, OFF)):
            peer.join("a.test", room_id, user_id)
        leave = self.far.event(
            self.here.room(room_id), FAR, "m.room.member", {"membership": "leave"}, FAR
        )
        self.far.send("a.test", leave.pdu)
        self.pass_time(6)
        self.told(self.far)
        self.far.pdus.clear()
        self.show(self.here, self.alice, "among us")
        self.here.say(self.alice, room_id, "among us")
        self.pass_time()
        self.assertEqual([], self.told(self.far))
        self.assertEqual([], self.far.pdus)
        self.assertIn((self.alice, "among us"), self.told(self.off))
        self.assertEqual(1, len(self.off.pdus))
