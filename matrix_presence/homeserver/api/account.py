"""What users do with their own account: who am I, password, deactivation."""

from __future__ import annotations

import attrs

from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import flag, text
from matrix_presence.homeserver.api.paths import serve
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.interactive_auth import demand_password
from matrix_presence.homeserver.passwords import checked_password
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router


@attrs.frozen
class AccountEndpoints:
    """`/account/…`."""

    accounts: Accounts
    authentication: Authentication

    async def whoami(self, call: Call) -> Answer:
        """Who the requester is."""
        requester = self.authentication.requester(call.request)
        answer = {"user_id": requester.user_id, "is_guest": requester.is_guest}
        if requester.device_id is not None:
            answer["device_id"] = requester.device_id
        return 200, answer

    async def deactivate(self, call: Call) -> Answer:
        """The end of the account, once the password has been typed again."""
        requester = self.authentication.member(call.request)
        account = self.authentication.account(requester)
        body = call.json()
        if not requester.is_appservice:
            await demand_password(self.accounts, account, body)
        await self.accounts.deactivate(account)
        return 200, {"id_server_unbind_result": "success"}

    async def set_password(self, call: Call) -> Answer:
        """A new password; other devices are logged out unless the user objects."""
        requester = self.authentication.member(call.request)
        account = self.authentication.account(requester)
        body = call.json()
        password = checked_password(text(body, "new_password"))
        log_out_others = flag(body, "logout_devices", True)
        await demand_password(self.accounts, account, body)
        await self.accounts.set_password(account, password)
        if log_out_others:
            others = account.devices.keys() - {requester.device_id}
            await self.accounts.log_out(account, others)
        return 200, {}

    async def third_party_ids(self, call: Call) -> Answer:
        """No addresses: this server sends no mail."""
        self.authentication.member(call.request)
        return 200, {"threepids": []}


def add_routes(
    router: Router, accounts: Accounts, authentication: Authentication
) -> None:
    """Serve users' own accounts."""
    endpoints = AccountEndpoints(accounts, authentication)
    serve(router, "GET", "account/whoami", endpoints.whoami)
    serve(router, "POST", "account/deactivate", endpoints.deactivate)
    serve(router, "POST", "account/password", endpoints.set_password)
    serve(router, "GET", "account/3pid", endpoints.third_party_ids)
