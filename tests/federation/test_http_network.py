"""Several of our servers over HTTP in memory, and a network that does its worst.

Everything that is on the wire is real: keys are fetched, requests signed and checked,
transactions taken once. What goes wrong goes wrong with requests and answers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from signedjson.key import generate_signing_key
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.homeserver.federation_side import FederationSide
from matrix_presence.homeserver.settings import FederationConfig
from matrix_presence.interfaces import Requester
from matrix_presence.testing import MemoryPresence
from matrix_presence.web.routes import Router
from tests.base import TestCase
from tests.federation.rig import PLAIN

NAMES = ("one", "two", "three")
USERS = tuple(f"@{name}:{server}" for server in NAMES for name in ("a", "b"))
ROOMS = {"!all:one": USERS, "!two:two": ("@a:two", "@b:three")}
STATES = ("online", "unavailable", "offline")

names = st.sampled_from(NAMES)
events = st.one_of(
    st.tuples(
        st.just("status"),
        st.sampled_from(USERS),
        st.sampled_from(STATES),
        st.none() | st.sampled_from("xy"),
    ),
    st.tuples(st.just("cut"), names, names),
    st.tuples(st.just("heal")),
    # Forty seconds is longer than anybody waits for an answer: it arrives late.
    st.tuples(st.just("delays"), st.lists(st.sampled_from([0.0, 0.3, 8.0, 40.0]))),
    st.tuples(st.just("loses_answers"), st.booleans()),
    st.tuples(st.just("doubles"), st.booleans()),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 5.0, 45.0])),
)


class Net:
    """What lies between the servers."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.agents: dict[bytes, RequestTraversalAgent] = {}
        self.heal()

    def heal(self) -> None:
        """Everything works from now on; what is delayed still arrives."""
        self.cuts: set[frozenset[bytes]] = set()
        self._delays: Iterator[float] = itertools.repeat(0.0)
        self.loses_answers = self.doubles = False

    def cut(self, one: str, other: str) -> None:
        """The two do not reach each other from now on."""
        self.cuts.add(frozenset((one.encode(), other.encode())))

    def delay(self, seconds: list[float]) -> None:
        """One request takes so long, the next so long, over and over."""
        self._delays = itertools.cycle(seconds or [0.0])

    def request(self, origin: bytes, uri: bytes, *what: Any) -> Deferred[IResponse]:
        """What a request comes to."""
        host = uri.removeprefix(b"https://").partition(b"/")[0]
        if frozenset((origin, host)) in self.cuts:
            return fail(ConnectionRefusedError())
        if self.doubles:
            twice = deferLater(self.clock, 7, self._ask, host, uri, *what)
            twice.addErrback(lambda _: None)
        delay = next(self._delays)
        if delay:
            return deferLater(self.clock, delay, self._ask, host, uri, *what)
        asked: Deferred[IResponse] = self._ask(host, uri, *what)
        return asked

    def _ask(self, host: bytes, uri: bytes, *what: Any) -> Any:
        method, *more = what
        asked: Deferred[IResponse] = self.agents[host].request(method, uri, *more)
        if self.loses_answers:
            asked.addErrback(lambda _: None)
            return fail(ResponseNeverReceived([Failure(ConnectionError("lost"))]))
        return asked

    def flush(self) -> None:
        """Let late answers go out."""
        for agent in self.agents.values():
            agent.flush()


@implementer(IAgent)
class Way:
    """The way out of one server."""

    def __init__(self, net: Net, origin: str) -> None:
        self._net = net
        self._origin = origin.encode()

    def request(self, method: bytes, uri: bytes, *more: Any) -> Deferred[IResponse]:
        """Into the net."""
        return self._net.request(self._origin, uri, method, *more)


class Peer:
    """One server with presence and all of federation."""

    def __init__(self, net: Net, name: str) -> None:
        clock = net.clock

        def now() -> int:
            return int(clock.seconds() * 1000)

        own = OwnKeys(name, [generate_signing_key("a_1")], [], now)
        self.side = FederationSide(clock, Way(net, name), own, FederationConfig())
        self.presence = MemoryPresence(
            name, clock=clock, federation=self.side.link, **PLAIN
        )
        router = Router()
        self.side.add_routes(router, self.presence.service, None)
        net.agents[name.encode()] = RequestTraversalAgent(router)
        self._numbers = itertools.count()

    def greet(self, other: str) -> None:
        """Send a transaction with nothing in it."""
        path = f"/_matrix/federation/v1/send/hello{next(self._numbers)}"
        said = json.dumps({"edus": [], "pdus": []}).encode()
        asking = Deferred.fromCoroutine(self.side.client.put(other, path, said))
        asking.addErrback(lambda _: None)


