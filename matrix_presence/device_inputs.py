"""What devices and time do to presence: the ground floor of `PresenceHandler`.

A status, a pro-active event, a time-out; syncs are in `sync_inputs`. What each leads to
is decided in `rules`; the usual case, in which nothing that others see changes, takes a
short way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from matrix_presence.cache.devices import (
    A_SYNC,
    FACTS,
    LAST_ACTIVE,
    NO_ROW,
    STAYS,
)
from matrix_presence.cache.limits import Buckets
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.cache.users import SHOWN_ACTIVE
from matrix_presence.config import PresenceConfig
from matrix_presence.errors import LimitExceeded
from matrix_presence.interfaces import Requester
from matrix_presence.lists import PresenceLists
from matrix_presence.persistence import Persistence
from matrix_presence.postponed import Postponed
from matrix_presence.remotes import Remotes
from matrix_presence.rule_options import semantics_of, timeouts_of
from matrix_presence.rules.devices import (
    KEPT,
    NOT_HELD,
    UNKNOWN,
    Device,
    status_set,
    was_active,
)
from matrix_presence.standings import Standings
from matrix_presence.ticks import Ticks

logger = logging.getLogger(__name__)

#: The device of tokens without one (A-30).
NO_DEVICE = ""


class DeviceInputs:
    """Inputs that come from the devices of users, syncs aside, and from the clock."""

    def __init__(
        self,
        clock: IReactorTime,
        cache: PresenceCache,
        config: PresenceConfig,
        ticks: Ticks,
        persistence: Persistence,
        lists: PresenceLists | None = None,
    ) -> None:
        #: Presence lists; None where there are none.
        self.lists = lists
        #: Called with each user of another server who joins a room: their server may
        #: have said something of them before.
        self.met: Callable[[str], None] = lambda user_id: None
        self._seconds = clock.seconds
        #: Users looked at because their time had come, since the start.
        self.timed_out = 0
        self.cache = cache
        # Every sync and every message comes by these, looked up where it happens: a
        # call would be a tenth of all it costs. A device is known by the very string
        # that a host keeps with its login; to compare two is to fetch both.
        users = cache.users
        self._user_of, self._first_device = users.index, users.first_device
        self._flags, self._last_active_ts = users.flags, users.last_active_ts
        self._devices, self._device_ids = cache.devices.facts, cache.devices.ids
        self.config = config
        self._ticks = ticks
        self._persistence = persistence
        self._dirty = persistence.dirty
        self.timeouts = timeouts_of(config)
        self._semantics = semantics_of(config)
        limit = config.rc_presence.per_user
        self._status_limit = Buckets(limit.per_second, limit.burst_count)
        self._postponed = Postponed(cache.wheel)
        #: What waits in it; nearly always nothing.
        self._held_back = self._postponed.by_user
        self._standings = Standings(
            cache,
            self.timeouts,
            ticks,
            persistence,
            keep_status=config.keep_status_when_offline,
            tells_of_offline=config.offline_activity_is_news,
            waits=bool(config.timeout_step),
        )
        self._held = self._standings.held
        self._remotes = Remotes(cache, self.timeouts, self._standings, persistence)

    def now(self) -> int:
        """The time, epoch ms."""
        return int(self._seconds() * 1000)

    # What clients do.

    def set_status(
        self,
        requester: Requester,
        presence: int,
        status_msg: str | None,
        *,
        is_limited: bool = True,
    ) -> Deferred[None]:
        """A user sets their status; fires when it is on disk.

        Args:
            is_limited: whether the rate limit counts it.

        Raises:
            LimitExceeded: too many at once. The newest refused status is applied when
                the limit allows all the same: going online and offline within the
                limit ends offline.

        Fails with:
            NotStored: the store could not write it.
        """
        user = self.cache.users.intern(requester.user_id)
        device_id = requester.device_id or NO_DEVICE

        def apply() -> bool:
            kept = requester.is_appservice and self.config.appservice_persist
            return self._set_status(user, device_id, presence, status_msg, kept)

        def apply_later() -> None:
            # Nobody waits for the store: it was refused. It is kept all the same.
            if apply():
                self._persistence.durable(user).addErrback(lambda _: None)

        now, limit = self.now(), self._status_limit
        wait = limit.take(user, now) if is_limited else 0
        self._postponed.status_set(user, device_id)
        if wait:
            until = now + wait
            self._postponed.hold(user, (device_id, "status"), limit, until, apply_later)
            raise LimitExceeded(wait)
        if not apply() and self._persistence.is_sure(user):
            return succeed(None)  # The store says just this already.
        return self._persistence.durable(user)

    def _set_status(
        self,
        user: int,
        device_id: str,
        presence: int,
        status_msg: str | None,
        kept: bool,
    ) -> bool:
        """Whether anything the user said is new, their being there aside."""
        now = self.now()
        row, before = self._device(user, device_id)
        after = status_set(
            before, presence, now, self._held, self._semantics, kept=kept
        )
        news = self.cache.users.status_msg[user] != status_msg
        self.cache.users.status_msg[user] = status_msg
        row = self._put_device(user, device_id, row, after)
        only = after if self.cache.devices.is_only(user, row) else None
        is_activity = self._semantics.statements_are_activity
        self._standings.refresh(
            user, now, news=news, only=only, is_activity=is_activity
        )
        return news or before[:3] != after[:3]

    # An argument that has to be named would cost a look into a dictionary each time.
    def active(
        self, user_id: str, device_id: str | None, is_appservice: bool = False
    ) -> None:
        """A pro-active event: a message, a receipt, typing (B-12, B-17).

        Args:
            is_appservice: done by an application service for one of its users (B-21).
        """
        if is_appservice and not self.config.appservice_bump:
            return
        try:
            user = self._user_of[user_id]
        except KeyError:
            user = self.cache.users.intern(user_id)
        row = self._first_device[user]
        if self._device_ids[row // FACTS] is not device_id:
            device_id = device_id or NO_DEVICE
            row = self.cache.devices.find(user, device_id)
        # Nearly always somebody who is there goes on being there.
        devices = self._devices
        state = devices[row]
        if state & STAYS and state >= A_SYNC and self._flags[user] & SHOWN_ACTIVE:
            now = int(self._seconds() * 1000.0)
            devices[row + LAST_ACTIVE] = self._last_active_ts[user] = now
            self._dirty.add(user)
            return
        users = self.cache.users
        if not users.is_local[user]:
            return  # Their own server knows, and tells us.
        now = self.now()
        device = self.cache.devices.read(row) if row else UNKNOWN
        mode = self.config.activity_when_disconnected
        after = was_active(
            device,
            now,
            self._held,
            self._semantics,
            when_disconnected=mode == "online",
        )
        if after is not device:
            self._put_device(user, device_id, row, after)
        elif mode == "bump" and (
            device.hold in (NOT_HELD, KEPT) or not self._semantics.hides
        ):
            users.last_active_ts[user] = now
        self._standings.refresh(user, now)

    # What time does.

    def time_out(self, most: int) -> bool:
        """Look at up to `most` users who are due; whether there may be more."""
        now = self.now()
        due = self.cache.wheel.due(now, most)
        self.timed_out += len(due)
        for user in due:
            try:
                if not self.cache.users.is_local[user]:
                    self._remotes.time_out(user, now)
                    continue
                self.cache.devices.came_up(user)
                if self._held_back:
                    self._postponed.apply(user, now)
                self._standings.look(user, now)
            except Exception:  # One user's fault is not the others'.
                logger.exception("A time-out failed")
        if self.lists is not None:
            self.lists.expire(now)
        return len(due) >= most

    # How it all ends up in the cache.

    def _device(self, user: int, device_id: str) -> tuple[int, Device]:
        row = self.cache.devices.find(user, device_id)
        return row, self.cache.devices.read(row) if row else UNKNOWN

    def _put_device(self, user: int, device_id: str, row: int, device: Device) -> int:
        if row == NO_ROW:
            return self.cache.devices.add(user, device_id, device)
        self.cache.devices.write(row, device)
        return row
