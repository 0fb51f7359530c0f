"""Between the columns of the cache and the rows of a store."""

from __future__ import annotations

import logging

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.interfaces import DeviceRow, ListRow, Profile, UserRow
from matrix_presence.rules.devices import Device, Hold
from matrix_presence.rules.lists import Entry
from matrix_presence.rules.states import BY_NAME, NAMES, Presence

logger = logging.getLogger(__name__)


def row_of(cache: PresenceCache, user: int) -> UserRow:
    """What is to be kept of this user."""
    users, devices = cache.users, cache.devices
    profile = users.profile(user)
    return UserRow(
        user_id=users.ids[user],
        presence=NAMES[users.presence(user)],
        status_msg=users.status_msg[user],
        last_active_ts=users.last_active_ts[user],
        currently_active=users.is_shown_active(user),
        position=users.position[user],
        displayname=profile.displayname,
        avatar_url=profile.avatar_url,
        devices=tuple(
            _device_row(devices.id_of(row), devices.read(row))
            for row in devices.rows(user)
        ),
    )


def list_row_of(cache: PresenceCache, observer: int, observed: int) -> ListRow:
    """What is to be kept of this entry of a presence list."""
    lists, ids = cache.lists, cache.users.ids
    pair = observer, observed
    entry = lists.entry(observer, observed)
    return ListRow(
        ids[observer],
        ids[observed],
        None if entry is Entry.NONE else entry >= Entry.ACCEPTED,
        wanted=entry is not Entry.RESTING,
        untold=pair in lists.untold,
        asked_ts=lists.asked.get(pair, 0),
    )


def _device_row(device_id: str, device: Device) -> DeviceRow:
    return DeviceRow(
        device_id, NAMES[device.presence], device.hold, device.last_active_ts
    )


def restore_row(cache: PresenceCache, row: UserRow, now: int) -> int:
    """Put a stored user into the cache; their index.

    Their devices count as just seen: they have the usual time to come back, and go
    offline when they do not (B-53). A state that this version does not know is taken
    for offline.
    """
    users, devices = cache.users, cache.devices
    user = users.intern(row.user_id)
    presence = BY_NAME.get(row.presence, Presence.OFFLINE)
    users.show(user, presence, row.currently_active)
    users.last_active_ts[user] = row.last_active_ts
    users.shown_active_ts[user] = row.last_active_ts
    users.status_msg[user] = row.status_msg
    users.position[user] = row.position
    if row.displayname is not None or row.avatar_url is not None:
        users.profiles[user] = Profile(row.displayname, row.avatar_url)
    if not users.is_local[user]:
        users.told_ts[user] = now
    if presence:
        cache.present.add(user)
    for kept in row.devices:
        # Nobody comes online by a restart.
        stated = BY_NAME.get(kept.presence, Presence.OFFLINE) if presence else presence
        available = stated if stated > Presence.UNAVAILABLE else Presence.ONLINE
        device = Device(stated, kept.hold, available, kept.last_active_ts, now, 0)
        devices.add(user, kept.device_id, device)
        if kept.hold == Hold.HIDDEN_BY_STATUS and not presence:
            users.hide(user)
    return user
