"""Three homeservers, whatever their users do and whatever fails between them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.homeserver.federated.rig import FederatedTestCase, Homeserver

NAMES = ("a", "b", "c")
STATES = ("online", "unavailable", "offline", "org.matrix.msc3026.busy")

servers = st.sampled_from(NAMES)
rooms = st.integers(0, 1)
steps = st.one_of(
    st.tuples(st.just("status"), servers, st.sampled_from(STATES), st.text("xy")),
    st.tuples(st.just("join"), servers, rooms, servers),
    st.tuples(st.just("leave"), servers, rooms),
    st.tuples(st.just("say"), servers, rooms),
    st.tuples(st.just("down"), servers),
    st.tuples(st.just("up")),
    st.tuples(st.just("restart"), servers),
    st.tuples(st.just("pass"), st.sampled_from([1, 10, 60])),
)


class WhateverHappensTests(FederatedTestCase):
    """Each server has one user."""

    def begin(self) -> None:
        """New servers; the first two have a room each, and share the first."""
        self.internet.down.clear()
        while self.running:
            self.running.pop().stop()
        self.servers: dict[str, Homeserver] = {
            name: self.homeserver(f"{name}.test") for name in NAMES
        }
        self.users = {name: self.servers[name].register(name) for name in NAMES}
        self.rooms = [self.servers[name].create(self.users[name]) for name in NAMES[:2]]
        #: Who was let in by a server whose answer could not be used, for want of a key,
        #: say: for others they are in the room, and for their own server they are not.
        self.half_in: set[str] = set()
        self.join("b", 0, "a")

    @settings(max_examples=10)
    @given(st.lists(steps, max_size=14))
    def test_in_the_end_all_see_the_same(self, deeds: list[Any]) -> None:
        """Who is in which room, and how everybody is (A-88, C-11, C-12)."""
        self.begin()
        for what, *how in deeds:
            getattr(self, what if what != "pass" else "pass_time")(*how)
            # Of two events of the same millisecond their ids decide, not their order.
            self.pass_time(0.01)
        self.up()
        # A word in each room is a sign of life of all servers in it.
        for seconds in (10, 10, 60, 60):
            for name in NAMES:
                for room in range(len(self.rooms)):
                    self.say(name, room)
            self.pass_time(seconds)
        for room_id in self.rooms:
            known = [
                frozenset(server.room(room_id).joined)
                for server in self.servers.values()
                if server.rooms.is_in(room_id)
            ]
            self.assertLessEqual(len(set(known)), 1, known)
        for name, user_id in self.users.items():
            for other, viewer in self.users.items():
                own = self.seen(name, user_id, user_id)
                shared = self.servers[other].rooms.share_a_room(viewer, user_id)
                if shared and user_id not in self.half_in:
                    self.assertEqual(own, self.seen(other, viewer, user_id))

    def seen(self, name: str, viewer: str, user_id: str) -> Any:
        """State and status of a user as a viewer on this server is told."""
        path = f"presence/{quote(user_id)}/status"
        status = self.servers[name].call(viewer, "GET", path)
        return status["presence"], status.get("status_msg")

    def status(self, name: str, presence: str, text: str) -> None:
        """Somebody says how they are; perhaps too often."""
        user_id = self.users[name]
        body = {"presence": presence, "status_msg": text}
        self.servers[name].ask(
            user_id, "PUT", f"presence/{quote(user_id)}/status", body
        )

    def join(self, name: str, room: int, via: str) -> None:
        """Somebody tries to come in."""
        path, user_id = f"join/{quote(self.rooms[room])}", self.users[name]
        answer = self.servers[name].ask(user_id, "POST", path, {}, via=f"{via}.test")
        if answer.status == 502 and "cannot be taken over" in answer.json["error"]:
            self.half_in.add(user_id)

    def leave(self, name: str, room: int) -> None:
        """Somebody goes out, if they are in."""
        path = f"rooms/{quote(self.rooms[room])}/leave"
        self.servers[name].ask(self.users[name], "POST", path, {})

    def say(self, name: str, room: int) -> None:
        """Somebody says something, if they are there."""
        server = self.servers[name]
        server.txn += 1
        path = f"rooms/{quote(self.rooms[room])}/send/m.room.message/{server.txn}"
        body = {"msgtype": "m.text", "body": "x"}
        server.ask(self.users[name], "PUT", path, body)

    def down(self, name: str) -> None:
        """Others cannot reach this server any more."""
        self.internet.down.add(f"{name}.test".encode())

    def up(self) -> None:
        """All can reach all."""
        self.internet.down.clear()

    def restart(self, name: str) -> None:
        """A server is stopped and started."""
        self.pass_time(1)
        self.servers[name].restart()
