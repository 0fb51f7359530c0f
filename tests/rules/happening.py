"""What can happen to a device, for the tests of the rules."""

from __future__ import annotations

from hypothesis import strategies as st

from matrix_presence.rules.devices import (
    UNKNOWN,
    Device,
    status_set,
    synced,
    timed_out,
    was_active,
)
from matrix_presence.rules.states import PRESENCES, Presence
from matrix_presence.rules.timeouts import Timeouts
from matrix_presence.rules.users import add_up

OFFLINE, UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY = Presence

NOW = 1_790_000_000_000
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
TIMEOUTS = Timeouts()


def stands(device: Device, now: int, timeouts: Timeouts = TIMEOUTS) -> int:
    """The presence of a user who has this device alone."""
    return add_up([device], now, timeouts).presence


def put(device: Device, presence: int, now: int, *, kept: bool = False) -> Device:
    """The device after a PUT."""
    return status_set(device, presence, now, TIMEOUTS, kept=kept)


def sync(device: Device, stated: int | None, now: int) -> Device:
    """The device after a sync that returned at once."""
    after = synced(device, stated, now, TIMEOUTS)
    return after._replace(syncing=device.syncing)


def poll(device: Device, stated: int | None, now: int) -> Device:
    """The device while a sync is open."""
    return synced(device, stated, now, TIMEOUTS)


def act(device: Device, now: int) -> Device:
    """The device after a message."""
    return was_active(device, now, TIMEOUTS)


def left(device: Device, now: int) -> Device | None:
    """What is kept of the device when its time is looked at."""
    return timed_out(device, now, TIMEOUTS)


states = st.sampled_from(PRESENCES)
#: What clients can say by `set_presence`.
stated = st.sampled_from((None, OFFLINE, UNAVAILABLE, ONLINE))
times = st.integers(0, 2 * HOUR)


@st.composite
def devices(draw: st.DrawFn) -> Device:
    """A device after anything that can happen to one; the last of it before NOW."""
    device, now = UNKNOWN, NOW - 10 * HOUR
    for _ in range(draw(st.integers(0, 6))):
        now = min(NOW, now + draw(times))
        kind = draw(st.sampled_from(("put", "sync", "poll", "act", "kept")))
        if kind == "put":
            device = put(device, draw(states), now)
        elif kind == "kept":
            device = put(device, draw(states), now, kept=True)
        elif kind == "sync":
            device = sync(device, draw(stated), now)
        elif kind == "poll" and draw(stated) != OFFLINE:
            device = poll(device, draw(st.sampled_from((None, ONLINE))), now)
        else:
            device = act(device, now)
    return device
