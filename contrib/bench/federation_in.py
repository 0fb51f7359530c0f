"""Presence from other servers: entries a second, and one origin that floods.

    python -m contrib.bench.federation_in [--servers N] [--quick]

EDUs come as parsed JSON, as from a transaction whose signature was right. Prints a
table of what was measured beside what is asked for, and one JSON line.
"""

from __future__ import annotations

import argparse
import gc
import statistics
from typing import Any

from contrib.bench.core import seconds
from contrib.bench.report import print_json, print_table
from matrix_presence.testing import MemoryPresence

USERS = 100
_EDU = 50
#: EDUs that the hostile origin gets in for each of another: as fast as it can be read.
_FLOOD = 5


class Rig:
    """A server that shares a room with users of each other server."""

    def __init__(self, servers: int, **options: Any) -> None:
        self.presence = MemoryPresence(**options)
        self.handler = self.presence.handler
        self.receiver = self.presence.service.receiver
        self.origins = [f"server{number}.example.org" for number in range(servers)]
        for number, origin in enumerate(self.origins):
            theirs = [f"@user{each}:{origin}" for each in range(USERS)]
            self.handler.restore_room(f"!{number}:hs", [*theirs, f"@our{number}:hs"])

    def edus(self, presence: str) -> list[tuple[str, dict[str, Any]]]:
        """Everybody of every origin in this state."""
        return [
            (
                origin,
                {
                    "edu_type": "m.presence",
                    "content": {
                        "push": [
                            {
                                "user_id": f"@user{each}:{origin}",
                                "presence": presence,
                                "last_active_ago": 1000,
                                "currently_active": presence == "online",
                                "status_msg": "At my desk",
                            }
                            for each in range(start, start + _EDU)
                        ]
                    },
                },
            )
            for start in range(0, USERS, _EDU)
            for origin in self.origins
        ]

    def receive(self, edus: list[tuple[str, dict[str, Any]]]) -> None:
        """They arrive, and are shown in ticks of 50 ms."""
        received = self.receiver.edu_received
        for number, (origin, edu) in enumerate(edus):
            received(origin, edu)
            if number % 20 == 19:
                self.presence.clock.advance(0.05)
        self.presence.clock.advance(0.05)


_UNLIMITED = {"rc_presence": {"per_origin": {"per_second": 1e9, "burst_count": 10**9}}}


def throughput(servers: int) -> dict[str, float]:
    """Entries a second: all of them changes, and all of them repetitions."""
    rig = Rig(servers, **_UNLIMITED)
    entries = servers * USERS
    gc.collect()
    changes, pings = [], []
    for number in range(6):
        edus = rig.edus(("online", "unavailable")[number % 2])
        changes.append(entries / seconds(lambda edus=edus: rig.receive(edus)))
        pings.append(entries / seconds(lambda edus=edus: rig.receive(edus)))
    return {
        "changes_per_s": statistics.median(changes),
        "pings_per_s": statistics.median(pings),
    }


def hostile(servers: int) -> dict[str, float]:
    """What the others lose when one origin sends several times what they send."""
    costs: dict[bool, list[float]] = {False: [], True: []}
    for number in range(8):
        flooded = bool(number % 2)
        rig = Rig(servers)
        evil, _ = flood = rig.edus("online")[0]
        push = flood[1]["content"]["push"]
        push += push * 9  # As much as fits into 64 KiB.
        # It has used up its share, as it always has.
        while rig.receiver.dropped == 0:
            rig.receiver.edu_received(*flood)
        others = [one for one in rig.edus("unavailable") if one[0] != evil]
        edus = [each for one in others for each in [one, *([flood] * _FLOOD * flooded)]]

        def receive(rig: Rig = rig, edus: list[Any] = edus) -> None:
            for origin, edu in edus:
                rig.receiver.edu_received(origin, edu)
            rig.presence.clock.advance(0.05)

        gc.collect()
        costs[flooded].append(seconds(receive))
    quiet, flooded_cost = (statistics.median(costs[each]) for each in (False, True))
    return {"hostile_cost": (flooded_cost / quiet - 1) * 100}


ASKED: list[tuple[str, str, float, str]] = [
    ("changes_per_s", "changes validated and applied, entries/s", 50_000, ">="),
    ("pings_per_s", "repetitions, entries/s", 50_000, ">="),
    ("hostile_cost", "what a flood costs the others, %", 10, "<="),
]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, default=500)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of it")
    args = parser.parse_args()
    servers = 10 if args.quick else args.servers
    figures = throughput(servers) | hostile(servers)
    rows = []
    for key, what, asked, better in ASKED:
        value = figures[key]
        met = value <= asked if better == "<=" else value >= asked
        rows.append(
            (what, f"{value:,.1f}", f"{better} {asked:,}", "" if met else "MISSED")
        )
    print(f"{servers:,} servers with {USERS} users each")
    print_table(("", "measured", "asked", ""), rows)
    print_json("federation_in", figures)


if __name__ == "__main__":
    main()
