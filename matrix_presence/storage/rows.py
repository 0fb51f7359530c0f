"""A user's row as the columns of `presence_users`, and back.

Writing trusts its input; the database refuses what it cannot hold. Reading trusts
nothing: the file may have been edited, or written by a version with a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import orjson

from matrix_presence.interfaces import DeviceRow, UserRow
from matrix_presence.rules.devices import Hold
from matrix_presence.rules.states import BY_NAME
from matrix_presence.storage.slices import Unreadable

COLUMNS = (
    "user_id, presence, status_msg, last_active_ts, currently_active, position,"
    " displayname, avatar_url, devices"
)

T = TypeVar("T", str, int)


def to_columns(row: UserRow) -> tuple[Any, ...]:
    """The values of `COLUMNS` for this user.

    Raises:
        ValueError: a device id is not Unicode.
    """
    return (
        row.user_id,
        row.presence,
        row.status_msg,
        row.last_active_ts,
        int(row.currently_active),
        row.position,
        row.displayname,
        row.avatar_url,
        _devices_json(row.devices) if row.devices else "[]",
    )


def from_columns(columns: Sequence[Any]) -> UserRow:
    """The user with these values of `COLUMNS`.

    Raises:
        Unreadable: they are not what `to_columns` makes.
    """
    user_id, presence, status_msg, active_ts, active, position, name, url, devices = (
        columns
    )
    if active not in (0, 1):
        raise Unreadable("currently_active is neither 0 nor 1")
    return UserRow(
        user_id=_checked("user_id", user_id, str),
        presence=_state(presence),
        status_msg=_checked_or_none("status_msg", status_msg),
        last_active_ts=_checked("last_active_ts", active_ts, int),
        currently_active=active == 1,
        position=_checked("position", position, int),
        displayname=_checked_or_none("displayname", name),
        avatar_url=_checked_or_none("avatar_url", url),
        devices=_devices(_checked("devices", devices, str)),
    )


def _devices_json(devices: Sequence[DeviceRow]) -> str:
    try:
        return orjson.dumps(
            [
                (each.device_id, each.presence, each.hold, each.last_active_ts)
                for each in devices
            ]
        ).decode()
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from error


def _devices(text: str) -> tuple[DeviceRow, ...]:
    if text == "[]":
        return ()
    try:
        entries = orjson.loads(text)
        return tuple(
            DeviceRow(
                device_id=_checked("device_id", device_id, str),
                presence=_state(presence),
                hold=_hold(hold),
                last_active_ts=_checked("last_active_ts of a device", active_ts, int),
            )
            for device_id, presence, hold, active_ts in entries
        )
    except (TypeError, ValueError) as error:
        raise Unreadable(f"devices cannot be read: {error}") from error


def _state(value: object) -> str:
    if (state := _checked("presence", value, str)) not in BY_NAME:
        raise Unreadable(f"{state!r} is no presence")
    return state


def _hold(value: object) -> int:
    hold = _checked("hold", value, int)
    if not 0 <= hold < len(Hold):
        raise Unreadable(f"{hold} is no hold of a device")
    return hold


def _checked(name: str, value: object, expected: type[T]) -> T:
    # Exactly this type: True is an int to isinstance, but no time.
    if type(value) is not expected:
        raise Unreadable(f"{name} is {type(value).__name__}, not {expected.__name__}")
    return value


def _checked_or_none(name: str, value: object) -> str | None:
    return None if value is None else _checked(name, value, str)
