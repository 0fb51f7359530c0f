"""Keys of devices as they are asked for, by clients and by other servers."""

from __future__ import annotations

from typing import Any

from matrix_presence.errors import BadJson
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import mapping


def identities(
    accounts: Accounts, user_id: str, device_ids: list[Any]
) -> dict[str, Any]:
    """The identity keys of these devices of a user of ours, of all if none is named."""
    account = accounts.account(user_id)
    found: dict[str, Any] = {}
    for device in account.devices.values() if account else ():
        keys = accounts.keys.identity(user_id, device.device_id)
        if keys is None or (device_ids and device.device_id not in device_ids):
            continue
        if device.display_name is not None:
            # `unsigned` is the server's to fill.
            named = {"device_display_name": device.display_name}
            keys = {**keys, "unsigned": named}
        found[device.device_id] = keys
    return found


def read_claim(body: dict[str, Any]) -> list[tuple[str, str, str]]:
    """User id, device id and algorithm of each key to be claimed.

    Raises:
        MissingParam, BadJson: it does not say.
    """
    wanted = []
    for user_id, devices in mapping(body, "one_time_keys").items():
        if not isinstance(devices, dict):
            raise BadJson("'one_time_keys' must hold objects")
        for device_id, algorithm in devices.items():
            if not isinstance(algorithm, str):
                raise BadJson("The algorithm of a key must be a text")
            wanted.append((user_id, device_id, algorithm))
    return wanted