class World:
    """All of them, and users who never go away by themselves."""

    def __init__(self) -> None:
        clock = Clock()
        clock.advance(1_790_000_000)
        self.net = Net(clock)
        self.peers = {name: Peer(self.net, name) for name in NAMES}
        self._syncs = ExitStack()
        for room_id, members in ROOMS.items():
            for name in {user_id.partition(":")[2] for user_id in members}:
                self.peers[name].presence.room(room_id, *members)
        for user_id in USERS:
            sync = self.of(user_id).sync
            device = Requester(user_id, "DEVICE")
            self._syncs.enter_context(sync.connected(device, None))
        self.pass_time(10)

    def of(self, user_id: str) -> MemoryPresence:
        """The server of this user."""
        return self.peers[user_id.partition(":")[2]].presence

    def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Let so much time pass."""
        for _ in range(round(seconds / step)):
            self.net.clock.advance(step)
            self.net.flush()

    def do(self, what: str, *how: Any) -> None:
        """One event."""
        net = self.net
        if what == "status":
            user_id, state, status = how
            self.of(user_id).set_status(user_id, state, status)
        elif what == "cut":
            net.cut(*how)
        elif what == "heal":
            net.heal()
        elif what == "delays":
            net.delay(*how)
        elif what == "pass":
            self.pass_time(how[0])
        else:
            setattr(net, what, how[0])

    def settle(self) -> None:
        """Everything works, everybody is heard of, and time passes."""
        self.net.heal()
        # What is delayed, or waited for, comes to its end first.
        self.pass_time(50, 1)
        for name, peer in self.peers.items():
            for other in NAMES:
                if other != name:
                    peer.greet(other)
        self.pass_time(25)

    def pictures(self) -> dict[str, set[Any]]:
        """By user: how the servers show them."""
        pictures: dict[str, set[Any]] = {user_id: set() for user_id in USERS}
        for name, peer in self.peers.items():
            for user_id in USERS:
                status = peer.presence.view.status(f"@a:{name}", user_id)
                assert status is not None
                keys = ("presence", "status_msg", "currently_active")
                pictures[user_id].add(tuple(map(status.get, keys)))
        return pictures


class NetworkTests(TestCase):
    """Three servers share a room; two of them share another."""

    @settings(max_examples=50)
    @given(st.lists(events, max_size=12))
    def test_in_the_end_all_servers_show_the_same(self, happened) -> None:
        """Whatever was cut, lost, delayed, doubled or overtaken meanwhile.

        (C-7, C-10, C-11, C-40, C-42, C-43, C-50)
        """
        world = World()
        for event in happened:
            world.do(*event)
        world.settle()
        for user_id, shown in world.pictures().items():
            self.assertEqual(1, len(shown), f"{user_id}: {shown}")

    def test_the_worst_of_it_at_once(self) -> None:
        """Every answer is lost, every request comes twice, late and out of order."""
        world = World()
        world.net.loses_answers = world.net.doubles = True
        world.net.delay([40.0, 0.0, 8.0])
        for number in range(12):
            for user_id in USERS[:3]:
                world.do("status", user_id, STATES[number % 3], str(number))
            world.pass_time(5)
        world.settle()
        shown = world.pictures()
        self.assertEqual([1] * len(USERS), [len(each) for each in shown.values()])
        self.assertEqual({("offline", "11", None)}, shown["@a:one"])

    def test_nobody_is_sent_what_nobody_else_sent(self) -> None:
        """Presence arrived, and nothing was logged as wrong on the way (C-40)."""
        world = World()
        world.do("status", "@a:one", "unavailable", "lunch")
        world.pass_time(10)
        self.assertEqual({("unavailable", "lunch", None)}, world.pictures()["@a:one"])
        for peer in world.peers.values():
            sender = peer.presence.service.sender
            assert sender is not None
            self.assertEqual(0, sender.failed)
            self.assertEqual(0, peer.presence.service.receiver.dropped)
