"""In-memory implementations of the ports, for trial tests of those who embed us.

    class GreetingTests(SynchronousTestCase):
        def test_a_room_mate_is_seen_online(self) -> None:
            presence = MemoryPresence()
            presence.room("!r:hs", "@a:hs", "@b:hs")
            self.successResultOf(presence.set_status("@a:hs", "online", "hello"))
            presence.clock.advance(1)
            self.assertEqual(presence.seen("@b:hs")["@a:hs"]["status_msg"], "hello")

Everything runs on a `Clock`; nothing opens a socket, a file or a thread.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock, deferLater
from twisted.web.server import Request
from zope.interface import implementer

from matrix_presence.config import PresenceConfig, parse
from matrix_presence.errors import MissingToken, UnknownToken
from matrix_presence.ids import server_of
from matrix_presence.interfaces import (
    NO_PROFILE,
    IFederation,
    IHomeserver,
    Profile,
    Requester,
)
from matrix_presence.rules.states import BY_NAME
from matrix_presence.service import PresenceService
from matrix_presence.storage.memory import MemoryPresenceStore

__all__ = [
    "MemoryFederation",
    "MemoryHomeserver",
    "MemoryNetwork",
    "MemoryPresence",
    "MemoryPresenceStore",
]

#: Some time in 2026, so that timestamps look like timestamps.
_EPOCH = 1_790_000_000.0


@implementer(IHomeserver)
class MemoryHomeserver:
    """Accounts and tokens as two dicts."""

    def __init__(self, server_name: str = "hs") -> None:
        self.server_name = server_name
        #: By access token: who it stands for.
        self.tokens: dict[str, Requester] = {}
        self.profiles: dict[str, Profile] = {}

    def add_user(
        self, user_id: str, device_id: str | None = "DEVICE", **flags: bool
    ) -> str:
        """An account with one device; its access token.

        `flags` are those of `Requester`: `is_guest`, `is_appservice`, `is_suspended`.
        """
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = Requester(user_id, device_id, **flags)
        self.profiles.setdefault(user_id, NO_PROFILE)
        return token

    async def authenticate(self, request: Request) -> Requester:
        """Who the token in the header or the query stands for."""
        header = request.getHeader(b"authorization") or b""
        given = header.removeprefix(b"Bearer ")
        if not given:
            given = (request.args or {}).get(b"access_token", [b""])[0]
        if not given:
            raise MissingToken
        requester = self.tokens.get(given.decode("ascii", "replace"))
        if requester is None:
            raise UnknownToken
        return requester

    def profile(self, user_id: str) -> Profile:
        """The profile set in `profiles`."""
        return self.profiles.get(user_id, NO_PROFILE)

    def is_local_user(self, user_id: str) -> bool:
        """Whether `add_user` was called for this user."""
        return user_id in self.profiles and server_of(user_id) == self.server_name


@implementer(IFederation)
@attrs.define
class MemoryFederation:
    """Keeps what is sent, and can be cut."""

    #: Destination and EDUs of each transaction that arrived, the oldest first.
    sent: list[tuple[str, list[dict[str, Any]]]] = attrs.Factory(list)
    #: Destinations that do not answer.
    down: set[str] = attrs.Factory(set)

    def send(self, destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
        """Arrives at once, unless the destination is down."""
        if destination in self.down:
            return fail(ConnectionError(f"{destination} does not answer"))
        self.sent.append((destination, list(edus)))
        return succeed(None)


class MemoryPresence:
    """All of presence on virtual time, started and ready.

    Args:
        store: to begin with what an earlier life left.
        federation: how other servers are reached; see `MemoryNetwork` too.
        options: of the configuration, as in its file: `idle_timeout="10s"`.
    """

    def __init__(
        self,
        server_name: str = "hs",
        *,
        store: MemoryPresenceStore | None = None,
        clock: Clock | None = None,
        federation: IFederation | None = None,
        **options: Any,
    ) -> None:
        self.clock = clock or Clock()
        if not self.clock.seconds():
            self.clock.advance(_EPOCH)
        self.homeserver = MemoryHomeserver(server_name)
        self.store = store or MemoryPresenceStore()
        config: PresenceConfig = parse(options)
        self.service = PresenceService(
            self.clock,
            self.homeserver,
            self.store,
            config,
            federation=federation,
            chance=random.Random(server_name).random,
        )
        self.handler = self.service.handler
        self.view = self.service.view
        self.sync = self.service.sync
        self.service.startService()
        self.clock.advance(0)

    def room(self, room_id: str, *user_ids: str) -> None:
        """A room with these members."""
        for user_id in user_ids:
            self.handler.joined(room_id, user_id)

    def set_status(
        self,
        user_id: str,
        presence: str,
        status_msg: str | None = None,
        device_id: str | None = "DEVICE",
    ) -> Deferred[None]:
        """What `PUT …/status` does; fires when it is stored."""
        requester = Requester(user_id, device_id)
        return self.handler.set_status(requester, BY_NAME[presence], status_msg)

    def seen(self, viewer: str, since: int | None = None) -> dict[str, dict[str, Any]]:
        """By user: the content of the `m.presence` events that a sync would show."""
        events, _ = self.sync.part(viewer, since)
        return {event["sender"]: event["content"] for event in events}

    def poll(
        self,
        viewer: str,
        since: int,
        set_presence: str | None = None,
        device_id: str | None = "DEVICE",
        version: str = "v3",
    ) -> MemoryPoll:
        """A long poll of this viewer, open until it is woken or closed.

        Args:
            version: of the client API: "r0" for clients that know presence lists.
        """
        requester = Requester(viewer, device_id)
        return MemoryPoll(self, requester, since, set_presence, version)

    def stop(self) -> Deferred[None]:
        """An orderly end; the store can begin another life."""
        stopped = self.service.stopService()
        self.clock.advance(0)
        return stopped


class MemoryPoll:
    """One open long poll."""

    def __init__(
        self,
        presence: MemoryPresence,
        requester: Requester,
        since: int,
        set_presence: str | None,
        version: str,
    ) -> None:
        self._presence = presence
        self._era = presence.sync.era(version)
        self._held = presence.sync.connected(requester, set_presence, self._era)
        self._held.__enter__()
        self.since = since
        self.viewer = requester.user_id
        #: Whether presence has woken it.
        self.woken = False
        self._wait = presence.sync.wait(self.viewer, since, era=self._era)
        self._wait.addCallbacks(self._wake, lambda _: None)

    def _wake(self, _: None) -> None:
        self.woken = True

    def close(self) -> tuple[dict[str, dict[str, Any]], int]:
        """Return the poll: what it shows by user, and the position for the next."""
        self._wait.cancel()
        events, position = self._presence.sync.part(
            self.viewer, self.since, era=self._era
        )
        self._held.__exit__(None, None, None)
        return {event["sender"]: event["content"] for event in events}, position


class MemoryNetwork:
    """Servers that reach one another, all on one clock.

        network = MemoryNetwork()
        here, there = network.server("here"), network.server("there")
        network.room("!room:here", "@a:here", "@b:there")

    What can go wrong between servers is switched on and off by its attributes.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.servers: dict[str, MemoryPresence] = {}
        #: Pairs of servers that do not reach each other.
        self.cuts: set[frozenset[str]] = set()
        #: Seconds that each transaction and each answer takes.
        self.delay = 0.0
        #: Transactions arrive, though their senders believe that they do not.
        self.loses_answers = False
        #: Seconds after which each transaction arrives once more; None for never.
        self.echo: float | None = None
        #: Origin, destination and EDUs of each transaction that arrived.
        self.arrived: list[tuple[str, str, list[dict[str, Any]]]] = []

    def server(self, server_name: str, **options: Any) -> MemoryPresence:
        """Start a server, or start it anew; `options` as for `MemoryPresence`."""
        link = _Link(self, server_name)
        server = MemoryPresence(
            server_name, clock=self.clock, federation=link, **options
        )
        self.servers[server_name] = server
        return server

    def room(self, room_id: str, *user_ids: str) -> None:
        """A room with these members, as the servers that are in it learn of it."""
        for name in {server_of(user_id) for user_id in user_ids}:
            self.servers[name].room(room_id, *user_ids)

    def cut(self, one: str, other: str) -> None:
        """The two do not reach each other from now on."""
        self.cuts.add(frozenset((one, other)))

    def heal(self) -> None:
        """Everything works from now on."""
        self.cuts.clear()
        self.delay, self.loses_answers, self.echo = 0.0, False, None

    def deliver(self, origin: str, destination: str, text: str, sent_ts: int) -> None:
        """A transaction arrives."""
        edus = json.loads(text)
        self.arrived.append((origin, destination, edus))
        service = self.servers[destination].service
        service.heard_from(origin)
        for edu in edus:
            service.receiver.edu_received(origin, edu, sent_ts)


@implementer(IFederation)
@attrs.frozen
class _Link:
    """The way out of one server of a network."""

    network: MemoryNetwork
    origin: str

    def send(self, destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
        """Arrives after the network's delay, and is answered after another."""
        network, clock = self.network, self.network.clock
        cut = frozenset((self.origin, destination)) in network.cuts
        if cut or destination not in network.servers:
            return fail(ConnectionError(f"{destination} does not answer"))
        # As text, so that nothing is shared and nothing passes that is not JSON.
        sent_ts = int(clock.seconds() * 1000)
        arrival = self.origin, destination, json.dumps(edus), sent_ts
        if network.echo is not None:
            clock.callLater(network.delay + network.echo, network.deliver, *arrival)
        if network.delay:
            clock.callLater(network.delay, network.deliver, *arrival)
        else:
            network.deliver(*arrival)
        if network.loses_answers:
            return fail(TimeoutError(f"{destination} does not answer in time"))
        return deferLater(clock, 2 * network.delay) if network.delay else succeed(None)
