"""Keeps what others see of a user in step with the user's devices.

Adds up the devices by the rules, writes the sum into the users' columns, sees to it
that the user comes up when time alone may change it, and announces what is news.
"""

from __future__ import annotations

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.cache.users import HIDDEN, PRESENCE, SHOWN_ACTIVE, TOLD
from matrix_presence.persistence import Persistence
from matrix_presence.rules.devices import Device, timed_out
from matrix_presence.rules.states import OFFLINE
from matrix_presence.rules.timeouts import Timeouts
from matrix_presence.rules.users import (
    Shown,
    add_up,
    is_currently_active,
    is_news,
)
from matrix_presence.ticks import Ticks


class Standings:
    """The users' columns, as far as devices and time decide them.

    Args:
        keep_status: a status message outlives going offline (B-6).
    """

    def __init__(
        self,
        cache: PresenceCache,
        timeouts: Timeouts,
        ticks: Ticks,
        persistence: Persistence,
        *,
        keep_status: bool,
    ) -> None:
        self._cache = cache
        self._timeouts = timeouts
        self._ticks = ticks
        self._dirty = persistence.dirty
        self._keep_status = keep_status

    def refresh(
        self, user: int, now: int, *, news: bool = False, only: Device | None = None
    ) -> None:
        """Add up the devices of a user and announce what others can see of it.

        Args:
            news: something else they can see has changed.
            only: the only device of the user, if it is at hand.
        """
        cache, timeouts = self._cache, self._timeouts
        users = cache.users
        devices = cache.devices.of(user) if only is None else (only,)
        presence, last_active_ts, hidden, deadline = add_up(devices, now, timeouts)
        if not presence or len(devices) > 1:
            self._time_out_devices(user, now)
        last_active_ts = max(users.last_active_ts[user], last_active_ts)
        granularity = timeouts.last_active_granularity
        active = is_currently_active(presence, last_active_ts, now, granularity)
        if active:
            fades = last_active_ts + granularity
            deadline = min(deadline, fades) if deadline else fades
        if deadline:
            cache.wheel.put(user, deadline)
        flags = users.flags[user]
        told = flags & TOLD
        if hidden != (flags & HIDDEN != 0):
            users.flags[user] = told | HIDDEN if hidden else told
        users.last_active_ts[user] = last_active_ts
        self._dirty.add(user)
        if presence != told & PRESENCE:
            self.show(user, presence, active, urgent=True)
        elif news or is_news(
            Shown(presence, told & SHOWN_ACTIVE != 0, users.shown_active_ts[user]),
            Shown(presence, active, last_active_ts),
            granularity,
        ):
            self.show(user, presence, active, urgent=news)

    def _time_out_devices(self, user: int, now: int) -> None:
        devices = self._cache.devices
        for row in devices.rows(user):
            left = timed_out(devices.read(row), now, self._timeouts)
            if left is None:
                devices.forget(user, row)
            else:
                devices.write(row, left)

    def show(self, user: int, presence: int, active: bool, *, urgent: bool) -> None:
        """Others see this of the user from the next tick on."""
        users = self._cache.users
        was_offline = users.flags[user] & PRESENCE == OFFLINE
        users.show(user, presence, active)
        users.shown_active_ts[user] = users.last_active_ts[user]
        if presence == OFFLINE:
            self._cache.present.discard(user)
            if not self._keep_status:
                users.status_msg[user] = None
        elif was_offline:
            self._cache.present.add(user)
        self._ticks.changed(user, urgent=urgent)

    def announce(self, user: int) -> None:
        """Something else that others see of this user has changed."""
        self._dirty.add(user)
        self._ticks.changed(user, urgent=True)
