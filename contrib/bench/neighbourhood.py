"""Other servers: who shares which room with whom, and when each can be reached.

Two large rooms, some dozens of middling ones and many small ones, so that some servers
know nearly everybody here and most know a few. A tenth of them are down for hours, and
a tenth for some minutes of each hour.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from contrib.bench.day import DAY

_HOUR = 3600.0

#: How a server shows a user: presence, status, whether currently active.
Shown = tuple[str, str | None, bool]
OFFLINE = "offline"
#: Seconds after which a server takes a user for offline of whom it hears nothing (C-9).
TIMES_OUT = 1800.0


class Room(NamedTuple):
    """A room, by the numbers of our users and of the other servers in it."""

    users: list[int]
    servers: list[int]


def rooms_of(users: int, servers: int, chance: random.Random) -> list[Room]:
    """The rooms of so many users and servers; no server is in none."""
    everybody, everywhere = range(users), range(servers)

    def room(low: float, high: float, fewest: float, most: float) -> Room:
        members = chance.uniform(low, high) * users
        others = chance.uniform(fewest, most) * servers
        return Room(
            chance.sample(everybody, max(1, round(members))),
            chance.sample(everywhere, max(1, round(others))),
        )

    rooms = [room(0.3, 0.4, 0.3, 0.4) for _ in range(2)]
    rooms += [room(0.01, 0.04, 0.01, 0.07) for _ in range(30)]
    rooms += [room(0.001, 0.004, 0.0, 0.01) for _ in range(users // 2)]
    known = {server for one in rooms for server in one.servers}
    rooms += [
        Room([chance.choice(everybody)], [one])
        for one in everywhere
        if one not in known
    ]
    return rooms


class Peer:
    """Another server, and what it shows."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.name = f"server{number}.example.org"
        kind = number % 10
        begins = chance.uniform(0, DAY / 2)
        lasts = chance.uniform(2, 8) * _HOUR
        self._outage = (begins, begins + lasts) if kind == 3 else (0.0, 0.0)
        self._minute = chance.uniform(0, 50) * 60 if kind == 7 else None
        #: By user id: what it was told, and when.
        self._told: dict[str, tuple[Shown, float]] = {}

    def is_up(self, at: float) -> bool:
        """Whether it answers, at so many seconds since midnight."""
        begins, ends = self._outage
        if begins <= at < ends:
            return False
        if self._minute is not None and at < DAY:
            return not self._minute <= at % _HOUR < self._minute + 300
        return True

    def told(self, entry: dict[str, Any], at: float) -> None:
        """It takes one entry of a push."""
        shown = (
            entry["presence"],
            entry.get("status_msg"),
            entry.get("currently_active", False),
        )
        self._told[entry["user_id"]] = shown, at

    def shows(self, user_id: str, at: float) -> Shown:
        """How it shows this user."""
        shown, told_at = self._told.get(user_id, ((OFFLINE, None, False), at))
        if at - told_at >= TIMES_OUT and shown[0] != OFFLINE:
            return OFFLINE, shown[1], False
        return shown
