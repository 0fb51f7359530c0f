"""Many servers in one process, over HTTP in memory and on virtual time."""

from __future__ import annotations

from typing import Any

from signedjson.key import generate_signing_key
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from matrix_presence.federation.authentication import ServerAuthentication
from matrix_presence.federation.client import FederationClient
from matrix_presence.federation.key_sources import DirectKeys, NotaryKeys
from matrix_presence.federation.keys import KeyRing
from matrix_presence.federation.link import FederationLink
from matrix_presence.federation.notary import Notary
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.web.routes import Router
from matrix_presence.web.server_keys import ServerKeyEndpoints
from matrix_presence.web.signed import SignedRequests
from matrix_presence.web.transactions import TransactionEndpoint


@implementer(IAgent)
class Internet:
    """Every server there is, by name."""

    def __init__(self) -> None:
        self.agents: dict[bytes, RequestTraversalAgent] = {}
        #: Servers that do not answer.
        self.down: set[bytes] = set()
        self.asked: list[tuple[bytes, bytes]] = []

    def request(self, method: bytes, uri: bytes, *more: Any) -> Deferred[IResponse]:
        """Ask the server that the host of the URL names."""
        host, _, path = uri.removeprefix(b"https://").partition(b"/")
        self.asked.append((host, b"/" + path))
        if host not in self.agents or host in self.down:
            return fail(ConnectionRefusedError())
        answer: Deferred[IResponse] = self.agents[host].request(method, uri, *more)
        return answer


class Server:
    """One server with presence, on the internet."""

    def __init__(
        self,
        internet: Internet,
        clock: Clock,
        name: str,
        *notaries: str,
        version: str = "a_1",
    ) -> None:
        self.name = name
        self.clock = clock
        self.heard: list[str] = []
        self.edus: list[tuple[str, Any, int | None]] = []
        self.pdus: list[tuple[str, list[Any]]] = []
        #: What the PDUs of a transaction wait for; None for nothing.
        self.held: Deferred[None] | None = None
        self.own = OwnKeys(name, [generate_signing_key(version)], [], self.now)
        self.client = FederationClient(internet, self.own, clock)
        sources: list[Any] = [DirectKeys(self.client, self.now)]
        self.ring = KeyRing(self.own, sources, chance=lambda: 1.0)
        for notary in notaries:
            keys = self.ring.keys
            sources.append(NotaryKeys(self.client, self.now, notary, notaries, keys))
        self.link = FederationLink(self.client, clock)
        self.router = Router()
        self.authentication = ServerAuthentication(self.own, self.ring)
        signed = SignedRequests(self.authentication.origin_of, self.heard.append)
        # Tests may replace who receives.
        self.transactions = TransactionEndpoint(
            signed, lambda *args: self.edu_received(*args), self.pdus_received
        )
        self.transactions.add_to(self.router)
        vouched_for = Notary(self.own, self.ring).vouched_for
        ServerKeyEndpoints(lambda: self.own.document(), vouched_for, "1.0").add_to(
            self.router
        )
        internet.agents[name.encode()] = RequestTraversalAgent(self.router)

    def now(self) -> int:
        """Epoch ms."""
        return int(self.clock.seconds() * 1000)

    def edu_received(self, origin: str, edu: Any, sent_ts: int | None) -> None:
        """Keep it; the EDU `null` breaks whoever takes it."""
        if edu is None:
            raise RuntimeError("this EDU is too much")
        self.edus.append((origin, edu, sent_ts))

    async def pdus_received(
        self, origin: str, pdus: list[Any]
    ) -> dict[str, dict[str, Any]]:
        """Keep them, and refuse each."""
        if self.held is not None:
            await self.held
        self.pdus.append((origin, pdus))
        return {f"${number}": {"error": "no"} for number in range(len(pdus))}

    def rotate(self, version: str) -> None:
        """From now on it signs with a new key, and publishes only that."""
        self.own.keys = [generate_signing_key(version)]
        self.own._document = {}
