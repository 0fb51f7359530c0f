"""What Synapse would tell other servers of a day if nobody paused between polls.

A model of its outgoing presence by its documented rules and not Synapse itself, of the
best that they can come to: a device that syncs counts as active, so that who is
connected is currently active throughout; it is gone 30 s after its last sync has
returned, seen by a timer of 5 s; each change of state or status is told, and who was
not told of for 25 minutes is told of again. What those rules make of clients as they
poll is in `synapse_polled`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from heapq import heappop, heappush

from contrib.bench.day import Event

_SYNC_TIMEOUT = 30.0
_PING = 1500.0
_TIMER = 5.0


class SynapseRules:
    """Lives through it.

    Args:
        tell: called with the number of a user, and with how many s it is since
            midnight, for each that other servers are told of.
    """

    def __init__(self, tell: Callable[[int, float], object]) -> None:
        self._tell_others = tell
        self._devices: dict[int, dict[str, str]] = defaultdict(dict)
        self._shown: dict[int, str] = defaultdict(lambda: "offline")
        self._told_at: dict[int, float] = {}
        self._timers: list[tuple[float, int, str]] = []
        #: By user and device: when the wait for its next sync ends; 0 while it syncs.
        self._gone_at: dict[tuple[int, str], float] = {}

    def replay(self, events: Sequence[Event], until: float) -> None:
        """All of this happens, and time passes."""
        for event in events:
            self._pass_time(event.at)
            self._happened(event)
        self._pass_time(until)

    def _happened(self, event: Event) -> None:
        user, device = event.user, event.device
        if event.what == "gone":
            # Seen by the timer that comes next.
            due = (event.at + _SYNC_TIMEOUT) // _TIMER * _TIMER + _TIMER
            self._gone_at[user, device] = due
            heappush(self._timers, (due, user, device))
        elif event.what == "status":
            self._tell(user, event.at)
        elif event.what != "active":
            self._gone_at[user, device] = 0.0
            self._devices[user][device] = event.what
            self._update(user, event.at)

    def _pass_time(self, until: float) -> None:
        while self._timers and self._timers[0][0] <= until:
            at, user, device = heappop(self._timers)
            if not device:
                self._ping(user, at)
            elif self._gone_at[user, device] == at:
                self._devices[user].pop(device, None)
                self._update(user, at)

    def _update(self, user: int, at: float) -> None:
        states = set(self._devices[user].values())
        ranked = ("online", "unavailable")
        state = next((one for one in ranked if one in states), "offline")
        if state != self._shown[user]:
            self._shown[user] = state
            self._tell(user, at)

    def _ping(self, user: int, at: float) -> None:
        if self._shown[user] == "offline":
            return
        due = self._told_at[user] + _PING
        if at >= due:
            self._tell(user, at)
        else:
            heappush(self._timers, (due // _TIMER * _TIMER + _TIMER, user, ""))

    def _tell(self, user: int, at: float) -> None:
        self._told_at[user] = at
        if self._shown[user] != "offline":
            due = (at + _PING) // _TIMER * _TIMER + _TIMER
            heappush(self._timers, (due, user, ""))
        self._tell_others(user, at)
