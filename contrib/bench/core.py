"""The core without HTTP: memory, throughput, ticks, reading and time-outs.

    python -m contrib.bench.core [--users N] [--rooms N] [--quick]

Prints a table of what was measured beside what is asked for, and one JSON line. Each
section runs in a process of its own, so that memory is that of the section alone.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from matrix_presence.__main__ import settle_memory
from matrix_presence.config import parse
from matrix_presence.interfaces import IPresenceStore, StoreHead
from matrix_presence.rate_limits import PerUser, RcPresence
from matrix_presence.rules.states import Presence
from matrix_presence.service import PresenceService
from matrix_presence.testing import MemoryHomeserver

ROOMS_PER_USER = 8
#: Users whose syncs and changes are timed, in an order of their own.
_NAMED = 100_000
_EPOCH = 1_790_000_000.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


@implementer(IPresenceStore)
class _NoStore:
    """Takes everything at once: what is measured is the core."""

    def open(self) -> Deferred[StoreHead]:
        return succeed(StoreHead(0, True))

    def load(self, after: str, limit: int) -> Any:
        return succeed([])

    def load_old_servers(self) -> Any:
        return succeed(())

    def load_lists(self, after: tuple[str, str], limit: int) -> Any:
        return succeed([])

    def load_destinations(self, after: str, limit: int) -> Any:
        return succeed([])

    def write(self, batch: Any) -> Any:
        return succeed([])

    def close(self, position: int | None) -> Deferred[None]:
        return succeed(None)


class WallClock(Clock):
    """Tells the real time, as cheaply as a reactor does; calls wait for `advance`."""

    seconds = staticmethod(time.time)

    def turn(self) -> None:
        """One turn of a reactor: what is due now, not what becomes due by it."""
        now = self.seconds()
        for call in [call for call in self.calls if call.getTime() <= now]:
            self.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


class Rig:
    """A started service with many users online."""

    def __init__(self, clock: Clock | None = None, **options: Any) -> None:
        self.clock = clock or Clock()
        if clock is None:
            self.clock.advance(_EPOCH)
        # Derived state is written once at the end: a store is not what is measured.
        config = attrs.evolve(
            parse({"persist_interval": "1d"} | options),
            rc_presence=RcPresence(PerUser(per_second=0, burst_count=1)),
        )
        self.service = PresenceService(
            self.clock, MemoryHomeserver("example.org"), _NoStore(), config
        )
        self.service.startService()
        self.handler = self.service.handler
        self.cache = self.service.cache

    def populate(self, users: int) -> None:
        """This many users, each with one device that syncs.

        `names` are those that the first of them synced with, the very objects: a host
        keeps one pair of strings with each login, and hands them in each time.
        """
        began = self.handler.sync_began
        self.names: list[tuple[str, str]] = []
        for number in range(users):
            name, device = user_id(number), device_id(number)
            if number < _NAMED:
                self.names.append((name, device))
            began(name, device, None)
        self.service.ticks.tick()
        self.clock.advance(0)
        # As `matrix-presence serve` does when it has loaded everything.
        settle_memory()

    def fill_rooms(self, users: int, rooms: int) -> None:
        """Everybody in `ROOMS_PER_USER` rooms of random members."""
        chance = random.Random(1)
        members = [array("I") for _ in range(rooms)]
        for user in range(users):
            for _ in range(ROOMS_PER_USER):
                members[chance.randrange(rooms)].append(user)
        for number in range(rooms):
            room_users, members[number] = members[number], array("I")
            self.cache.rooms.restore(f"!room{number}:hs", room_users)


def user_id(number: int) -> str:
    """As long as real ones."""
    return f"@user{number}:example.org"


def device_id(number: int) -> str:
    """Ten capital letters, all different."""
    return f"DEV{number:07d}"


def resident() -> float:
    """MB of this process that are in memory."""
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * _PAGE / 1e6


def seconds(work: Callable[[], object]) -> float:
    """The processor time it takes: the machine may have other things to do."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


