"""Logging in and out."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import Forbidden, Locked, MatrixError
from matrix_presence.homeserver.account import Account
from matrix_presence.homeserver.account_refusals import UserDeactivated
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import text
from matrix_presence.homeserver.api.paths import serve_everywhere
from matrix_presence.homeserver.api.session import opened
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.usernames import named_user_id
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

_PASSWORD = "m.login.password"
_APPSERVICE = "m.login.application_service"


@attrs.frozen
class LoginEndpoints:
    """`/login`, `/logout`, `/logout/all`."""

    accounts: Accounts
    authentication: Authentication

    async def flows(self, call: Call) -> Answer:
        """The ways to log in."""
        types = [_PASSWORD]
        if self.authentication.appservices:
            types.append(_APPSERVICE)
        return 200, {"flows": [{"type": type_} for type_ in types]}

    async def log_in(self, call: Call) -> Answer:
        """A new access token."""
        body = call.json()
        kind = text(body, "type")
        if kind == _PASSWORD:
            account = await self._by_password(body)
        elif kind == _APPSERVICE:
            account = self._by_appservice(call, body)
        else:
            raise MatrixError("This server knows no such way to log in")
        if account.is_locked:
            raise Locked()
        return await opened(self.accounts, account, body)

    async def log_out(self, call: Call) -> Answer:
        """The end of this device."""
        requester = self.authentication.member(call.request)
        account = self.authentication.account(requester)
        if requester.device_id is not None:
            await self.accounts.log_out(account, [requester.device_id])
        return 200, {}

    async def log_out_all(self, call: Call) -> Answer:
        """The end of all devices of this user."""
        requester = self.authentication.member(call.request)
        await self.accounts.log_out_all(self.authentication.account(requester))
        return 200, {}

    async def _by_password(self, body: dict[str, Any]) -> Account:
        user_id = named_user_id(body, self.accounts.server_name)
        password = text(body, "password")
        if not self.accounts.is_taken(user_id):
            # New ids are lower case; people type them as they like.
            user_id = user_id.lower()
        if await self.accounts.password_fits(user_id, password):
            account = self.accounts.account(user_id)
            if account is not None:
                return account
        if self.accounts.is_taken(user_id) and not self.accounts.exists(user_id):
            raise UserDeactivated("This account has been deactivated")
        raise Forbidden("The username or the password is not right")

    def _by_appservice(self, call: Call, body: dict[str, Any]) -> Account:
        appservice = self.authentication.appservice(call.request)
        user_id = named_user_id(body, self.accounts.server_name)
        account = self.accounts.account(user_id)
        if account is None or not appservice.covers(user_id):
            raise Forbidden("This is no user of yours")
        return account


def add_routes(
    router: Router, accounts: Accounts, authentication: Authentication
) -> None:
    """Serve logging in and out."""
    endpoints = LoginEndpoints(accounts, authentication)
    serve_everywhere(router, "GET", "login", endpoints.flows)
    serve_everywhere(router, "POST", "login", endpoints.log_in)
    serve_everywhere(router, "POST", "logout", endpoints.log_out)
    serve_everywhere(router, "POST", "logout/all", endpoints.log_out_all)
