"""A homeserver of accounts only, in memory and on virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from matrix_presence.errors import InvalidParam
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api import account_routes
from matrix_presence.homeserver.api.discovery import Offer
from matrix_presence.homeserver.appservices import AppService
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.passwords import Cost, Passwords
from matrix_presence.storage.database import Database
from matrix_presence.web.routes import Router
from tests.base import TestCase
from tests.web.connection import Connection, Response

OFFER = Offer(
    base_url="http://hs.test/",
    room_versions={"default": "11", "available": {"11": "stable"}},
    unstable_features={"org.matrix.msc3026.busy_presence": True},
    capabilities={"m.presence": {"send_enabled": True, "receive_enabled": True}},
)


def at_once(work: Callable[[], Any]) -> Deferred[Any]:
    """Does the work here and now."""
    return maybeDeferred(work)


#: As insecure as it is quick.
CHEAP = Cost(n=2, r=1, p=1)


class AccountsTestCase(TestCase):
    """Accounts, their endpoints, and a client of each user."""

    appservices: Sequence[AppService] = ()
    open_registration = True
    query_tokens_on_v3 = True

    def setUp(self) -> None:
        """An empty server."""
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.database = Database.immediate()
        migrated = self.database.migrate("homeserver", "matrix_presence.homeserver")
        self.successResultOf(migrated)
        self.start()

    def start(self) -> None:
        """Start the server, perhaps again: from what is in the database."""
        loading = Accounts.load(
            self.database, "hs.test", self.clock, Passwords(self.hash, CHEAP)
        )
        self.accounts: Accounts = self.done(loading)
        self.told: list[tuple[Any, ...]] = []
        for name in ("registered", "deactivated", "profile_changed", "logged_out"):
            self.listen(name)
        for name in ("ignores", "something_for", "device_list_changed"):
            self.listen(name)
        self.authentication = Authentication(
            self.accounts, self.appservices, query_tokens_on_v3=self.query_tokens_on_v3
        )
        self.done(self.authentication.create_senders())
        router = Router()
        account_routes.add_routes(
            router,
            self.accounts,
            self.authentication,
            OFFER,
            open_registration=self.open_registration,
            position_of_token=_position,
            neighbours=self.neighbours,
        )
        self.router = router
        self.connection = self.another_connection()

    def hash(self, work: Callable[[], Any]) -> Deferred[Any]:
        """What hashes passwords; here at once."""
        return at_once(work)

    def listen(self, name: str) -> None:
        """Note in `told` what the listeners of this name are told."""
        getattr(self.accounts.listeners, name).append(
            lambda *args: self.told.append((name, *args))
        )

    def another_connection(self) -> Connection:
        """One more client."""
        return Connection(self.router, self.clock)

    def neighbours(self, user_id: str) -> Sequence[str]:
        """Everybody shares a room with everybody."""
        return [one for one in self.accounts.user_ids() if one != user_id]

    def ask(
        self,
        method: str,
        path: str,
        *body: Any,
        token: str | None = None,
        version: str = "v3",
    ) -> Response:
        """The response to a request of the client-server API."""
        path = f"/_matrix/client/{version}/{path}"
        return self.connection.request(method, path, *body, token=token)

    def register(self, username: str, **more: Any) -> dict[str, Any]:
        """What a registration of this user with the password `secret` answers."""
        body = {"username": username, "password": "secret", **more}
        body["auth"] = {"type": "m.login.dummy"}
        response = self.ask("POST", "register", body)
        self.assertEqual(response.status, 200, response.body)
        answer: dict[str, Any] = response.json
        return answer

    def login(self, username: str, **more: Any) -> dict[str, Any]:
        """What a login of this user answers."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": username},
            "password": "secret",
            **more,
        }
        response = self.ask("POST", "login", body)
        self.assertEqual(response.status, 200, response.body)
        answer: dict[str, Any] = response.json
        return answer

    def done(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What the coroutine returns, which must not have to wait."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def assert_refused(self, response: Response, status: int, errcode: str) -> None:
        """Fail unless the response is this refusal."""
        self.assertEqual(
            (response.status, response.json.get("errcode")), (status, errcode)
        )


def proof(user: str, password: str = "secret") -> dict[str, Any]:
    """The `auth` of somebody who types the password again."""
    return {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
    }


def _position(token: str) -> int:
    if not token.isdigit():
        raise InvalidParam("No such token")
    return int(token)
