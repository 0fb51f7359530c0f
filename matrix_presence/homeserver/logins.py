"""Access tokens: which device of whom a request comes from.

A token is random and only its hash is kept, in memory as well as on disk.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Iterable

import attrs

from matrix_presence.homeserver.account import Account, Device
from matrix_presence.interfaces import Requester
from matrix_presence.storage.connection import Statement


@attrs.frozen
class Login:
    """What stands behind a valid access token."""

    requester: Requester
    device: Device


class Logins:
    """The access tokens of all accounts."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._by_hash: dict[str, Login] = {}
        for account in accounts:
            self.flags_changed(account)

    def behind(self, token: str) -> Login | None:
        """Who has this access token; None when nobody has."""
        return self._by_hash.get(token_hash(token))

    def log_in(
        self, account: Account, device_id: str | None, display_name: str | None
    ) -> tuple[Device, str]:
        """A device of this account and a new access token for it.

        Args:
            device_id: an existing one keeps its name and loses its old token; None
                for a new device.
            display_name: what to call a new device.
        """
        if device_id is None:
            device_id = "".join(
                secrets.choice(string.ascii_uppercase) for _ in range(10)
            )
        device = account.devices.get(device_id)
        if device is None:
            device = account.devices[device_id] = Device(device_id, display_name)
        self._drop_token(device)
        token = secrets.token_urlsafe(32)
        device.token_hash = token_hash(token)
        self._by_hash[device.token_hash] = Login(account.requester(device), device)
        return device, token

    def log_out(self, account: Account, device_id: str) -> Statement:
        """End this device; answers the statement that does it on disk."""
        device = account.devices.pop(device_id)
        self._drop_token(device)
        return (
            "DELETE FROM account_devices WHERE user_id = ? AND device_id = ?",
            (account.user_id, device_id),
        )

    def flags_changed(self, account: Account) -> None:
        """The account was suspended or taken back: its next requests know."""
        for device in account.devices.values():
            if device.token_hash is not None:
                login = Login(account.requester(device), device)
                self._by_hash[device.token_hash] = login

    def _drop_token(self, device: Device) -> None:
        if device.token_hash is not None:
            del self._by_hash[device.token_hash]
            device.token_hash = None


def token_hash(token: str) -> str:
    """The form in which a token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()
