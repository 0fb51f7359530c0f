"""What Synapse would send for a day, by the rules that its documentation gives.

A model of its outgoing presence and not Synapse itself, with its defects left out,
which would only make it send more: a device that syncs counts as active, so that who
is connected is currently active throughout; it is gone 30 s after its last sync has
returned, seen by a timer of 5 s; each change of state or status goes to every server
that shares a room, which are woken at most fifty a second and then get all that waits
for them; who was not told of for 25 minutes is told of again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush

from contrib.bench.day import Event

_SYNC_TIMEOUT = 30.0
_PING = 1500.0
_TIMER = 5.0
#: Seconds between two servers that are woken.
_SPREAD = 0.02


class SynapseRules:
    """Counts.

    Args:
        servers_of: by user, the numbers of the servers that are told of them.
        is_up: whether a server answers at a time; while it does not, nothing is sent.
    """

    def __init__(
        self, servers_of: Sequence[list[int]], is_up: Callable[[int, float], bool]
    ) -> None:
        self._servers_of = servers_of
        self._is_up = is_up
        self._devices: dict[int, dict[str, str]] = defaultdict(dict)
        self._shown: dict[int, str] = defaultdict(lambda: "offline")
        self._told_at: dict[int, float] = {}
        self._timers: list[tuple[float, int, str]] = []
        #: By user and device: when the wait for its next sync ends; 0 while it syncs.
        self._gone_at: dict[tuple[int, str], float] = {}
        #: By server: when it is woken next, and who has been told of with that.
        self._woken_at: dict[int, float] = {}
        self._waiting: dict[int, set[int]] = defaultdict(set)
        self._free_at = 0.0
        self.entries = 0
        self.transactions = 0

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
        for server in self._reachable(user, at):
            if self._woken_at.get(server, -1.0) < at:
                self._free_at = max(at, self._free_at) + _SPREAD
                self._woken_at[server] = self._free_at
                self._waiting[server] = set()
                self.transactions += 1
            if user not in self._waiting[server]:
                self._waiting[server].add(user)
                self.entries += 1

    def _reachable(self, user: int, at: float) -> Iterator[int]:
        return (one for one in self._servers_of[user] if self._is_up(one, at))
