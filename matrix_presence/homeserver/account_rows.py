"""Reading all accounts back from the database at a start."""

from __future__ import annotations

from matrix_presence.homeserver.account import Account, Device
from matrix_presence.interfaces import Profile
from matrix_presence.storage.connection import Cursor


def stored_accounts(cursor: Cursor) -> dict[str, Account]:
    """Every account with its devices, by user id."""
    cursor.execute(
        "SELECT displayname, avatar_url, user_id, created_ts, password_hash,"
        " is_guest, is_deactivated, is_locked, is_suspended FROM accounts"
    )
    accounts = {}
    for (
        displayname,
        avatar_url,
        user_id,
        created_ts,
        hashed,
        *flags,
    ) in cursor.fetchall():
        account = Account(user_id, created_ts, hashed, *map(bool, flags))
        account.profile = Profile(displayname, avatar_url)
        accounts[user_id] = account
    cursor.execute(
        "SELECT user_id, device_id, display_name, last_seen_ts, last_seen_ip,"
        " token_hash FROM account_devices"
    )
    for user_id, *values in cursor.fetchall():
        device = Device(*values)
        accounts[user_id].devices[device.device_id] = device
    return accounts
