"""Presence to other servers: one change seen by thousands, and a day of silence.

    python -m contrib.bench.federation_out [--servers N] [--quick]

Nothing is signed and nothing leaves the process: what is measured is deciding whom to
tell, keeping it, and composing what is said. Prints a table of what was measured beside
what is asked for, and one JSON line.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import tracemalloc
from collections.abc import Sequence
from typing import Any

from pyroaring import BitMap
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from contrib.bench.core import seconds
from contrib.bench.report import print_json, print_table
from matrix_presence.federation.bodies import Bodies
from matrix_presence.federation.sender import Sender
from matrix_presence.testing import MemoryPresence
from matrix_presence.ticks import Tick

USERS = 500
_UNLIMITED = {"transactions_per_second": 0, "transactions_at_once": 1_000_000}


class Link:
    """Answers at once, or never."""

    def __init__(self) -> None:
        self.bodies: list[Sequence[dict[str, Any]]] = []
        self.down = False

    def send(self, destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
        """Keeps what is sent."""
        if self.down:
            return fail(ConnectionError("down"))
        self.bodies.append(edus)
        return succeed(None)


class Rig:
    """A server whose users are in one room with a user of each other server."""

    def __init__(self, servers: int, **options: Any) -> None:
        self.link = Link()
        self.presence = MemoryPresence(federation=self.link, **options)
        self.clock: Clock = self.presence.clock
        ours = [f"@user{number}:hs" for number in range(USERS)]
        theirs = [f"@user:server{number}.example.org" for number in range(servers)]
        self.presence.handler.restore_room("!room:hs", [*ours, *theirs])
        self.users = [self.presence.handler.cache.users.index[one] for one in ours]
        sender = self.presence.service.sender
        assert sender is not None
        self.sender: Sender = sender

    def pass_time(self, passed: float, step: float = 0.1) -> None:
        """Let so much time pass."""
        until = self.clock.seconds() + passed
        while self.clock.seconds() < until:
            self.clock.advance(step)


def one_change(servers: int) -> dict[str, float]:
    """One change of a user that all servers see: queued, composed, and all sent."""
    queueing, composing, sending = [], [], []
    for number in range(7):
        # With next to no budget, nearly all stay where they are put.
        rig = Rig(servers, transactions_per_second=1)
        tick = Tick(BitMap([rig.users[number]]), BitMap(), [], [])

        def queue(rig: Rig = rig, tick: Tick = tick) -> None:
            rig.sender.ticked(tick)

        bodies = Bodies(rig.presence.handler.cache, rig.presence.service.config)
        now = rig.presence.handler.now()

        def compose(bodies: Bodies = bodies, rig: Rig = rig, now: int = now) -> None:
            bodies.begin(now)
            for destination in range(servers):
                bodies.of(destination, rig.sender.outbox.of(destination), now)

        gc.collect()
        queueing.append(seconds(queue))
        composing.append(seconds(compose))

        rig = Rig(servers, **_UNLIMITED)

        def send(rig: Rig = rig, tick: Tick = tick) -> None:
            rig.sender.ticked(tick)
            while rig.sender.outbox.pending:
                rig.clock.advance(0)

        sending.append(seconds(send))
        assert len(rig.link.bodies) == servers
        composed = len({id(body) for body in rig.link.bodies})
    queued, made = statistics.median(queueing), statistics.median(composing)
    return {
        "queue_ms": queued * 1e3,
        "compose_ms": made * 1e3,
        "queue_compose_ms": (queued + made) * 1e3,
        "send_ms": statistics.median(sending) * 1e3,
        "composed": composed,
    }


def day_of_silence(servers: int) -> dict[str, float]:
    """What a destination that is down costs after a day of changes."""
    rig = Rig(servers)
    rig.link.down = True
    chance = random.Random(1)
    gc.collect()
    tracemalloc.start()
    hours = 24
    for _ in range(hours * 12):
        changed = BitMap(chance.sample(rig.users, 10))
        rig.sender.ticked(Tick(changed, BitMap(), [], []))
        rig.pass_time(300, 10)
    # What was composed last is good for a second; it is of no one server.
    rig.pass_time(2)
    rig.sender.ticked(Tick(BitMap(rig.users[:1]), BitMap(), [], []))
    # What is on disk otherwise, and what the store remembers for tests.
    rig.presence.store.committed.clear()
    rig.presence.store.destinations.clear()
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    bitmap = len(rig.sender.outbox.of(0).serialize())
    return {
        "down_bytes": kept / servers,
        "down_bitmap_bytes": bitmap,
        "down_attempts": rig.sender.failed / servers,
    }


ASKED: list[tuple[str, str, float]] = [
    ("queue_compose_ms", "one change: queued and composed, ms", 20),
    ("composed", "different bodies among them", 1),
    ("down_bytes", "a server that was down for a day, bytes", 1024),
    ("down_attempts", "attempts to reach it in that day", 24),
]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, default=5000)
    parser.add_argument("--quick", action="store_true", help="a hundredth of it")
    args = parser.parse_args()
    servers = 50 if args.quick else args.servers
    figures = one_change(servers) | day_of_silence(max(20, servers // 10))
    rows = []
    for key, what, asked in ASKED:
        missed = "" if figures[key] <= asked else "MISSED"
        rows.append((what, f"{figures[key]:,.1f}", f"<= {asked:,}", missed))
    rows.append(
        ("the same, all sent and answered, ms", f"{figures['send_ms']:,.1f}", "", "")
    )
    print(f"{servers:,} servers in one room with {USERS} of our users")
    print_table(("", "measured", "asked", ""), rows)
    print_json("federation_out", figures)


if __name__ == "__main__":
    main()
