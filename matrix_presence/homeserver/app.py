"""The embedded homeserver, put together: accounts, rooms and presence behind one site.

For trying presence, developing clients against it and testing: not for running a
community.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs
from twisted.application.service import MultiService
from twisted.application.strports import service as listener
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.web.server import Request
from zope.interface import implementer

from matrix_presence.config import PresenceConfig
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.addresses import address_of
from matrix_presence.homeserver.api import account_routes
from matrix_presence.homeserver.api.discovery import Offer
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.data_lock import DataLock
from matrix_presence.homeserver.federation_side import (
    TRANSACTION_LIMIT,
    FederationSide,
    federation_side,
)
from matrix_presence.homeserver.identity import claim
from matrix_presence.homeserver.passwords import Passwords
from matrix_presence.homeserver.room_side import RoomSide
from matrix_presence.homeserver.root import Root
from matrix_presence.homeserver.server_keys import StoredKeys
from matrix_presence.homeserver.settings import ServeConfig
from matrix_presence.homeserver.signing_keys import signing_keys
from matrix_presence.homeserver.sync.token import parse_sync_token
from matrix_presence.interfaces import IHomeserver, Profile, Requester
from matrix_presence.rate_limits import PerList, PerUser, RcPresence
from matrix_presence.service import PresenceService
from matrix_presence.storage.database import Database
from matrix_presence.storage.presence_store import SqlPresenceStore
from matrix_presence.web.capabilities import capabilities, unstable_features
from matrix_presence.web.routes import Router
from matrix_presence.web.site import BODY_LIMIT, MatrixSite, matrix_site
from matrix_presence.wire.room_versions import DEFAULT_ROOM_VERSION, ROOM_VERSIONS

#: Members of a room made known to presence in a step: about a millisecond's work.
_MEMBERS_AT_ONCE = 100
#: Seconds for the last answers, when the server stops.
_LAST_ANSWERS = 3.0


async def make_service(reactor: Any, config: ServeConfig) -> EmbeddedHomeserver:
    """The homeserver of this configuration, which has not started yet.

    Raises:
        ValueError: the database or the signing key cannot be used; with one sentence.
    """
    lock = DataLock(config.data)
    keys = signing_keys(config.data / "signing.key")
    database = Database.from_url(config.database, reactor)
    try:
        await database.migrate("homeserver", "matrix_presence.homeserver")
        await claim(database, config.server_name)
        run = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        accounts = await Accounts.load(
            database, config.server_name, reactor, Passwords(run)
        )
        rooms = await RoomSide.load(database, accounts, keys[0], reactor)
        federation = federation_side(reactor, config, keys, StoredKeys(database))
    except Exception:
        await database.close()
        raise
    service = EmbeddedHomeserver(reactor, config, database, accounts, rooms, federation)
    service.when_stopped = lock.release
    return service


@implementer(IHomeserver)
@attrs.frozen
class PresenceHost:
    """The embedded homeserver as presence sees it."""

    accounts: Accounts
    authentication: Authentication

    @property
    def server_name(self) -> str:
        """The name in user ids of this server's users."""
        return self.accounts.server_name

    async def authenticate(self, request: Request) -> Requester:
        """Who sent this request."""
        return self.authentication.requester(request)

    def profile(self, user_id: str) -> Profile:
        """The global profile of a local user."""
        return self.accounts.profile(user_id)

    def is_local_user(self, user_id: str) -> bool:
        """Whether there is such an account."""
        return self.accounts.exists(user_id)


