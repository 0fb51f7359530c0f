"""The federation checks in memory: the embedded homeserver, and the peers of a run."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import attrs
from signedjson.key import generate_signing_key
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.testing import MemoryReactorClock
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from matrix_presence.check.accounts import Registered
from matrix_presence.check.bench import Bench
from matrix_presence.check.conversation import Conversation
from matrix_presence.check.lab import Lab
from matrix_presence.check.peer.ear import Ear
from matrix_presence.check.peer.peers import Peers
from matrix_presence.check.peer.server import Peer
from matrix_presence.check.person import Account
from matrix_presence.check.registry import Check, Need
from matrix_presence.check.runner import run_checks
from matrix_presence.check.target import Target
from matrix_presence.check.timers import Timers
from matrix_presence.check.verdicts import Result
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.app import EmbeddedHomeserver
from matrix_presence.homeserver.federation_side import FederationSide
from matrix_presence.homeserver.passwords import Passwords
from matrix_presence.homeserver.room_side import RoomSide
from matrix_presence.homeserver.settings import parse_options, settle
from matrix_presence.storage.database import Database
from tests.base import TestCase
from tests.check.faulty import Between
from tests.federation.servers import Internet
from tests.homeserver.accounts import CHEAP, at_once

T = TypeVar("T")

NAME = "hs.test"
TIMERS = Timers(2.0, 4.0, 6.0, federation=60.0, patience=90.0, slack=2.0)
#: Seconds of one step of time, and that a run may take.
_STEP, _LONGEST = 0.1, 900.0


class Staying(Registered):
    """Casts that nobody takes away, which would only cost time."""

    async def give_back(self, conversation: Conversation, account: Account) -> None:
        """It stays, unless it is the account of a newcomer."""
        if account.user_id.startswith("@check-new-"):
            await super().give_back(conversation, account)


class FederatedCheckTestCase(TestCase):
    """A homeserver with short times, which federates with peers."""

    def setUp(self) -> None:
        """All of them on an internet of their own."""
        self.reactor: Any = MemoryReactorClock()
        self.reactor.advance(1_790_000_000)
        self.internet = Internet()
        self.database = Database.immediate()
        self.done(self.database.migrate("homeserver", "matrix_presence.homeserver"))
        self.server = self.done(self.made())
        started = self.server.startService()
        self.reactor.advance(0)
        self.successResultOf(started)
        self.addCleanup(lambda: self.done(self.server.stopService()))
        site: Any = self.reactor.tcpServers[-1][1]
        self.memory = self.internet.agents[NAME.encode()] = RequestTraversalAgent(
            site.resource
        )

    def now(self) -> int:
        """Epoch ms."""
        return int(self.reactor.seconds() * 1000)

    async def made(self) -> EmbeddedHomeserver:
        """The homeserver, which reaches others in memory."""
        presence = {
            "idle_timeout": "6s",
            "last_active_granularity": "2s",
            "sync_online_timeout": "4s",
            "destination_window": "200ms",
            "federation_timeout": "1m",
            "federation_ping_interval": "50s",
        }
        options = {
            "server_name": NAME,
            "federation": True,
            "open_registration": True,
            "rate_limit": False,
            "presence": presence,
        }
        config = settle(parse_options(options))
        assert config.federation is not None
        key = generate_signing_key("a_test")
        accounts = await Accounts.load(
            self.database, NAME, self.reactor, Passwords(at_once, CHEAP)
        )
        rooms = await RoomSide.load(self.database, accounts, key, self.reactor)
        own = OwnKeys(NAME, [key], [], self.now)
        side = FederationSide(self.reactor, self.internet, own, config.federation)
        return EmbeddedHomeserver(
            self.reactor, config, self.database, accounts, rooms, side
        )

    def done(self, result: Any) -> Any:
        """What a coroutine, or a Deferred, comes to without time passing."""
        if isinstance(result, Coroutine):
            result = Deferred.fromCoroutine(result)
        return self.successResultOf(result)

    def run_through(
        self, checks: Sequence[Check], agent: type[Between], *more: Any
    ) -> tuple[Mapping[int, Result], Mapping[int, Any]]:
        """What comes of the checks, and the agents by which they have asked.

        Each has people and peers of its own, so that it knows nothing of the others.
        """
        agents = {}
        target = Target(self.memory, f"http://{NAME}", self.reactor)
        running = []
        for check in checks:
            made = agent(self.memory, self.reactor, {}, lambda: False, *more)
            agents[check.number] = made
            lab = Lab(target, TIMERS, Staying(), {Need.NEW_ACCOUNT, Need.PEER})
            lab.peers = Peers(partial(self.open_peer, check.number, made))
            altered = attrs.evolve(check, run=partial(_run, check, made))
            running.append(run_checks(lab, [altered], 1, lambda result: None))
        results = [result for one in self.finished(running) for result in one]
        return {result.check.number: result for result in results}, agents

    async def open_peer(self, number: int, between: Between) -> Peer:
        """One more on the internet, for a check."""
        name = f"peer{number}-{len(self.internet.agents)}.test"
        peer = Peer(name, _Way(self.internet, between), self.reactor)
        peer.ear = _Ear(self.reactor, between)
        between.tell = lambda edu: Ear.hears(peer.ear, NAME, edu, None)
        self.internet.agents[name.encode()] = RequestTraversalAgent(peer.resource)
        return peer

    def finished(self, going_on: Sequence[Coroutine[Any, Any, T]]) -> Sequence[T]:
        """What the coroutines return, for which time passes until all have."""
        started: Any = gatherResults([Deferred.fromCoroutine(one) for one in going_on])
        passed = 0.0
        while not started.called and passed < _LONGEST:
            for agent in list(self.internet.agents.values()):
                agent.flush()
            self.reactor.advance(_STEP)
            passed += _STEP
        found: Sequence[T] = self.successResultOf(started)
        return found


@implementer(IAgent)
@attrs.frozen
class _Way:
    """To other servers; to the homeserver by what stands before it."""

    internet: Internet
    between: Between

    def request(self, method: bytes, uri: bytes, *more: Any) -> Deferred[IResponse]:
        """Like any agent."""
        is_target = uri.startswith(f"https://{NAME}/".encode())
        agent: Any = self.between if is_target else self.internet
        answer: Deferred[IResponse] = agent.request(method, uri, *more)
        return answer


class _Ear(Ear):
    """Hears what is let through."""

    def __init__(self, clock: IReactorTime, between: Between) -> None:
        super().__init__(clock)
        self._between = between

    def hears(self, origin: str, edu: Any, sent_ts: int | None) -> None:
        """Something instead of the EDU."""
        for each in self._between.heard(edu):
            super().hears(origin, each, sent_ts)


async def _run(check: Check, between: Between, bench: Bench) -> None:
    ours = bench.conversation
    ours.target = attrs.evolve(ours.target, agent=between)
    await check.run(bench)
