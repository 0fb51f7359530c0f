"""What the devices of one user add up to, and which of it is news to others.

Clients report presence per device; everyone else sees one state per user (B-1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from matrix_presence.rules.devices import HIDDEN_BY_STATUS, Device, contribution
from matrix_presence.rules.states import FREE_FOR_CHAT, OFFLINE, ONLINE
from matrix_presence.rules.timeouts import Timeouts


class Standing(NamedTuple):
    """One user as their devices have them."""

    presence: int
    #: The last pro-active event of any device, epoch ms; 0 for none.
    last_active_ts: int
    #: Offline because the user said so, not because nobody is there (B-47).
    hidden: bool
    #: When time alone may next change any of this, epoch ms; 0 for never.
    deadline: int


#: In half the time of the constructor: every change makes one.
_standing: Callable[[tuple[int, int, bool, int]], Standing]
_standing = partial(tuple.__new__, Standing)


def add_up(devices: Iterable[Device], now: int, timeouts: Timeouts) -> Standing:
    """The user who has these devices: as available as the most available (B-5)."""
    presence: int = OFFLINE
    last_active_ts = deadline = 0
    says_offline = False
    for device in devices:
        stated, until = contribution(device, now, timeouts)
        if stated > presence:
            presence = stated
        if device.last_active_ts > last_active_ts:
            last_active_ts = device.last_active_ts
        if device.hold == HIDDEN_BY_STATUS:
            says_offline = True
        if until and (not deadline or until < deadline):
            deadline = until
    hidden = says_offline and presence == OFFLINE
    return _standing((presence, last_active_ts, hidden, deadline))


def is_currently_active(
    presence: int, last_active_ts: int, now: int, granularity: int
) -> bool:
    """Whether the last activity is recent enough to stand for now (B-30, B-34)."""
    return (
        presence == ONLINE or presence == FREE_FOR_CHAT
    ) and now - last_active_ts < granularity


class Shown(NamedTuple):
    """What others were last told of a user."""

    presence: int
    currently_active: bool | int
    last_active_ts: int


def is_news(
    shown: Shown, to_show: Shown, granularity: int, *, offline_too: bool = False
) -> bool:
    """Whether others have to be told.

    A change of state always (B-35); the end or the beginning of being currently
    active too. A newer activity alone is news only while nobody was told that the
    user is currently active (B-31), not within a granularity of the last one told
    (B-19), and never of somebody offline: that would show what a hidden user does.

    Args:
        offline_too: a newer activity is news of somebody offline all the same.
    """
    if to_show.presence != shown.presence:
        return True
    if to_show.presence == OFFLINE and not offline_too:
        return False
    if to_show.currently_active != shown.currently_active:
        return True
    if to_show.currently_active:
        return False
    return to_show.last_active_ts - shown.last_active_ts >= granularity
