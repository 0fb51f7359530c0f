"""One account and its devices, as they stand in memory."""

from __future__ import annotations

import attrs

from matrix_presence.interfaces import NO_PROFILE, Profile, Requester
from matrix_presence.storage.connection import Statement


@attrs.define(eq=False)
class Device:
    """One login: a client, its name and when it was last here."""

    device_id: str
    display_name: str | None = None
    #: Epoch milliseconds; None before the first request.
    last_seen_ts: int | None = None
    last_seen_ip: str | None = None
    #: SHA-256 of its access token, hexadecimal; None when it has none.
    token_hash: str | None = None


@attrs.define(eq=False)
class Account:
    """Who a user of this server is. Once deactivated, only the name is left."""

    user_id: str
    created_ts: int
    #: None when nobody can log in with a password.
    password_hash: str | None = None
    is_guest: bool = False
    is_deactivated: bool = False
    #: May do nothing until an administrator decides (A-14).
    is_locked: bool = False
    #: May read but not write (A-14).
    is_suspended: bool = False
    profile: Profile = attrs.field(default=NO_PROFILE, kw_only=True)
    devices: dict[str, Device] = attrs.field(factory=dict, kw_only=True)

    def requester(self, device: Device) -> Requester:
        """Who asks when this device does."""
        return Requester(
            self.user_id,
            device.device_id,
            is_guest=self.is_guest,
            is_suspended=self.is_suspended,
        )

    def row(self) -> Statement:
        """The statement that stores the account as it is now."""
        values = (
            self.user_id,
            self.password_hash,
            self.created_ts,
            int(self.is_guest),
            int(self.is_deactivated),
            int(self.is_locked),
            int(self.is_suspended),
            self.profile.displayname,
            self.profile.avatar_url,
        )
        return _STORE_ACCOUNT, values

    def device_row(self, device: Device) -> Statement:
        """The statement that stores this device as it is now."""
        values = (
            self.user_id,
            device.device_id,
            device.display_name,
            device.last_seen_ts,
            device.last_seen_ip,
            device.token_hash,
        )
        return _STORE_DEVICE, values


_STORE_ACCOUNT = """
INSERT INTO accounts (user_id, password_hash, created_ts, is_guest, is_deactivated,
    is_locked, is_suspended, displayname, avatar_url)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (user_id) DO UPDATE SET
    password_hash = excluded.password_hash,
    is_deactivated = excluded.is_deactivated,
    is_locked = excluded.is_locked,
    is_suspended = excluded.is_suspended,
    displayname = excluded.displayname,
    avatar_url = excluded.avatar_url
"""

_STORE_DEVICE = """
INSERT INTO account_devices (user_id, device_id, display_name, last_seen_ts,
    last_seen_ip, token_hash)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (user_id, device_id) DO UPDATE SET
    display_name = excluded.display_name,
    last_seen_ts = excluded.last_seen_ts,
    last_seen_ip = excluded.last_seen_ip,
    token_hash = excluded.token_hash
"""