# The sections. Each answers figures by name.


def memory(users: int, rooms: int) -> dict[str, float]:
    """MB above a process that has everything imported and nobody known."""
    rig = Rig()
    empty = resident()
    rig.populate(users)
    alone = resident() - empty
    rig.fill_rooms(users, rooms)
    return {"memory_mb": alone, "memory_rooms_mb": resident() - empty}


def quiet(users: int, rooms: int) -> dict[str, float]:
    """Syncs and bumps a second that change nothing visible."""
    rig = Rig(WallClock())
    rig.populate(users)
    handler, names = rig.handler, rig.names
    some = len(names)
    random.Random(2).shuffle(names)
    # Pairs side by side: to fetch them is not what is measured.
    names = [(name, device) for name, device in names]

    def syncs() -> None:
        began: Callable[..., Any] = handler.sync_began
        ended = handler.sync_ended
        for name, device in names:
            ended(began(name, device, None))

    def bumps() -> None:
        active = handler.active
        for name, device in names:
            active(name, device)

    return {
        "syncs_per_s": some / statistics.median(seconds(syncs) for _ in range(5)),
        "bumps_per_s": some / statistics.median(seconds(bumps) for _ in range(5)),
    }


def visible(users: int, rooms: int) -> dict[str, float]:
    """Visible changes a second through rules, wheel, tick and stream."""
    rig = Rig()
    rig.populate(users)
    who, rounds = rig.names, []
    some = len(who)
    for number in range(6):
        stated = (Presence.UNAVAILABLE, Presence.ONLINE)[number % 2]

        def change(stated: int = stated) -> None:
            began = rig.handler.sync_began
            for start in range(0, some, 5000):
                for name, device in who[start : start + 5000]:
                    began(name, device, stated)
                rig.clock.advance(0.05)

        rounds.append(some / seconds(change))
    return {"changes_per_s": statistics.median(rounds)}


