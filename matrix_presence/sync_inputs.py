"""What syncs do to presence: the middle floor of `PresenceHandler`.

A client that is merely open polls twice a minute, so no input is as frequent. Nearly
all go on with what the one before them said, and that takes a short way.
"""

from __future__ import annotations

from functools import partial

from pyroaring import BitMap
from twisted.internet.interfaces import IReactorTime

from matrix_presence.cache.devices import (
    A_SYNC,
    COMES_UP,
    FACTS,
    FORGOTTEN,
    GOES_ON,
    LAST_SEEN,
    STATED,
)
from matrix_presence.cache.limits import Buckets
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.config import PresenceConfig
from matrix_presence.device_inputs import NO_DEVICE, DeviceInputs
from matrix_presence.lists import PresenceLists
from matrix_presence.persistence import Persistence
from matrix_presence.rules.devices import UNKNOWN, synced
from matrix_presence.rules.states import BUSY, OFFLINE, ONLINE
from matrix_presence.ticks import Ticks

#: A sync that is under way: the user, and the row of the device.
OpenSync = tuple[int, int]

#: Users looked at in one turn of the reactor for whether they have left: a
#: millisecond's work if they have not, three if all have.
_A_TURN = 2000


class SyncInputs(DeviceInputs):
    """Inputs that come from syncs, and from any other stream of events."""

    def __init__(
        self,
        clock: IReactorTime,
        cache: PresenceCache,
        config: PresenceConfig,
        ticks: Ticks,
        persistence: Persistence,
        lists: PresenceLists | None = None,
    ) -> None:
        super().__init__(clock, cache, config, ticks, persistence, lists)
        #: In the state of a device that goes on by a sync: nothing where each sync may
        #: change something.
        always = self._semantics.statements_are_activity or self._semantics.busy_spreads
        self._goes_on = 0 if always else GOES_ON
        self._sync_online = self.timeouts.sync_online
        self._end_counts = config.sync_end_counts
        #: Those with a sync that has ended since it was last seen who has left. Nearly
        #: all poll again at once, and then nothing has to become of it.
        self._may_have_left = BitMap()
        self._next_left_ts = 0
        #: Those who are still to be looked at.
        self._leaving = BitMap()
        limit = config.rc_presence.per_user
        self._sync_limit = Buckets(limit.per_second, limit.burst_count)

    def sync_began(
        self, user_id: str, device_id: str | None, stated: int | None
    ) -> OpenSync | None:
        """A sync (or any event stream) of this device begins.

        `stated` is its `set_presence`, None if omitted. What it answers has to be given
        to `sync_ended` when the sync returns; None if it does not count as connected.
        """
        # The same look as in `active`, and no call for it either: see `DeviceInputs`.
        try:
            user = self._user_of[user_id]
        except KeyError:
            user = self.cache.users.intern(user_id)
        row = self._first_device[user]
        if self._device_ids[row // FACTS] is not device_id:
            device_id = device_id or NO_DEVICE
            row = self.cache.devices.find(user, device_id)
        # Nearly all syncs go on with what the one before them said.
        devices = self._devices
        state = devices[row]
        if stated is None or stated == ONLINE:
            goes_on = state & self._goes_on
        else:
            goes_on = self._goes_on and state & STATED == stated != OFFLINE
        # That it is still connected says the wheel: it brings the user up when that may
        # be over, and until then nobody is shown anything else.
        if goes_on and state >= COMES_UP:
            devices[row] = state + A_SYNC
            if self._held_back:
                # The newest word of a device is the one that counts.
                self._postponed.synced(user, device_id)
            return user, row
        row = self._sync_changes_something(user, device_id, row, stated, self.now())
        if stated == OFFLINE:
            return None
        return user, row

    def _sync_changes_something(
        self, user: int, device_id: str, row: int, stated: int | None, now: int
    ) -> int:
        before = self.cache.devices.read(row) if row else UNKNOWN
        semantics = self._semantics
        if (
            semantics.busy_spreads
            and stated != OFFLINE
            and self.cache.users.presence(user) == BUSY
        ):
            stated = BUSY
        after = synced(before, stated, now, self._held, semantics)
        # Its presence and its hold.
        is_change = before[:2] != after[:2]
        wait = self._sync_limit.take(user, now) if is_change else 0
        if wait:
            # Connected all the same; what it says comes when the limit allows.
            apply = partial(self._apply_postponed_sync, user, device_id, stated)
            self._postponed.hold(
                user, (device_id, "sync"), self._sync_limit, now + wait, apply
            )
            if stated == OFFLINE:
                return row
            after = before._replace(syncing=before.syncing + 1, last_seen_ts=now)
        else:
            self._postponed.synced(user, device_id)
        row = self._put_device(user, device_id, row, after)
        only = after if self.cache.devices.is_only(user, row) else None
        is_activity = semantics.statements_are_activity and stated != OFFLINE
        self._standings.refresh(user, now, only=only, is_activity=is_activity)
        return row

    def _apply_postponed_sync(
        self, user: int, device_id: str, stated: int | None
    ) -> None:
        now = self.now()
        row, device = self._device(user, device_id)
        after = synced(device, stated, now, self._held, self._semantics)
        self._put_device(
            user,
            device_id,
            row,
            after._replace(syncing=device.syncing, last_seen_ts=device.last_seen_ts),
        )
        self._dirty.add(user)

    def sync_ended(self, sync: OpenSync) -> None:
        """A sync that `sync_began` answered for returns."""
        user, row = sync
        devices = self._devices
        now = int(self._seconds() * 1000.0)
        if self._end_counts:
            # Being connected counts from here (B-46).
            devices[row + LAST_SEEN] = now
        state = devices[row] - A_SYNC
        if state < COMES_UP:
            if state & FORGOTTEN:  # Logged out in the meantime.
                self.cache.devices.free(row)
                return
            state |= COMES_UP
            if self._end_counts:
                self._may_have_left.add(user)
            else:  # The row does not tell when it ended.
                self.cache.wheel.put(user, now + self._sync_online)
        devices[row] = state

    def time_out(self, most: int) -> bool:
        """Look at up to `most` users who are due; whether there may be more.

        First it is seen who has left, so that they come up in time.
        """
        return self._see_who_left(self.now()) or super().time_out(most)

    def _see_who_left(self, now: int) -> bool:
        """Let time run for those who have not polled again; whether there are more."""
        if not self._leaving:
            if now < self._next_left_ts:
                return False
            # Well before their time is over.
            self._next_left_ts = now + self._sync_online // 3
            self._leaving, self._may_have_left = self._may_have_left, BitMap()
        some = self._leaving[:_A_TURN]
        self._leaving -= some
        for user in some:
            if seen_ts := self.cache.devices.syncs_ended(user):
                self.cache.wheel.put(user, seen_ts + self._sync_online)
        return bool(self._leaving)
