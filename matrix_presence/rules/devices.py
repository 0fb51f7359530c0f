"""What one device of a user says, and what follows from it.

A device is a value. Each thing that can happen to it is a function from the device
as it was, and `now`, to the device as it is; whether somebody is there (a *pro-active
event*, B-10) shows in a newer `last_active_ts`. What the devices add up to is in
`rules.users`.

Theory of operation. A device states a presence: by a status it sets, or by its syncs.
It holds while the device is *connected*: while a sync is open, and for a while after
the last contact (B-46). A continued sync is no activity (B-18); only an *edge* is, when
the device was away or had said unavailable (B-45). Idling is never stored: a device
that stated online counts as unavailable when its last activity is too old, so a newer
activity undoes it by itself (B-42) and a poll cannot (B-45).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import NamedTuple

from matrix_presence.rules.semantics import SPECIFIED, Semantics
from matrix_presence.rules.states import (
    AVAILABILITY,
    BUSY,
    FREE_FOR_CHAT,
    IDLING,
    OFFLINE,
    ONLINE,
    UNAVAILABLE,
    is_proactive,
)
from matrix_presence.rules.timeouts import Timeouts


class Hold(IntEnum):
    """What sets a device apart from one that simply comes and goes."""

    NONE = 0
    #: Its syncs say `set_presence=offline`: they keep it connected no longer and what
    #: it does is not activity. Any other kind of sync ends that (A-82, B-47).
    HIDDEN_BY_SYNC = 1
    #: A status of offline was set. Only another status, or a sync that says online
    #: in so many words, ends it (B-47).
    HIDDEN_BY_STATUS = 2
    #: An application service set it: it stays until changed (D-50).
    KEPT = 3


HIDDEN_BY_SYNC = Hold.HIDDEN_BY_SYNC
HIDDEN_BY_STATUS = Hold.HIDDEN_BY_STATUS
KEPT = Hold.KEPT
NOT_HELD = Hold.NONE


class Device(NamedTuple):
    """One device. Times are epoch milliseconds."""

    #: What the device last stated.
    presence: int
    hold: int
    #: The state to come back to on activity: the last available one that was stated
    #: (B-49). Online, free for chat or busy.
    available: int
    #: The last pro-active event of this device.
    last_active_ts: int
    #: The last contact that counts for being connected.
    last_seen_ts: int
    #: How many syncs are open.
    syncing: int


#: `Device` with all its facts in one argument, in half the time of the constructor:
#: what changes is read as one and becomes another.
device_of: Callable[[tuple[int, int, int, int, int, int]], Device]
device_of = partial(tuple.__new__, Device)

#: A device we have not heard of, or no longer.
UNKNOWN = Device(OFFLINE, NOT_HELD, ONLINE, 0, 0, 0)


def is_connected(device: Device, now: int, timeouts: Timeouts) -> bool:
    """Whether what the device stated still holds."""
    if device.syncing or device.hold == KEPT:
        return True
    busy = device.presence == BUSY
    lasts = timeouts.busy_online if busy else timeouts.sync_online
    return now - device.last_seen_ts < lasts


def contribution(device: Device, now: int, timeouts: Timeouts) -> tuple[int, int]:
    """What this device adds to its user at `now`, and until when.

    A presence, and the epoch ms at which time alone next changes it; 0 for never.
    """
    presence, hold, _, last_active_ts, last_seen_ts, syncing = device
    if presence == OFFLINE or hold == HIDDEN_BY_STATUS:
        return OFFLINE, 0
    if hold == KEPT:
        return presence, 0
    deadline = 0
    if not syncing:
        lasts = timeouts.busy_online if presence == BUSY else timeouts.sync_online
        deadline = last_seen_ts + lasts
        if deadline <= now:
            return OFFLINE, 0
    if timeouts.idle and (presence == ONLINE or presence == FREE_FOR_CHAT):
        idles = last_active_ts + timeouts.idle
        if idles <= now:
            return UNAVAILABLE, deadline
        if not deadline or idles < deadline:
            deadline = idles
    return presence, deadline


def status_set(
    device: Device,
    presence: int,
    now: int,
    timeouts: Timeouts,
    semantics: Semantics = SPECIFIED,
    *,
    kept: bool = False,
) -> Device:
    """The device after its user set this status with it (A-29, A-30).

    `kept`: set by an application service whose states stay until changed (D-50).
    """
    if presence == OFFLINE:
        return device._replace(
            presence=OFFLINE,
            hold=HIDDEN_BY_STATUS if semantics.hides else NOT_HELD,
            available=ONLINE,
            last_seen_ts=now,
        )
    before, _ = contribution(device, now, timeouts)
    # What was kept may have been inactive for ever; it would be idle at once.
    begins_anew = device.hold == KEPT and presence in IDLING
    proactive = begins_anew or _is_activity(before, presence, semantics)
    return Device(
        presence,
        KEPT if kept else NOT_HELD,
        device.available if presence == UNAVAILABLE else presence,
        now if proactive else device.last_active_ts,
        now,
        device.syncing,
    )


def _is_activity(before: int, after: int, semantics: Semantics) -> bool:
    if semantics.statements_are_activity:
        return after >= ONLINE
    return is_proactive(before, after)


def synced(
    device: Device,
    stated: int | None,
    now: int,
    timeouts: Timeouts,
    semantics: Semantics = SPECIFIED,
) -> Device:
    """The device as a sync of it begins.

    `stated` is the request's `set_presence`, None where it was omitted: that means
    online too, but it does not reveal somebody who set their status to offline, and
    it returns to free for chat where online would replace it.
    """
    if stated == OFFLINE:
        if not semantics.hides:
            return device
        return _synced_in_hiding(device, now, timeouts)
    before, hold, available, last_active_ts, _, syncing = device
    says_so = stated == ONLINE or not semantics.hides
    if hold == KEPT or (hold == HIDDEN_BY_STATUS and not says_so):
        return device._replace(syncing=syncing + 1, last_seen_ts=now)
    if hold == HIDDEN_BY_STATUS or not is_connected(device, now, timeouts):
        before = OFFLINE
    presence, available = _stated_by_sync(before, available, stated)
    # Only an edge is activity: a poll that goes on in the same state is not (B-18).
    if (
        presence >= ONLINE
        if semantics.statements_are_activity
        else AVAILABILITY[presence] > AVAILABILITY[before]
    ):
        last_active_ts = now
    return device_of((presence, NOT_HELD, available, last_active_ts, now, syncing + 1))


def _stated_by_sync(before: int, available: int, stated: int | None) -> tuple[int, int]:
    """The presence and the available state after a sync that does not hide.

    Args:
        before: what the device shows.
        available: what it would come back to.
    """
    if before == BUSY:  # Only a status ends busy (B-50).
        return BUSY, BUSY
    if stated == UNAVAILABLE:
        return UNAVAILABLE, ONLINE if before == OFFLINE else available
    if stated is not None:
        # A continued poll that says online is no choice against free for chat.
        continued = stated == ONLINE and before in IDLING
        chosen = before if continued else stated
        return chosen, chosen
    if before == OFFLINE:
        return ONLINE, ONLINE
    return available, available


def _synced_in_hiding(device: Device, now: int, timeouts: Timeouts) -> Device:
    """After `set_presence=offline`: what is seen stays, what comes is not (A-82)."""
    if device.hold in (HIDDEN_BY_STATUS, KEPT):
        return device
    if is_connected(device, now, timeouts):
        return device._replace(hold=HIDDEN_BY_SYNC)
    return device._replace(presence=OFFLINE, hold=HIDDEN_BY_SYNC)


def was_active(
    device: Device,
    now: int,
    timeouts: Timeouts,
    semantics: Semantics = SPECIFIED,
    *,
    when_disconnected: bool = True,
) -> Device:
    """The device after a pro-active event: a message, a receipt, typing (B-12, B-17).

    Any activity makes the user online (B-42), but nothing that a hidden device does
    shows (B-47). A device that is not connected comes online by it, and goes when the
    time of a contact is over, unless `when_disconnected` is False (B-48).
    """
    if device.hold in (HIDDEN_BY_SYNC, HIDDEN_BY_STATUS):
        return device
    presence = device.presence
    if presence == OFFLINE or not is_connected(device, now, timeouts):
        if not when_disconnected:
            return device
        return Device(ONLINE, NOT_HELD, ONLINE, now, now, device.syncing)
    if presence == UNAVAILABLE:
        comes_back = device.available != BUSY or semantics.busy_comes_back
        presence = device.available if comes_back else ONLINE
    return Device(presence, device.hold, device.available, now, now, device.syncing)


def idled(device: Device, now: int, timeouts: Timeouts) -> Device:
    """The device as one that has said unavailable, if it is idle by now (B-40).

    For those who keep what time has done, and do not ask for it anew each time.
    """
    presence, _ = contribution(device, now, timeouts)
    if presence == UNAVAILABLE != device.presence:
        return device._replace(presence=UNAVAILABLE)
    return device


def timed_out(device: Device, now: int, timeouts: Timeouts) -> Device | None:
    """What is left of a device when its connection may be over; None for nothing.

    That a device hides has to be remembered (B-47), what it stated before does not.
    """
    if is_connected(device, now, timeouts):
        return device
    if device.hold == NOT_HELD:
        return None
    if device.hold == HIDDEN_BY_SYNC and device.presence != OFFLINE:
        return device._replace(presence=OFFLINE, available=ONLINE)
    return device