def ticks(users: int, rooms: int) -> dict[str, float]:
    """One tick of 5,000 changes with 100,000 waiting viewers, in slices."""
    clock = WallClock()
    rig = Rig(clock, client_wakeups_per_second=1)
    rig.populate(users)
    rig.fill_rooms(users, rooms)
    chance = random.Random(3)
    waiting = rig.service.waiting
    for user in chance.sample(range(users), min(100_000, users // 2)):
        waiting.wait(user, lambda: True, already=False)
    totals, longest = [], []
    for _ in range(5):
        for user in chance.sample(range(users), min(5000, users // 20)):
            rig.service.ticks.changed(user, urgent=True)
        slices = [seconds(rig.service.ticks.tick)]
        while rig.service.ticks.busy:
            slices.append(seconds(clock.turn))
        totals.append(sum(slices))
        longest.append(max(slices))
        time.sleep(1.1)  # One more client may be woken.
        clock.turn()
    return {
        "tick_ms": statistics.median(totals) * 1e3,
        "tick_slice_ms": statistics.median(longest) * 1e3,
    }


def reading(users: int, rooms: int) -> dict[str, float]:
    """One viewer's incremental part, and a snapshot of 5,000 users."""
    rig = Rig()
    rig.populate(users)
    rig.fill_rooms(users, rooms)
    chance = random.Random(4)
    sync = rig.service.sync
    since = rig.service.view.position()
    for user in chance.sample(range(users), min(5000, users // 20)):
        rig.service.ticks.changed(user, urgent=True)
    rig.service.ticks.tick()
    rig.clock.advance(0)
    viewers = [user_id(n) for n in chance.sample(range(users), min(1000, users))]
    found = 0

    def read() -> None:
        nonlocal found
        for viewer in viewers:
            found += len(sync.part(viewer, since)[0])

    part = statistics.median(seconds(read) for _ in range(5)) / len(viewers)
    crowd = chance.sample(range(users), min(5000, users))
    rig.cache.rooms.restore("!crowd:hs", crowd)
    viewer = user_id(crowd[0])
    shown = len(sync.part(viewer, None)[0])
    snapshot = statistics.median(
        seconds(lambda: sync.part(viewer, None)) for _ in range(9)
    )
    return {
        "part_us": part * 1e6,
        "part_events": found / 5 / len(viewers),
        "snapshot_ms": snapshot * 1e3,
        "snapshot_users": shown,
    }


def sweeping(users: int, rooms: int) -> dict[str, float]:
    """What a second of time-outs costs: few due of many, and few due of few."""
    costs: dict[str, list[float]] = {"many": [], "few": []}
    rigs = {}
    for name, known in (("many", users), ("few", users // 10)):
        rigs[name] = rig = Rig(sync_online_timeout="50m", idle_timeout="30m")
        rig.populate(known)
        rig.clock.advance(61)  # Nobody is currently active any more.
        _drain(rig)
    due = min(1000, users // 20)
    # In turns: the speed of a machine changes.
    for _ in range(25):
        for name, rig in rigs.items():
            rig.clock.rightNow += 2
            for user in range(due):
                rig.cache.wheel.put(user, rig.handler.now() - 1000)
            rig.clock.rightNow += 2
            costs[name].append(seconds(partial(_drain, rig)))
    return {
        f"sweep_{name}_ms": statistics.median(cost) * 1e3
        for name, cost in costs.items()
    }


def _drain(rig: Rig) -> None:
    while rig.handler.time_out(500):
        pass


SECTIONS: dict[str, Callable[[int, int], dict[str, float]]] = {
    work.__name__: work for work in (memory, quiet, visible, ticks, reading, sweeping)
}

#: Figure, what it is, what is asked for, and whether more or less is better.
ASKED = [
    ("memory_mb", "1,000,000 users online, no rooms, MB", 400, "<="),
    ("memory_rooms_mb", "the same with 200,000 rooms, MB", 700, "<="),
    ("syncs_per_s", "syncs that change nothing, per s", 500_000, ">="),
    ("bumps_per_s", "bumps that change nothing, per s", 500_000, ">="),
    ("changes_per_s", "visible changes, per s", 150_000, ">="),
    ("tick_ms", "tick of 5,000 changes, 100,000 waiting, ms", 100, "<="),
    ("tick_slice_ms", "its longest slice, ms", 10, "<="),
    ("part_us", "one viewer's incremental part, us", 100, "<="),
    ("snapshot_ms", "snapshot of 5,000 users, ms", 10, "<="),
    ("sweep_ratio", "sweep of as many due, 10 x as many known, ratio", 1.5, "<="),
]


def main() -> None:
    """Run the sections and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rooms", type=int, default=200_000)
    parser.add_argument("--quick", action="store_true", help="a hundredth of it")
    parser.add_argument("--only", choices=SECTIONS, help="one section, as JSON")
    args = parser.parse_args()
    if args.quick:
        args.users, args.rooms = 10_000, 2_000
    if args.only:
        print(json.dumps(SECTIONS[args.only](args.users, args.rooms)))
        return
    figures: dict[str, float] = {}
    for name in SECTIONS:
        command = [sys.executable, "-m", "contrib.bench.core", "--only", name]
        command += ["--users", str(args.users), "--rooms", str(args.rooms)]
        figures |= json.loads(subprocess.check_output(command))
    figures["sweep_ratio"] = figures["sweep_many_ms"] / figures["sweep_few_ms"]
    print(f"{args.users:,} users, {args.rooms:,} rooms, {ROOMS_PER_USER} rooms a user")
    for key, what, asked, better in ASKED:
        met = figures[key] <= asked if better == "<=" else figures[key] >= asked
        verdict = "" if met else "  MISSED"
        print(f"{what:50} {figures[key]:12,.1f}   asked {better} {asked:,}{verdict}")
    print(json.dumps({"bench": "core", **figures}))


if __name__ == "__main__":
    main()
