"""Everything about other servers, put together: keys, the way there, the way in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from signedjson.types import SigningKey
from twisted.internet.defer import Deferred
from twisted.names.client import Resolver
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent

from matrix_presence.federation.agent import FederationAgent, WebPolicy
from matrix_presence.federation.authentication import ServerAuthentication
from matrix_presence.federation.client import FederationClient
from matrix_presence.federation.discovery import Discovery
from matrix_presence.federation.edu_types import EduTypes
from matrix_presence.federation.guard import GuardedReactor, is_public
from matrix_presence.federation.key_sources import DirectKeys, NotaryKeys
from matrix_presence.federation.keys import KeyRing, KeySource, KeyStore
from matrix_presence.federation.link import FederationLink
from matrix_presence.federation.notary import Notary
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.federation.srv import ServiceRecords
from matrix_presence.federation.tls import TlsFor, unverified_tls, verified_tls
from matrix_presence.federation.well_known import WellKnown
from matrix_presence.homeserver.federated.side import FederatedRooms
from matrix_presence.homeserver.room_side import RoomSide
from matrix_presence.homeserver.settings import FederationConfig, ServeConfig
from matrix_presence.homeserver.signing_keys import old_signing_keys
from matrix_presence.options import ConfigError
from matrix_presence.rules.server_globs import admission
from matrix_presence.service import PresenceService
from matrix_presence.web.edu_types import EduTypesEndpoint
from matrix_presence.web.routes import Router
from matrix_presence.web.server_keys import ServerKeyEndpoints
from matrix_presence.web.signed import SignedRequests
from matrix_presence.web.transactions import TransactionEndpoint

#: Bytes of a transaction: fifty PDUs and a hundred EDUs of 64 KiB each.
TRANSACTION_LIMIT = 10 * 1024 * 1024
#: Seconds that a connection on which nothing happens is kept.
_IDLE = 120


class FederationSide:
    """What the embedded homeserver has to do with other servers.

    Args:
        agent: for it the host of a URL is the name of a server.
        store: where the keys of others are kept; None to keep them in memory.
        pool: the connections of the agent, if it has any.
    """

    def __init__(
        self,
        clock: Any,
        agent: IAgent,
        own: OwnKeys,
        config: FederationConfig,
        store: KeyStore | None = None,
        pool: HTTPConnectionPool | None = None,
    ) -> None:
        self._clock = clock
        self._pool = pool
        self._own = own
        #: Whether a server of this name is talked to and heard.
        self.admits: Callable[[str], bool]
        self.restrict(config)
        name = f"matrix_presence/{_version()}"
        self.client = FederationClient(
            agent, own, clock, user_agent=name, admits=self._admits
        )
        # The notaries come behind the server itself, and need the ring for their own
        # keys.
        sources: list[KeySource] = [DirectKeys(self.client, own.now)]
        self.ring = KeyRing(own, sources, store)
        notaries = config.key_servers
        sources += [
            NotaryKeys(self.client, own.now, notary, notaries, self.ring.keys)
            for notary in notaries
        ]
        edu_types = EduTypes(self.client, own.now)
        self.link = FederationLink(self.client, clock, edu_types)

    def restrict(self, config: FederationConfig) -> None:
        """Talk to and hear these servers only, from now on."""
        self.admits = admission(config.whitelist, config.blacklist)

    def _admits(self, server_name: str) -> bool:
        return self.admits(server_name)

    def rooms(self, side: RoomSide) -> FederatedRooms:
        """These rooms among those of other servers."""
        return FederatedRooms.of(side, self.client, self.ring, self.link, self._clock)

    def add_routes(
        self, router: Router, presence: PresenceService, rooms: FederatedRooms | None
    ) -> None:
        """Serve what other servers ask for.

        Args:
            rooms: None where presence alone is exchanged.
        """

        def heard_from(name: str) -> None:
            presence.heard_from(name)
            if rooms is not None:
                rooms.outgoing.back(name)

        self.link.answered = heard_from
        authentication = ServerAuthentication(self._own, self.ring, self._admits)
        signed = SignedRequests(authentication.origin_of, heard_from)
        receiver = presence.receiver
        received = _no_rooms if rooms is None else rooms.incoming.received
        TransactionEndpoint(signed, receiver.edu_received, received).add_to(router)
        EduTypesEndpoint(signed, lambda: receiver.wants_presence).add_to(router)
        if rooms is not None:
            rooms.add_routes(router, signed)
        notary = Notary(self._own, self.ring)
        ServerKeyEndpoints(self._own.document, notary.vouched_for, _version()).add_to(
            router
        )

    async def stop(self) -> None:
        """Close the connections to other servers."""
        if self._pool is not None:
            closed: Deferred[None] = self._pool.closeCachedConnections()
            await closed


def federation_side(
    reactor: Any, config: ServeConfig, keys: Sequence[SigningKey], store: KeyStore
) -> FederationSide | None:
    """The side that reaches the servers of this world; None if it is not wanted.

    Raises:
        ConfigError: the file with certificates, or that of old keys, cannot be used.
    """
    options = config.federation
    if options is None:
        return None

    def now() -> int:
        return int(reactor.seconds() * 1000)

    old_keys = old_signing_keys(config.data / "old_signing.keys")
    own = OwnKeys(config.server_name, keys, old_keys, now)
    tls = _tls(options)
    allowed = (lambda address: True) if options.private_addresses else is_public
    guarded = GuardedReactor(reactor, allowed)
    web = Agent(guarded, contextFactory=WebPolicy(tls), connectTimeout=10)
    records = ServiceRecords(Resolver(resolv="/etc/resolv.conf", reactor=reactor))
    discovery = Discovery(WellKnown(web, reactor).fetch, records.places, now)
    pool = HTTPConnectionPool(reactor)
    pool.cachedConnectionTimeout = _IDLE
    agent = FederationAgent(guarded, discovery, tls, pool)
    return FederationSide(reactor, agent, own, options, store, pool)


def _tls(options: FederationConfig) -> TlsFor:
    try:
        return unverified_tls() if options.insecure else verified_tls(options.ca)
    except OSError as error:
        text = f"federation_ca: cannot read {str(options.ca)!r}: {error.strerror}"
        raise ConfigError(text) from error
    except ValueError as error:
        raise ConfigError(f"federation_ca: {error}") from error


async def _no_rooms(origin: str, pdus: list[Any]) -> dict[str, dict[str, Any]]:
    """What becomes of PDUs where there are no rooms: nothing is said of them."""
    return {}


def _version() -> str:
    try:
        return version("matrix-presence")
    except PackageNotFoundError:  # It runs from a directory.
        return "unknown"