class EmbeddedHomeserver(MultiService):
    """Everything that `matrix-presence serve` serves.

    `startService` answers a Deferred that fires when clients may connect.
    """

    def __init__(
        self,
        reactor: Any,
        config: ServeConfig,
        database: Database,
        accounts: Accounts,
        rooms: RoomSide,
        federation: FederationSide | None = None,
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._config = config
        self._database = database
        self._accounts = accounts
        self._rooms = rooms
        self._federation = federation
        self._federated = federation.rooms(rooms) if federation is not None else None
        self._listening = MultiService()
        self._listening.setServiceParent(self)
        #: None until it is served.
        self._site: MatrixSite | None = None
        #: Called once nothing is used any more.
        self.when_stopped: Callable[[], None] = lambda: None
        self._authentication = Authentication(
            accounts,
            config.app_services,
            query_tokens_on_v3=not config.presence.refuse_query_tokens_on_v3,
        )
        self.presence = PresenceService(
            reactor,
            PresenceHost(accounts, self._authentication),
            SqlPresenceStore(database),
            _limited(config),
            federation=federation.link if federation is not None else None,
        )
        if federation is not None:
            self.presence.admit(federation.admits)

    def reconfigure(self, config: ServeConfig) -> None:
        """Take over what can change while this runs; see `reloading`."""
        self.presence.reconfigure(config.presence)
        if self._federation is not None and config.federation is not None:
            self._federation.restrict(config.federation)
            self.presence.admit(self._federation.admits)
        if self._federated is not None:
            self._federated.outgoing.try_again()

    def startService(self) -> Deferred[None]:
        """Restore presence, then listen."""
        super().startService()
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        # First: presence tells at once who has timed out since, and whom it tells is a
        # matter of rooms.
        await self._restore_rooms()
        self.presence.setServiceParent(self)
        await self.presence.when_ready()
        self._introduce()
        await self._authentication.create_senders()
        if self._federated is not None:
            await self._federated.load()
        root = Root(self._router(), self.presence)
        limit = BODY_LIMIT if self._federation is None else TRANSACTION_LIMIT
        self._site = site = matrix_site(root, self._reactor, body_limit=limit)
        for endpoint in self._config.listen:
            service = listener(endpoint, site, reactor=self._reactor)
            service.setServiceParent(self._listening)

    async def _restore_rooms(self) -> None:
        """Tell presence who is in which room."""
        await self._rooms.slices.done(self._restoring_rooms())

    def _introduce(self) -> None:
        """Tell presence who ignores whom, and whatever happens from now on."""
        handler, accounts = self.presence.handler, self._accounts
        for user_id, ignored in accounts.data.all_ignored().items():
            handler.ignores(user_id, ignored)
        self._rooms.rooms.tell(handler)
        self._rooms.rooms.tell_acls(handler.server_acl)
        listeners = accounts.listeners
        listeners.registered.append(handler.registered)
        listeners.profile_changed.append(handler.profile_changed)
        listeners.logged_out.append(handler.logged_out)
        listeners.ignores.append(handler.ignores)
        # Before the rooms are left: those who share one are to be told (D-40).
        listeners.deactivated.insert(0, handler.deactivated)

    def _restoring_rooms(self) -> Iterator[None]:
        for room in self._rooms.rooms:
            members = list(room.joined)
            for start in range(0, len(members), _MEMBERS_AT_ONCE):
                some = members[start : start + _MEMBERS_AT_ONCE]
                self.presence.handler.restore_room(room.room_id, some)
                yield

    def _router(self) -> Router:
        router = Router()
        presence, config = self.presence, self._config.presence
        urls = [address_of(endpoint).url for endpoint in self._config.listen]
        offer = Offer(
            base_url=next(filter(None, urls), None),
            room_versions={
                "default": DEFAULT_ROOM_VERSION.identifier,
                "available": {name: "stable" for name in ROOM_VERSIONS},
            },
            unstable_features=unstable_features(config),
            capabilities=capabilities(config),
        )
        federated = self._federated
        elsewhere = federated.elsewhere if federated is not None else None
        account_routes.add_routes(
            router,
            self._accounts,
            self._authentication,
            offer,
            open_registration=self._config.open_registration,
            position_of_token=lambda token: parse_sync_token(token).account,
            neighbours=self._rooms.rooms.neighbours,
            people=elsewhere.people if elsewhere is not None else None,
        )
        self._rooms.add_routes(
            router, self._authentication, presence.sync, self._active, elsewhere
        )
        self._rooms.add_old_streams(router, self._authentication, presence.streams)
        presence.status.add_to(router)
        presence.lists.add_to(router)
        if self._federation is not None and federated is not None:
            self._federation.add_routes(router, presence, federated)
        return router

    def _active(self, requester: Requester) -> None:
        self.presence.handler.active(
            requester.user_id,
            requester.device_id,
            is_appservice=requester.is_appservice,
        )

    def stopService(self) -> Deferred[None]:
        """Answer who waits, write everything down and close the database."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await maybeDeferred(self._listening.disownServiceParent)
        if self._site is not None:
            closed = self._site.close(_LAST_ANSWERS)
            self._rooms.rooms.waiting.stop()
            await closed
        await maybeDeferred(super().stopService)
        self._rooms.stop()
        if self._federated is not None:
            await self._federated.stop()
        if self._federation is not None:
            await self._federation.stop()
        await self._database.close()
        self.when_stopped()


def _limited(config: ServeConfig) -> PresenceConfig:
    """The presence options, without limits if nobody is to be limited."""
    if config.rate_limit:
        return config.presence
    no_limit = RcPresence(
        PerUser(per_second=0, burst_count=1), PerList(per_second=0, burst_count=1)
    )
    return attrs.evolve(config.presence, rc_presence=no_limit)
