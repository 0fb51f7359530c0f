"""Keeps what others see of a user in step with the user's devices.

Adds up the devices by the rules, writes the sum into the users' columns, sees to it
that the user comes up when time alone may change it, and announces what is news.
"""

from __future__ import annotations

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.cache.users import HIDDEN, PRESENCE, SHOWN_ACTIVE, TOLD
from matrix_presence.persistence import Persistence
from matrix_presence.rules.devices import Device, contribution, idled, timed_out
from matrix_presence.rules.states import OFFLINE, ONLINE
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
        tells_of_offline: a newer activity of somebody offline is news.
        waits: what time has done counts only once `look` was called.
    """

    def __init__(
        self,
        cache: PresenceCache,
        timeouts: Timeouts,
        ticks: Ticks,
        persistence: Persistence,
        *,
        keep_status: bool,
        tells_of_offline: bool,
        waits: bool,
    ) -> None:
        self._cache = cache
        self._timeouts = timeouts
        self._ticks = ticks
        self._dirty = persistence.dirty
        self._keep_status = keep_status
        self._tells_of_offline = tells_of_offline
        self._waits = waits
        #: What counts while nobody looks.
        self.held = timeouts.held() if waits else timeouts

    def refresh(
        self,
        user: int,
        now: int,
        *,
        news: bool = False,
        only: Device | None = None,
        is_activity: bool = False,
        by_time: bool = False,
    ) -> None:
        """Add up the devices of a user and announce what others can see of it.

        Args:
            news: something else they can see has changed.
            only: the only device of the user, if it is at hand.
            is_activity: whatever has happened is activity if the user is online by it,
                or busy.
            by_time: nothing has happened but that time has passed, so that there is
                nothing to store unless it shows.
        """
        cache, timeouts = self._cache, self.held
        users = cache.users
        devices = cache.devices.of(user) if only is None else (only,)
        presence, last_active_ts, hidden, deadline = add_up(devices, now, timeouts)
        if self._waits:
            deadline = self._looked_at(presence, last_active_ts, now)
        if not presence or len(devices) > 1:
            self._time_out_devices(user, now)
        if is_activity and presence >= ONLINE:
            last_active_ts = now
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
        if not by_time:
            self._dirty.add(user)
        if presence != told & PRESENCE:
            self.show(user, presence, active, urgent=True)
        elif news or is_news(
            Shown(presence, told & SHOWN_ACTIVE != 0, users.shown_active_ts[user]),
            Shown(presence, active, last_active_ts),
            granularity,
            offline_too=self._tells_of_offline,
        ):
            self.show(user, presence, active, urgent=news)

    def _looked_at(self, presence: int, last_active_ts: int, now: int) -> int:
        """When to look next, epoch ms, unless a sync returns in the meantime.

        Synapse looks at whoever has just set a status when they are not currently
        active any more, and only then sees that they do not sync.
        """
        if not presence:
            return 0
        pause = self._timeouts.idle or self._timeouts.sync_online
        after_activity = last_active_ts + pause
        return after_activity if after_activity > now else now + pause

    def _time_out_devices(self, user: int, now: int) -> None:
        devices = self._cache.devices
        for row in devices.rows(user):
            self._keep(user, row, timed_out(devices.read(row), now, self.held))

    def _keep(self, user: int, row: int, left: Device | None) -> None:
        """What is left of a device after a while; None for nothing."""
        devices = self._cache.devices
        if left is None:
            devices.forget(user, row)
        elif left != devices.read(row):
            devices.write(row, left)
        else:
            return
        self._dirty.add(user)

    def look(self, user: int, now: int) -> None:
        """The time of a user has come: see what it has done."""
        if self._waits:
            devices = self._cache.devices
            for row in devices.rows(user):
                left = timed_out(devices.read(row), now, self._timeouts)
                if left is not None:
                    left = idled(left, now, self._timeouts)
                self._keep(user, row, left)
            deadline = add_up(devices.of(user), now, self._timeouts).deadline
            if deadline:
                self._cache.wheel.put(user, deadline)
        elif self._goes_on(user, now):
            return
        self.refresh(user, now, by_time=True)

    def _goes_on(self, user: int, now: int) -> bool:
        """Whether time has changed nothing yet of somebody with a single device.

        So it is with nearly everybody who is looked at: they just go on syncing.
        """
        device = self._cache.devices.only(user)
        if device is None:
            return False
        presence, deadline = contribution(device, now, self.held)
        # Neither shown as active, which fades, nor hidden.
        if presence == OFFLINE or self._cache.users.flags[user] != presence:
            return False
        if deadline:
            self._cache.wheel.put(user, deadline)
        return True

    def show(self, user: int, presence: int, active: bool, *, urgent: bool) -> None:
        """Others see this of the user from the next tick on."""
        users = self._cache.users
        was_offline = users.flags[user] & PRESENCE == OFFLINE
        users.show(user, presence, active)
        users.shown_active_ts[user] = users.last_active_ts[user]
        self._dirty.add(user)
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
