"""Presence follows the members of rooms across servers (C-12, A-88)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from twisted.internet.task import Cooperator

from matrix_presence.homeserver import slices
from tests.homeserver.federated.rig import FederatedTestCase, Homeserver, Peer

MALLORY, OSCAR = "@mallory:far.test", "@oscar:off.test"


class PresenceTests(FederatedTestCase):
    """A room of ours, and users of other servers who come and go."""

    def setUp(self) -> None:
        """Alice is online."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.alice = self.here.register("alice")
        self.room_id = self.here.create(self.alice)
        self.far, self.off = self.peer("far.test"), self.peer("off.test")
        self.put("online", "first")

    def put(
        self,
        presence: str,
        status: str,
        server: Homeserver | None = None,
        user_id: str | None = None,
    ) -> None:
        """Set a status, and let it be shown and sent."""
        server, user_id = server or self.here, user_id or self.alice
        path = f"presence/{quote(user_id)}/status"
        body = {"presence": presence, "status_msg": status}
        server.call(user_id, "PUT", path, body)
        self.pass_time(6)

    def told(self, peer: Peer) -> list[Any]:
        """The statuses of Alice that this server was told since the last call."""
        edus, peer.edus = peer.edus, []
        return [
            said["status_msg"]
            for _, edu, _ in edus
            if edu["edu_type"] == "m.presence"
            for said in edu["content"]["push"]
            if said["user_id"] == self.alice
        ]

    def leave(self, peer: Peer, user_id: str) -> None:
        """A user of the other server goes out."""
        room = self.here.room(self.room_id)
        content = {"membership": "leave"}
        event = peer.event(room, user_id, "m.room.member", content, user_id)
        self.assertEqual({event.event_id: {}}, peer.send("a.test", event.pdu))

    def test_a_server_that_comes_in_is_told_once_and_nobody_else(self) -> None:
        """The presence of our members (C-12)."""
        self.far.join("a.test", self.room_id, MALLORY)
        self.pass_time(6)
        self.assertEqual(["first"], self.told(self.far))
        self.off.join("a.test", self.room_id, OSCAR)
        self.pass_time(6)
        self.assertEqual(["first"], self.told(self.off))
        self.assertEqual([], self.told(self.far))

    def test_a_server_that_has_left_is_told_no_more(self) -> None:
        """The others are (C-12)."""
        for peer, user_id in ((self.far, MALLORY), (self.off, OSCAR)):
            peer.join("a.test", self.room_id, user_id)
        self.pass_time(6)
        self.leave(self.off, OSCAR)
        self.told(self.far), self.told(self.off)
        self.put("unavailable", "second")
        self.assertEqual(["second"], self.told(self.far))
        self.assertEqual([], self.told(self.off))

    def test_a_server_that_was_put_out_is_told_no_more(self) -> None:
        """By a ban (C-12)."""
        self.far.join("a.test", self.room_id, MALLORY)
        self.pass_time(6)
        path = f"rooms/{quote(self.room_id)}/ban"
        self.here.call(self.alice, "POST", path, {"user_id": MALLORY})
        self.told(self.far)
        self.put("unavailable", "second")
        self.assertEqual([], self.told(self.far))

    def test_a_server_that_the_room_keeps_out_is_told_no_more(self) -> None:
        """From the event that says so on, until another one lets it in (C-13)."""
        self.far.join("a.test", self.room_id, MALLORY)
        self.pass_time(6)
        self.told(self.far)
        path = f"rooms/{quote(self.room_id)}/state/m.room.server_acl"
        for denied, number, told in (
            (["far.test"], "second", []),
            (["else.test"], "third", ["third"]),
        ):
            content = {"allow": ["*"], "deny": denied}
            self.here.call(self.alice, "PUT", path, content)
            self.put("unavailable", number)
            self.assertEqual(told, self.told(self.far))

    def test_members_of_both_servers_see_each_other(self) -> None:
        """From the join on, also those who were there before (A-88)."""
        there = self.homeserver("b.test")
        bob = there.register("bob")
        self.put("online", "I am Bob", there, bob)
        since = self.here.sync(self.alice)["next_batch"]
        there.join(bob, self.room_id, "a.test")
        self.pass_time(6)
        shown = self.here.sync(self.alice, since=since)["presence"]["events"]
        (event,) = (each for each in shown if each["sender"] == bob)
        self.assertEqual("I am Bob", event["content"]["status_msg"])
        shown = there.sync(bob)["presence"]["events"]
        (event,) = (each for each in shown if each["sender"] == self.alice)
        self.assertEqual("first", event["content"]["status_msg"])

    def test_it_is_the_same_after_a_restart(self) -> None:
        """Who is in which room is known again before anything is sent (C-12)."""
        self.far.join("a.test", self.room_id, MALLORY)
        self.pass_time(6)
        self.told(self.far)
        self.here.restart()
        self.put("unavailable", "later")
        self.assertIn("later", self.told(self.far))
        self.assertEqual([], self.told(self.off))

    def slow(self, scheduler: object, **options: Any) -> Cooperator:
        """A cooperator of which each turn takes two seconds."""
        return Cooperator(
            scheduler=lambda step: self.reactor.callLater(2, step), **options
        )

    def test_who_has_gone_idle_meanwhile_is_told_of(self) -> None:
        """However long it takes to know all rooms again after a restart (B-53, C-1)."""
        for _ in range(3):
            self.room_id = self.here.create(self.alice)
        self.far.join("a.test", self.room_id, MALLORY)
        self.pass_time(6)
        self.here.stop()
        self.pass_time(3600)
        self.far.edus.clear()
        self.patch(slices, "SLICE", 0)
        self.patch(slices, "Cooperator", self.slow)
        self.patch(self, "pass_time", lambda _: type(self).pass_time(self, 20))
        self.here.start()
        said = {edu["content"]["push"][0]["presence"] for _, edu, _ in self.far.edus}
        self.assertEqual({"unavailable"}, said)
