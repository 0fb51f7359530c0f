"""What one change of a status costs a server when fifty clients wait for it.

    python -m contrib.bench.fanout [--quick] [--rate N] [--changes N] [--no-synapse]

Sixty users share a room; fifty of them wait in /sync and poll again at once with their
`next_batch`; another member changes the status message a hundred times. The same client
code, the same pace and the same count for three contenders:

- `windows 0`: ours, every change goes out at once;
- `defaults`: ours as it is installed: a client is woken for presence alone at most once
  a second, with the newest state;
- `synapse`: a real Synapse, in the same run.

The pace is a fixed rate, in an open loop: changes come when people make them, not when
the server is ready. Where a server falls behind, what it still has to do afterwards
counts: CPU is taken from before the first change until every client has seen the last
one and it has been quiet for a while.

Targets: CPU for a change at most 1/12 of Synapse's with windows 0 and 1/60 with the
defaults; from a change to an answered poll p50 at most 10 ms with windows 0.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from contrib.bench.load import Loop
from contrib.bench.people import Caller, register, share_a_room
from contrib.bench.pollers import Changer, Poller
from contrib.bench.report import percentile, print_json, print_table
from contrib.bench.servers import Server, presence_server
from contrib.bench.synapse_server import synapse_installed, synapse_server

#: Every window shut and the budget unlimited.
WINDOWS_0 = {"client_window": 0, "client_wakeups_per_second": 0, "tick": 0}

CPU_TARGETS = {"windows 0": 1 / 12, "defaults": 1 / 60}
LATENCY_TARGET = 0.010

#: No answer for so long, in seconds, means that a server has caught up.
QUIET = 1.5
#: How long a server may take to catch up, in seconds; what it does afterwards does not
#: count any more.
PATIENCE = 600.0
#: Within so many seconds after the last change, a server that keeps up has shown it to
#: all: a budget of wake-ups may spread them over some.
KEEPS_UP = 15.0


@attrs.frozen
class Scale:
    """How much of everything, the same for all contenders."""

    users: int = 60
    pollers: int = 50
    changes: int = 100
    #: Changes a second.
    rate: float = 20.0


@attrs.frozen
class Outcome:
    """What one contender needed."""

    name: str
    changes: int
    cpu: float
    #: From the first change until every client had seen the last one.
    seconds: float
    answers: int
    presence_events: int
    #: From a change to each client's first answer with it or a later one.
    latencies: Sequence[float]
    correct: bool
    keeps_up: bool

    @property
    def cpu_per_change(self) -> float:
        """Seconds of processor time for a change."""
        return self.cpu / self.changes

    def row(self, synapse: Outcome | None) -> list[str]:
        """The line of the table."""
        return [
            self.name,
            f"{1000 * self.cpu_per_change:.2f}",
            "" if synapse is None else f"1/{synapse.cpu / self.cpu:.1f}",
            f"{self.seconds:.1f}",
            f"{self.answers}",
            f"{self.presence_events}",
            f"{1000 * percentile(self.latencies, 0.5):.1f}",
            f"{1000 * percentile(self.latencies, 0.95):.1f}",
            "yes" if self.correct else "NO",
            "yes" if self.keeps_up else "NO",
        ]

    def figures(self, synapse: Outcome | None) -> dict[str, Any]:
        """The part of the JSON line."""
        return {
            "cpu_ms_per_change": round(1000 * self.cpu_per_change, 4),
            "of_synapse": None if synapse is None else self.cpu / synapse.cpu,
            "seconds": round(self.seconds, 2),
            "answers": self.answers,
            "presence_events": self.presence_events,
            "p50_ms": round(1000 * percentile(self.latencies, 0.5), 2),
            "p95_ms": round(1000 * percentile(self.latencies, 0.95), 2),
            "correct": self.correct,
            "keeps_up": self.keeps_up,
        }


def measure(name: str, server: Server, scale: Scale) -> Outcome:
    """Let the changes happen on a running server.

    Raises:
        RuntimeError: it refused something, or never became quiet before the changes.
    """
    caller = Caller(server.port)
    accounts = [register(caller, f"user{n}") for n in range(scale.users)]
    share_a_room(caller, accounts)
    changer_account, *waiting = accounts
    loop = Loop()
    pollers = [
        Poller(loop, server.port, account, changer_account.user_id)
        for account in waiting[: scale.pollers]
    ]
    changer = Changer(loop, server.port, changer_account)
    try:
        # Their first syncs take long where they are many, and all end together.
        _wait(loop, lambda: all(poller.answers for poller in pollers), f"{name} failed")
        # They all have just come online and tell one another so.
        _wait(loop, _quiet(pollers), f"{name} never became quiet")
        for poller in pollers:
            poller.restart()
        return _changes(name, server, scale, loop, pollers, changer)
    finally:
        for poller in pollers:
            poller.close()
        changer.close()
        loop.close()


def _changes(
    name: str,
    server: Server,
    scale: Scale,
    loop: Loop,
    pollers: Sequence[Poller],
    changer: Changer,
) -> Outcome:
    last = scale.changes - 1
    before = server.cpu_seconds()
    began = time.perf_counter()
    for change in range(scale.changes):
        moment = began + change / scale.rate
        loop.call_at(moment, functools.partial(changer.make, change))

    def everyone_saw() -> bool:
        return all(poller.newest == last for poller in pollers)

    loop.run(everyone_saw, PATIENCE)
    took = time.perf_counter() - began
    if everyone_saw():
        loop.run(_quiet(pollers), PATIENCE)
    cpu = server.cpu_seconds() - before
    return Outcome(
        name=name,
        changes=scale.changes,
        cpu=cpu,
        seconds=took,
        answers=sum(poller.answers for poller in pollers),
        presence_events=sum(poller.presence_events for poller in pollers),
        latencies=[
            latency for poller in pollers for latency in _latencies(poller, changer)
        ],
        correct=all(
            poller.newest == last and not poller.went_back for poller in pollers
        ),
        keeps_up=took <= scale.changes / scale.rate + KEEPS_UP,
    )


def _latencies(poller: Poller, changer: Changer) -> list[float]:
    """For every change: until the first answer with it or a later one, in seconds."""
    found, change = [], 0
    for seen in poller.seen:
        while change <= seen.change:
            found.append(seen.at - changer.made[change])
            change += 1
    return found


def _quiet(pollers: Sequence[Poller]) -> Callable[[], bool]:
    began = time.perf_counter()

    def quiet() -> bool:
        last = max(began, *(poller.last_answer for poller in pollers))
        return time.perf_counter() - last >= QUIET

    return quiet


def _wait(loop: Loop, done: Callable[[], bool], otherwise: str) -> None:
    if not loop.run(done, PATIENCE):
        raise RuntimeError(otherwise)


def contend(directory: Path, scale: Scale, with_synapse: bool) -> list[Outcome]:
    """All contenders, one after the other, each on a server of its own."""
    contenders: dict[str, Callable[[Path], Server]] = {
        "windows 0": lambda place: presence_server(place, WINDOWS_0),
        "defaults": presence_server,
    }
    if with_synapse:
        contenders["synapse"] = synapse_server
    outcomes = []
    for name, server_in in contenders.items():
        place = directory / name.replace(" ", "-")
        place.mkdir()
        with server_in(place) as server:
            outcomes.append(measure(name, server, scale))
    return outcomes


def main() -> None:
    """Run the bench and say what it found."""
    parser = argparse.ArgumentParser(description="CPU of a fan-out")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0, help="changes a second")
    parser.add_argument("--no-synapse", action="store_true", help="ours alone")
    options = parser.parse_args()
    scale = Scale(changes=options.changes, rate=options.rate)
    if options.quick:
        scale = Scale(users=6, pollers=4, changes=5, rate=options.rate)
    with_synapse = synapse_installed() and not options.no_synapse
    with tempfile.TemporaryDirectory(prefix="bench-fanout-") as name:
        outcomes = {
            outcome.name: outcome
            for outcome in contend(Path(name), scale, with_synapse)
        }
    report(scale, outcomes)


def report(scale: Scale, outcomes: dict[str, Outcome]) -> None:
    """The table and the JSON line."""
    synapse = outcomes.get("synapse")
    head = ["contender", "CPU ms/change", "of Synapse", "s", "answers", "events"]
    head += ["p50 ms", "p95 ms", "correct", "keeps up"]
    print_table(head, [outcome.row(synapse) for outcome in outcomes.values()])
    reached = {
        name: synapse is not None and outcomes[name].cpu <= target * synapse.cpu
        for name, target in CPU_TARGETS.items()
    }
    p50 = percentile(outcomes["windows 0"].latencies, 0.5)
    figures = {
        "scale": attrs.asdict(scale),
        "contenders": {
            name: outcome.figures(synapse) for name, outcome in outcomes.items()
        },
        "targets": CPU_TARGETS,
        "reached": {**reached, "latency": p50 <= LATENCY_TARGET},
    }
    print_json("fanout", figures)


if __name__ == "__main__":
    main()
