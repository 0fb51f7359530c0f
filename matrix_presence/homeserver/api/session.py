"""The answer to a login or a registration: a device and its access token."""

from __future__ import annotations

from typing import Any

from matrix_presence.homeserver.account import Account
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import optional_id, optional_name
from matrix_presence.web.call import Answer


async def opened(accounts: Accounts, account: Account, body: dict[str, Any]) -> Answer:
    """Log in the device that the client describes.

    Args:
        body: `device_id` for one that exists or a name of the client's choice,
            `initial_device_display_name` for a new one. Guests cannot choose.

    Raises:
        BadJson, InvalidParam: one of these is not what it should be.
    """
    device_id = None if account.is_guest else optional_id(body, "device_id")
    name = optional_name(body, "initial_device_display_name")
    device, token = await accounts.log_in(account, device_id, name)
    return 200, {
        "user_id": account.user_id,
        "access_token": token,
        "device_id": device.device_id,
        # Removed from the specification; clients of its time wait for it.
        "home_server": accounts.server_name,
    }
