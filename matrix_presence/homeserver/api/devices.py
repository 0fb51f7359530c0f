"""The devices of a user: seeing, naming and ending them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs

from matrix_presence.errors import BadJson, NotFound
from matrix_presence.homeserver.account import Account, Device
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import listing, optional_name
from matrix_presence.homeserver.api.paths import serve
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.interactive_auth import demand_password
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router


@attrs.frozen
class DeviceEndpoints:
    """`/devices` and `/delete_devices`."""

    accounts: Accounts
    authentication: Authentication

    async def all(self, call: Call) -> Answer:
        """All devices of the requester."""
        account = self._account(call)
        devices = [_described(account, device) for device in account.devices.values()]
        return 200, {"devices": devices}

    async def one(self, call: Call) -> Answer:
        """One of them."""
        account = self._account(call)
        return 200, _described(account, _device(call, account))

    async def rename(self, call: Call) -> Answer:
        """Another name for one of them."""
        account = self._account(call)
        device = _device(call, account)
        name = optional_name(call.json(), "display_name")
        if name is not None:
            await self.accounts.rename_device(account, device, name)
        return 200, {}

    async def end(self, call: Call) -> Answer:
        """The end of one of them, once the password has been typed again."""
        requester = self.authentication.member(call.request)
        account = self.authentication.account(requester)
        body = call.json_or_empty()
        await self._end(requester, account, [call.params["device_id"]], body)
        return 200, {}

    async def end_several(self, call: Call) -> Answer:
        """The end of several, once the password has been typed again."""
        requester = self.authentication.member(call.request)
        account = self.authentication.account(requester)
        body = call.json()
        device_ids = listing(body, "devices")
        if not all(isinstance(device_id, str) for device_id in device_ids):
            raise BadJson("'devices' must be an array of texts")
        await self._end(requester, account, dict.fromkeys(device_ids), body)
        return 200, {}

    async def _end(
        self,
        requester: Requester,
        account: Account,
        device_ids: Collection[str],
        body: dict[str, Any],
    ) -> None:
        if not requester.is_appservice:
            await demand_password(self.accounts, account, body)
        await self.accounts.log_out(account, device_ids)

    def _account(self, call: Call) -> Account:
        """The account of the requester; guests have devices too."""
        requester = self.authentication.requester(call.request)
        return self.authentication.account(requester)


def _device(call: Call, account: Account) -> Device:
    device = account.devices.get(call.params["device_id"])
    if device is None:
        raise NotFound("You have no such device")
    return device


def _described(account: Account, device: Device) -> dict[str, Any]:
    """What others call this device, and when it was last here.

    Unknown values are null, and the user is named, as Synapse does: nio takes nothing
    less.
    """
    return {
        "device_id": device.device_id,
        "display_name": device.display_name,
        "last_seen_ip": device.last_seen_ip,
        "last_seen_ts": device.last_seen_ts,
        "user_id": account.user_id,
    }


def add_routes(
    router: Router, accounts: Accounts, authentication: Authentication
) -> None:
    """Serve users' devices."""
    endpoints = DeviceEndpoints(accounts, authentication)
    serve(router, "GET", "devices", endpoints.all)
    serve(router, "GET", "devices/{device_id}", endpoints.one)
    serve(router, "PUT", "devices/{device_id}", endpoints.rename)
    serve(router, "DELETE", "devices/{device_id}", endpoints.end)
    serve(router, "POST", "delete_devices", endpoints.end_several)
