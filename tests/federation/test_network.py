"""Several servers, and everything that can go wrong between them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_presence.interfaces import Profile, Requester
from matrix_presence.testing import MemoryNetwork, MemoryPresence
from tests.base import TestCase
from tests.federation.rig import PLAIN, advance

SERVERS = ("one", "two", "three")
USERS = tuple(f"@{name}:{server}" for server in SERVERS for name in ("a", "b"))
ROOMS = {
    "!all:one": USERS,
    "!two:two": ("@a:two", "@b:three"),
}
STATES = ("online", "unavailable", "offline", "org.matrix.msc3026.busy")

names = st.sampled_from(SERVERS)
seconds = st.sampled_from([0.5, 3.0, 20.0, 90.0])
events = st.one_of(
    st.tuples(
        st.just("status"),
        st.sampled_from(USERS),
        st.sampled_from(STATES),
        st.none() | st.sampled_from(["x", "y"]),
    ),
    st.tuples(st.just("profile"), st.sampled_from(USERS), st.sampled_from("MN")),
    st.tuples(st.just("cut"), names, names),
    st.tuples(st.just("heal")),
    st.tuples(st.just("delay"), st.sampled_from([0.0, 0.3, 8.0])),
    st.tuples(st.just("echo"), st.sampled_from([None, 0.2, 12.0])),
    st.tuples(st.just("loses_answers"), st.booleans()),
    st.tuples(st.just("restart"), names),
    st.tuples(st.just("pass"), seconds),
)


class Servers:
    """A network of servers with users who never go away by themselves."""

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        self.syncs = ExitStack()
        for name in SERVERS:
            self.network.server(name, **PLAIN)
        for room_id, members in ROOMS.items():
            self.network.room(room_id, *members)
        for user_id in USERS:
            self.connect(user_id)
        self.pass_time(10)

    def of(self, user_id: str) -> MemoryPresence:
        """The server of this user."""
        return self.network.servers[user_id.partition(":")[2]]

    def connect(self, user_id: str) -> None:
        """A sync that does not end."""
        sync = self.of(user_id).sync
        self.syncs.enter_context(sync.connected(Requester(user_id, "DEVICE"), None))

    def pass_time(self, passed: float) -> None:
        """Let so much time pass."""
        advance(self.network.clock, passed, 0.25)

    def do(self, what: str, *how: Any) -> None:
        """One event."""
        network = self.network
        if what == "status":
            user_id, state, status = how
            self.of(user_id).set_status(user_id, state, status)
        elif what == "profile":
            user_id, name = how
            self.of(user_id).handler.profile_changed(user_id, Profile(name))
        elif what == "cut":
            network.cut(*how)
        elif what == "heal":
            network.heal()
        elif what == "restart":
            self.restart(how[0])
        elif what == "pass":
            self.pass_time(how[0])
        else:
            setattr(network, what, how[0])

    def say_hello(self) -> None:
        """Every server hears something, whatever it is, from every other."""
        for name, server in self.network.servers.items():
            for other in self.network.servers:
                if other != name:
                    server.service.heard_from(other)

    def restart(self, name: str) -> None:
        """One server ends and begins again with what it has stored."""
        before = self.network.servers[name]
        before.stop()
        server = self.network.server(name, store=before.store, **PLAIN)
        for room_id, members in ROOMS.items():
            if any(user_id.endswith(f":{name}") for user_id in members):
                server.handler.restore_room(room_id, members)
        for user_id in USERS:
            if user_id.endswith(f":{name}"):
                self.connect(user_id)

    def picture(self, name: str) -> dict[str, Any]:
        """By user: what the users of this server see."""
        server = self.network.servers[name]
        viewer = f"@a:{name}"
        picture = {}
        for user_id in USERS:
            status = server.view.status(viewer, user_id)
            assert status is not None
            users = server.handler.cache.users
            profile = users.profile(users.index[user_id]).displayname
            keys = ("presence", "status_msg", "currently_active")
            picture[user_id] = (*map(status.get, keys), profile)
        return picture


class NetworkTests(TestCase):
    """Three servers share a room; two of them share another."""

    @settings(max_examples=60)
    @given(st.lists(events, max_size=25))
    def test_in_the_end_all_servers_show_the_same(self, happened) -> None:
        """Whatever was cut, lost, delayed, doubled or restarted meanwhile.

        (C-7, C-8, C-9, C-10, C-11, B-53)
        """
        servers = Servers()
        for event in happened:
            servers.do(*event)
        servers.do("heal")
        servers.say_hello()
        servers.pass_time(25)
        if not any(what == "restart" for what, *_ in happened):
            self.check(servers)
        # What a restart has lost, pings and time-outs heal.
        advance(servers.network.clock, 1900, 1)
        self.check(servers)

    def check(self, servers: Servers) -> None:
        """All servers show the same of every user."""
        pictures = [servers.picture(name) for name in SERVERS]
        for user_id in USERS:
            seen = {picture[user_id] for picture in pictures}
            self.assertEqual(1, len(seen), f"{user_id}: {seen}")

    def test_what_comes_late_does_not_undo_what_came_before(self) -> None:
        """A transaction that was given up, and arrives after all, is out of date."""
        servers = Servers()
        network = servers.network
        network.delay, network.loses_answers = 40.0, True
        servers.do("status", "@a:one", "unavailable", "first")
        servers.pass_time(1)
        network.heal()
        servers.do("status", "@a:one", "online", "second")
        servers.pass_time(50)
        self.check(servers)
        self.assertEqual("second", servers.picture("two")["@a:one"][1])

    def test_a_change_is_seen_everywhere_soon(self) -> None:
        """Within a tick and a window, when everything works."""
        servers = Servers()
        servers.do("status", "@a:one", "unavailable", "lunch")
        servers.pass_time(6)
        for name in SERVERS:
            presence, status, *_ = servers.picture(name)["@a:one"]
            self.assertEqual(("unavailable", "lunch"), (presence, status))

    def test_nobody_hears_of_rooms_that_are_not_theirs(self) -> None:
        """A server that shares no room with a user knows nothing of them (C-2)."""
        network = MemoryNetwork()
        for name in SERVERS:
            network.server(name, **PLAIN)
        network.room("!two:two", "@a:two", "@b:three")
        network.servers["two"].set_status("@a:two", "online")
        advance(network.clock, 10)
        self.assertIn("@a:two", network.servers["three"].seen("@b:three"))
        self.assertIsNone(network.servers["one"].handler.cache.users.find("@a:two"))

    def test_a_long_partition_heals_with_one_transaction_each_way(self) -> None:
        """What happened meanwhile is told as it is then (C-11)."""
        servers = Servers()
        servers.network.cut("one", "two")
        for number in range(20):
            servers.do("status", "@a:one", STATES[number % 2], str(number))
            servers.do("status", "@b:two", STATES[number % 2], str(number))
            servers.pass_time(60)
        sender = servers.network.servers["one"].service.sender
        assert sender is not None
        servers.network.heal()
        servers.network.cut("one", "three")
        answered = sender.answered
        servers.network.servers["one"].service.heard_from("two")
        servers.pass_time(5)
        self.assertEqual(answered + 1, sender.answered)
        one, two = (servers.picture(name) for name in ("one", "two"))
        self.assertEqual(one["@a:one"], two["@a:one"])
        self.assertEqual(one["@b:two"], two["@b:two"])
