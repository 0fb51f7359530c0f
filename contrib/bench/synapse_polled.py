"""What Synapse tells other servers of a day of polls, by its documented rules.

A model of Synapse 1.163, which `tests/synapse/test_bench_rules.py` compares with the
real one. Two things that follow from its rules make users offline for moments while
their clients poll on:

- `rc_presence.per_user`: of the polls of a user, on whatever device, one that begins
  less than 10 s after the last one that counted does not count as syncing at all. What
  is documented of `sync_online_timeout` says that a client may be taken for offline by
  this.
- A poll counts for its device from when it began. Whoever polls for as long as
  `sync_online_timeout` is past it in the gap before the next poll, and gone if that is
  when Synapse looks.

Times are ms, as Synapse has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import attrs

from contrib.bench.day import Event

#: `presence.sync_online_timeout`: without a sync for longer, a device is gone.
_SYNC_ONLINE = 30_000
#: `presence.last_active_granularity`: so long after an activity a user is shown active.
_GRANULARITY = 60_000
#: `presence.idle_timeout`: a device without activity for longer is unavailable.
_IDLE = 300_000
#: Who was not told of for longer is told of again, for other servers forget after 30
#: minutes. Not configurable.
_PING = 1_500_000
#: `rc_presence.per_user` as it comes, 0.1 a second and a burst of 1: ms between syncs
#: that count.
_LIMIT = 10_000
#: How often Synapse looks who is due, and how finely it keeps when they are. Not
#: configurable.
_LOOKS = 5_000
_RANK = ("offline", "unavailable", "online")


@attrs.define
class _Device:
    state: str = "offline"
    #: When it said so, or when its user did something with it.
    active_at: int = 0


@attrs.define
class _User:
    state: str = "offline"
    status: str | None = None
    active_at: int = 0
    is_active: bool = False
    synced_at: int = 0
    told_at: int = 0
    #: When a sync counted last, by the limit.
    counted_at: int = -_LIMIT
    devices: dict[str, _Device] = attrs.Factory(dict)
    #: Devices with a poll that counts and has not returned.
    syncing: set[str] = attrs.Factory(set)

    def combined(self) -> str:
        """What the device that is most there says."""
        states = {device.state for device in self.devices.values()}
        return max(states, key=_RANK.index, default="offline")


class SynapsePolled:
    """Lives through it.

    Args:
        tell: called with the number of a user, with how many s it is since midnight,
            and with the state, for each that other servers are told of.
        looks_at: ms since midnight when it first looks who is due, and each 5 s from
            then on. That comes of when Synapse was started. As it comes nearer to a
            multiple of 5 s, up to which it keeps who is due, more polls are caught in
            a gap: in the middle, it is neither the most nor the least.
    """

    def __init__(
        self, tell: Callable[[int, float, str], object], looks_at: int = 2_500
    ) -> None:
        self._tell = tell
        self._looks_at = looks_at
        self._users: dict[int, _User] = defaultdict(_User)
        #: By the bucket of 5 s after which somebody is looked at.
        self._due: dict[int, set[int]] = defaultdict(set)
        self._next_bucket = 0

    def happened(self, event: Event) -> None:
        """A client does this, after all that has happened before."""
        now = self.pass_time(event.at)
        number, user = event.user, self._users[event.user]
        if event.what == "gone":
            self._poll_returns(number, user, event.device, now)
        elif event.what == "active":
            self._was_active(number, user, event.device, now)
        elif event.what == "status":
            self._says(number, user, event.device, "online", now, status=f"{now}")
        else:
            self._poll_begins(number, user, event.device, event.what, now)

    def _poll_begins(
        self, number: int, user: _User, device_id: str, says: str, now: int
    ) -> None:
        if now - user.counted_at >= _LIMIT:
            user.counted_at = now
            user.syncing.add(device_id)
            self._says(number, user, device_id, says, now)

    def _poll_returns(self, number: int, user: _User, device_id: str, now: int) -> None:
        if device_id in user.syncing:
            user.syncing.remove(device_id)
            # For the user it counts up to here, for the device it does not.
            user.synced_at = now
            self._update(number, user, now, user.state)

    def _says(
        self,
        number: int,
        user: _User,
        device_id: str,
        says: str,
        now: int,
        status: str | None = None,
    ) -> None:
        device = user.devices.setdefault(device_id, _Device())
        device.state, device.active_at = says, now
        state = user.combined()
        if status is None:
            user.synced_at = now
        active_at = now if state == "online" else user.active_at
        self._update(number, user, now, state, active_at, status)

    def _was_active(self, number: int, user: _User, device_id: str, now: int) -> None:
        device = user.devices.setdefault(device_id, _Device())
        device.active_at = now
        if device.state == "unavailable":
            device.state = "online"
        self._update(number, user, now, user.combined(), now)

    def pass_time(self, at: float) -> int:
        """It is so many s since midnight; ms."""
        until = int(at * 1000)
        while self._looks_at <= until:
            now, self._looks_at = self._looks_at, self._looks_at + _LOOKS
            while self._next_bucket <= now // _LOOKS:
                due = self._due.pop(self._next_bucket, ())
                self._next_bucket += 1
                for number in due:
                    self._look_at(number, self._users[number], now)
        return until

    def _look_at(self, number: int, user: _User, now: int) -> None:
        if user.state == "offline":
            return
        for device_id, device in list(user.devices.items()):
            if device.state == "online" and now - device.active_at > _IDLE:
                device.state = "unavailable"
            is_late = now - device.active_at > _SYNC_ONLINE
            if is_late and device_id not in user.syncing:
                del user.devices[device_id]
        state = user.combined()
        if (
            state != user.state
            or now - user.active_at > _GRANULARITY
            or now - user.told_at > _PING
        ):
            self._update(number, user, now, state)

    def _update(
        self,
        number: int,
        user: _User,
        now: int,
        state: str,
        active_at: int | None = None,
        status: str | None = None,
    ) -> None:
        """How a user stands is known anew: when to look, and whether to tell."""
        before = user.state, user.is_active
        moved = 0 if active_at is None else active_at - user.active_at
        user.state, user.active_at = state, user.active_at + moved
        if state == "online":
            user.is_active = now - user.active_at < _GRANULARITY
            self._look(number, user.active_at + _IDLE)
            if user.is_active:
                self._look(number, user.active_at + _GRANULARITY)
        if state != "offline":
            self._look(number, user.synced_at + _SYNC_ONLINE)
        is_ping = state != "offline" and now - user.told_at > _PING
        is_news = (
            (status is not None and status != user.status)
            or before[0] != state
            or (state == "online" and before[1] != user.is_active)
            or (moved > _GRANULARITY and not (state == "online" and user.is_active))
        )
        user.status = status or user.status
        if is_ping or is_news:
            user.told_at = now
            self._tell(number, now / 1000, state)

    def _look(self, number: int, at: int) -> None:
        self._due[max(at // _LOOKS + 1, self._next_bucket)].add(number)
