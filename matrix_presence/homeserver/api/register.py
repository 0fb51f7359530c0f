"""Making accounts."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import Forbidden, InvalidParam, MissingParam
from matrix_presence.homeserver.account import Account
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import flag, optional_text
from matrix_presence.homeserver.api.paths import serve
from matrix_presence.homeserver.api.session import opened
from matrix_presence.homeserver.appservices import AppService
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.interactive_auth import DUMMY, PASSWORD, demand_dummy
from matrix_presence.homeserver.passwords import checked_password
from matrix_presence.homeserver.usernames import new_user_id, random_localpart
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

_APPSERVICE = "m.login.application_service"


@attrs.frozen
class RegisterEndpoints:
    """`/register`, `/register/available`."""

    accounts: Accounts
    authentication: Authentication
    is_open: bool

    async def register(self, call: Call) -> Answer:
        """A new account, and unless the client does not want it a login."""
        kind = call.query("kind", "user")
        body = call.json_or_empty()
        if kind == "guest":
            return await self._register_guest(body)
        if kind != "user":
            raise InvalidParam("'kind' is 'user' or 'guest'")
        if body.get("type") == _APPSERVICE:
            account = await self._register_ghost(call, body)
        else:
            account = await self._register_user(body)
        if flag(body, "inhibit_login", False):
            answer = {
                "user_id": account.user_id,
                "home_server": self.accounts.server_name,
            }
            return 200, answer
        return await opened(self.accounts, account, body)

    async def plain_flows(self, call: Call) -> Answer:
        """The one way in which clients of api/v1 register."""
        self._refuse_closed()
        return 200, {"flows": [{"type": PASSWORD}]}

    async def register_plainly(self, call: Call) -> Answer:
        """A new account as clients of api/v1 ask for it: a name and a password."""
        body = call.json_or_empty()
        if body.get("type") != PASSWORD:
            return await self.register(call)
        wish = {
            "username": body.get("user"),
            "password": body.get("password"),
            "auth": {"type": DUMMY},
        }
        account = await self._register_user(wish)
        return await opened(self.accounts, account, {})

    async def available(self, call: Call) -> Answer:
        """Whether a username can be had."""
        self._refuse_closed()
        username = call.query("username")
        if username is None:
            raise MissingParam("'username' is missing")
        self._refuse_unavailable(username)
        return 200, {"available": True}

    async def _register_guest(self, body: dict[str, Any]) -> Answer:
        self._refuse_closed()
        localpart = random_localpart("guest-")
        account = await self.accounts.register(localpart, None, is_guest=True)
        return await opened(self.accounts, account, body)

    async def _register_user(self, body: dict[str, Any]) -> Account:
        self._refuse_closed()
        username = optional_text(body, "username")
        if username is not None:
            self._refuse_unavailable(username)
        password = optional_text(body, "password")
        if password is not None:
            checked_password(password)
        flag(body, "inhibit_login", False)
        demand_dummy(body)
        if password is None:
            raise MissingParam("'password' is missing")
        localpart = random_localpart("user-") if username is None else username
        return await self.accounts.register(localpart, password)

    async def _register_ghost(self, call: Call, body: dict[str, Any]) -> Account:
        """An account for a user of an application service, which no password opens."""
        appservice = self.authentication.appservice(call.request)
        username = optional_text(body, "username")
        if username is None:
            raise MissingParam("'username' is missing")
        self._refuse_unavailable(username, appservice)
        return await self.accounts.register(username, None)

    def _refuse_closed(self) -> None:
        if not self.is_open:
            raise Forbidden("Registration is closed on this server")

    def _refuse_unavailable(self, username: str, by: AppService | None = None) -> None:
        user_id = new_user_id(username, self.accounts.server_name)
        self.authentication.refuse_reserved(user_id, by)
        if by is not None and not by.covers(user_id):
            raise Forbidden("This user is not in your namespace")
        self.accounts.refuse_taken(user_id)


def add_routes(
    router: Router,
    accounts: Accounts,
    authentication: Authentication,
    *,
    open_registration: bool,
) -> None:
    """Serve registration; closed, it still serves application services."""
    endpoints = RegisterEndpoints(accounts, authentication, open_registration)
    serve(router, "POST", "register", endpoints.register)
    serve(router, "GET", "register", endpoints.plain_flows, ["api/v1"])
    serve(router, "POST", "register", endpoints.register_plainly, ["api/v1"])
    serve(router, "GET", "register/available", endpoints.available)
