"""The SQL: Synapse's `presence_stream` as Synapse reads it, and one table of our own.

`presence_stream` holds one row for each user, at the stream id of their last visible
change, so workers can follow it, and Synapse goes on from it once the module is gone.
What it has no column for, devices that hide and devices that an application service
keeps, is in `matrix_presence_held`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from synapse.storage.database import LoggingTransaction

from matrix_presence.interfaces import DeviceRow, ListRow, UserRow
from matrix_presence.rules.states import BY_NAME
from matrix_presence.wire.content import MODERN_NAMES


class StoredUser(NamedTuple):
    """One row of `presence_stream`; every column of it may be NULL."""

    user_id: str
    stream_id: int
    state: str | None
    last_active_ts: int | None
    last_federation_update_ts: int | None
    status_msg: str | None
    currently_active: bool | int | None


def create(txn: LoggingTransaction) -> None:
    """Our own table, if it is not there."""
    txn.execute(
        "CREATE TABLE IF NOT EXISTS matrix_presence_held ("
        " user_id TEXT NOT NULL, device_id TEXT NOT NULL, presence TEXT NOT NULL,"
        " hold INTEGER NOT NULL, last_active_ts BIGINT NOT NULL,"
        " PRIMARY KEY (user_id, device_id))"
    )


def create_lists(txn: LoggingTransaction) -> None:
    """The table of presence lists, if it is not there."""
    txn.execute(
        "CREATE TABLE IF NOT EXISTS matrix_presence_lists ("
        " observer TEXT NOT NULL, observed TEXT NOT NULL, accepted INTEGER,"
        " wanted INTEGER NOT NULL, untold INTEGER NOT NULL, asked_ts BIGINT NOT NULL,"
        " PRIMARY KEY (observer, observed))"
    )


def load_lists(
    txn: LoggingTransaction, after: tuple[str, str], limit: int
) -> Sequence[ListRow]:
    """At most `limit` entries in the order of observer and observed, after `after`."""
    txn.execute(
        "SELECT observer, observed, accepted, wanted, untold, asked_ts"
        " FROM matrix_presence_lists WHERE (observer, observed) > (?, ?)"
        " ORDER BY observer, observed LIMIT ?",
        (*after, limit),
    )
    return [
        ListRow(
            observer,
            observed,
            None if accepted is None else bool(accepted),
            bool(wanted),
            bool(untold),
            asked_ts,
        )
        for observer, observed, accepted, wanted, untold, asked_ts in txn.fetchall()
    ]


def write_lists(txn: LoggingTransaction, rows: Sequence[ListRow]) -> None:
    """These entries as they are now; what is neither there nor untold goes."""
    txn.execute_batch(
        "DELETE FROM matrix_presence_lists WHERE observer = ? AND observed = ?",
        [(row.observer, row.observed) for row in rows],
    )
    txn.execute_batch(
        "INSERT INTO matrix_presence_lists"
        " (observer, observed, accepted, wanted, untold, asked_ts)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                row.observer,
                row.observed,
                None if row.accepted is None else int(row.accepted),
                int(row.wanted),
                int(row.untold),
                row.asked_ts,
            )
            for row in rows
            if row.accepted is not None or row.untold
        ],
    )


def load_users(txn: LoggingTransaction, after: str, limit: int) -> Sequence[StoredUser]:
    """At most `limit` rows in the order of their user ids, those after `after`."""
    txn.execute(
        "SELECT user_id, stream_id, state, last_active_ts, last_federation_update_ts,"
        " status_msg, currently_active FROM presence_stream"
        " WHERE user_id > ? ORDER BY user_id, stream_id LIMIT ?",
        (after, limit),
    )
    return [StoredUser(*row) for row in txn.fetchall()]


def load_held(txn: LoggingTransaction) -> dict[str, tuple[DeviceRow, ...]]:
    """By user: what our own table holds."""
    txn.execute(
        "SELECT user_id, device_id, presence, hold, last_active_ts"
        " FROM matrix_presence_held ORDER BY user_id, device_id"
    )
    found: dict[str, tuple[DeviceRow, ...]] = {}
    for user_id, *device in txn.fetchall():
        found[user_id] = (*found.get(user_id, ()), DeviceRow(*device))
    return found


def load_profiles(
    txn: LoggingTransaction, after: str, limit: int
) -> Sequence[tuple[str, str | None, str | None]]:
    """At most `limit` user ids with name and picture, in order, those after `after`."""
    txn.execute(
        "SELECT full_user_id, displayname, avatar_url FROM profiles"
        " WHERE full_user_id > ? ORDER BY full_user_id LIMIT ?",
        (after, limit),
    )
    return [
        (user_id, displayname, avatar_url)
        for user_id, displayname, avatar_url in txn.fetchall()
    ]


def load_members(
    txn: LoggingTransaction, after: tuple[str, str], limit: int
) -> Sequence[tuple[str, str]]:
    """At most `limit` pairs of a room and a user joined to it, in order."""
    txn.execute(
        "SELECT room_id, state_key FROM current_state_events"
        # Only members have a membership, and with a condition on the type SQLite would
        # sort what the index has in order.
        " WHERE (room_id, type, state_key) > (?, 'm.room.member', ?)"
        " AND membership = 'join'"
        " ORDER BY room_id, type, state_key LIMIT ?",
        (*after, limit),
    )
    return [(room_id, user_id) for room_id, user_id in txn.fetchall()]


def write_changes(
    txn: LoggingTransaction,
    position: int,
    instance: str,
    now: int,
    rows: Sequence[UserRow],
) -> None:
    """These users changed visibly at this position.

    Args:
        instance: the name of this process, which handed the position out.
        now: epoch ms; from when on Synapse's own time-outs would count.
    """
    txn.execute_batch(
        "DELETE FROM presence_stream WHERE user_id = ? AND stream_id < ?",
        [(row.user_id, position) for row in rows],
    )
    txn.execute_batch(
        "INSERT INTO presence_stream (stream_id, user_id, state, last_active_ts,"
        " last_federation_update_ts, last_user_sync_ts, status_msg, currently_active,"
        " instance_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                position,
                row.user_id,
                # As Synapse knows them: it reads this when the module is gone.
                MODERN_NAMES[BY_NAME[row.presence]],
                row.last_active_ts,
                now,
                now if row.presence != "offline" else 0,
                row.status_msg,
                row.currently_active,
                instance,
            )
            for row in rows
        ],
    )


def write_activity(txn: LoggingTransaction, rows: Sequence[UserRow]) -> None:
    """When these users were last active; nothing that others have to be told."""
    txn.execute_batch(
        "UPDATE presence_stream SET last_active_ts = ? WHERE user_id = ?",
        [(row.last_active_ts, row.user_id) for row in rows],
    )


def write_held(
    txn: LoggingTransaction, held: Collection[tuple[str, tuple[DeviceRow, ...]]]
) -> None:
    """The devices of these users that our own table is to hold, and no others."""
    txn.execute_batch(
        "DELETE FROM matrix_presence_held WHERE user_id = ?",
        [(user_id,) for user_id, _ in held],
    )
    txn.execute_batch(
        "INSERT INTO matrix_presence_held"
        " (user_id, device_id, presence, hold, last_active_ts) VALUES (?, ?, ?, ?, ?)",
        [
            (
                user_id,
                device.device_id,
                device.presence,
                int(device.hold),
                device.last_active_ts,
            )
            for user_id, devices in held
            for device in devices
        ],
    )
