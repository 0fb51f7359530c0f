"""A day of people: who connects when, with what, and when they look away.

Made up from a seed, so that every contender is given the same day. Times are seconds
since midnight. A phone is looked at often and briefly, and its client ends without a
word. A desktop stays connected while its user comes and goes; its client says so when
nobody has touched it for five minutes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

DAY = 86_400.0
_HOUR, _MINUTE = 3600.0, 60.0
#: After so long without a touch, a desktop client syncs as unavailable.
_LOOKED_AWAY = 5 * _MINUTE


class Event(NamedTuple):
    """Something that a client does."""

    at: float
    user: int
    device: str
    #: `online` and `unavailable` are what the syncs of the device say from now on,
    #: `gone` that it does not sync any more, `active` a message or a receipt, and
    #: `status` a new status message.
    what: str


def day_of(users: int, seed: int) -> list[Event]:
    """Everything that so many users do in a day, in order."""
    chance = random.Random(seed)
    events = [event for user in range(users) for event in _day_of_one(user, chance)]
    return sorted(events)


def _day_of_one(user: int, chance: random.Random) -> Iterator[Event]:
    wakes = chance.gauss(7.5, 1) * _HOUR
    sleeps = min(chance.gauss(22.8, 0.8) * _HOUR, DAY - 10 * _MINUTE)
    kind = chance.random()
    if kind < 0.9:
        looks = chance.randint(3, 8) if kind < 0.2 else chance.randint(10, 30)
        yield from _phone(user, wakes, sleeps, looks, chance)
    if kind > 0.6:
        begins = chance.gauss(9, 0.7) * _HOUR
        yield from _desktop(user, begins, begins + 8 * _HOUR, chance)
    if chance.random() < 0.2:
        yield Event(chance.uniform(wakes, sleeps), user, "phone", "status")


def _phone(
    user: int, begins: float, ends: float, looks: int, chance: random.Random
) -> Iterator[Event]:
    free_from = begins
    for at in sorted(chance.uniform(begins, ends) for _ in range(looks)):
        lasts = min(max(20.0, chance.expovariate(1 / 180)), 1200.0)
        if at < free_from or at + lasts > ends:
            continue
        free_from = at + lasts + 1
        yield Event(at, user, "phone", "online")
        yield from _activity(user, "phone", at, at + lasts, 45, chance)
        yield Event(at + lasts, user, "phone", "gone")


def _desktop(
    user: int, begins: float, ends: float, chance: random.Random
) -> Iterator[Event]:
    at = begins
    while at < ends:
        until = at + chance.expovariate(1 / (12 * _MINUTE))
        back = until + chance.expovariate(1 / (10 * _MINUTE))
        yield Event(at, user, "desktop", "online")
        yield from _activity(user, "desktop", at, until, 60, chance)
        if back - until > _LOOKED_AWAY:
            yield Event(until + _LOOKED_AWAY, user, "desktop", "unavailable")
        at = back
    yield Event(max(at, ends), user, "desktop", "gone")


def _activity(
    user: int,
    device: str,
    begins: float,
    ends: float,
    gap: float,
    chance: random.Random,
) -> Iterator[Event]:
    at = begins + chance.expovariate(1 / gap)
    while at < ends:
        yield Event(at, user, device, "active")
        at += chance.expovariate(1 / gap)
