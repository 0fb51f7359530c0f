"""What presence costs a Synapse: its own, and ours as its module.

    python -m contrib.bench.synapse [--quick] [--rate N] [--changes N] [--users N]
                                    [--people N]

Two Synapses with the same configuration, one after the other in the same run, the rate
limits out of the way in both. First each is asked from inside what the most frequent
calls take while nothing changes, and what a second takes in which ten thousand people
poll and nothing changes either (see `synapse_probe`). Then sixty users share a room,
fifty of them wait in /sync, and another changes the status message a hundred times; see
`fanout` for how that is measured. Ours has its windows and its budget as installed.

With `--users 300 --rate 2 --changes 120` more clients wait than a Synapse can wake.

Targets, ours to stock: the calls and the people 1/20, processor time of the server for
a change 1/8, with 300 clients 1/6.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from contrib.bench.fanout import Outcome, Scale, measure
from contrib.bench.report import print_json, print_table
from contrib.bench.synapse_server import synapse_server

MODULE = {"module": "matrix_presence.synapse.PresenceModule", "config": {}}

CALL_TARGET = 1 / 20
#: By how many clients wait.
CHANGE_TARGETS = ((300, 1 / 6), (0, 1 / 8))

#: Seconds until a probe must have written its figures.
_PATIENCE = 1200.0


@attrs.frozen
class Calls:
    """How much is asked from inside."""

    rounds: int = 5000
    people: int = 10_000
    #: Of people who poll, enough for what happens once a minute to happen twice.
    seconds: float = 120.0


def probe(directory: Path, modules: list[Any], calls: Calls) -> dict[str, float]:
    """Seconds of processor time for one call of each kind, and for a second of polls.

    Raises:
        RuntimeError: the probe has not told.
    """
    file = directory / "figures.json"
    config = {"file": str(file), **attrs.asdict(calls)}
    module = {"module": "contrib.bench.synapse_probe.Probe", "config": config}
    with synapse_server(directory, {"modules": [*modules, module]}) as server:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and server.is_running:
            if file.exists() and (text := file.read_text()):
                figures: dict[str, float] = json.loads(text)
                return figures
            time.sleep(0.1)
    raise RuntimeError(f"no figures:\n{server.log[-4000:]}")


def contend(directory: Path, scale: Scale, calls: Calls) -> dict[str, Any]:
    """By contender: what the calls take, and what the changes took."""
    found = {}
    for name, modules in (("stock", []), ("ours", [MODULE])):
        places = [directory / f"{name}-{what}" for what in ("calls", "changes")]
        for place in places:
            place.mkdir()
        figures = probe(places[0], modules, calls)
        with synapse_server(places[1], {"modules": modules}) as server:
            found[name] = figures, measure(name, server, scale)
    return found


def main() -> None:
    """Run the bench and say what it found."""
    parser = argparse.ArgumentParser(description="Presence in a Synapse")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0, help="changes a second")
    parser.add_argument("--users", type=int, default=50, help="clients that wait")
    parser.add_argument("--people", type=int, default=10_000, help="who only poll")
    options = parser.parse_args()
    scale = Scale(
        users=options.users + 10,
        pollers=options.users,
        changes=options.changes,
        rate=options.rate,
    )
    calls = Calls(people=options.people)
    if options.quick:
        scale = Scale(users=6, pollers=4, changes=5, rate=10.0)
        calls = Calls(rounds=200, people=300, seconds=1.0)
    with tempfile.TemporaryDirectory(prefix="bench-synapse-") as name:
        report(scale, contend(Path(name), scale, calls))


def report(scale: Scale, found: Mapping[str, tuple[dict[str, float], Outcome]]) -> None:
    """The tables and the JSON line."""
    stock_calls, stock = found["stock"]
    calls, ours = found["ours"]
    # Less than can be told from an idle server is next to nothing.
    ratios = {name: max(calls[name], 1e-9) / stock_calls[name] for name in calls}
    target = next(at for least, at in CHANGE_TARGETS if scale.pollers >= least)
    print_table(
        ["call, or a second of polls", "stock us", "ours us", "ours/stock"],
        [
            [
                name,
                f"{1e6 * stock_calls[name]:.1f}",
                f"{1e6 * calls[name]:.1f}",
                f"1/{1 / ratios[name]:.0f}",
            ]
            for name in calls
        ],
    )
    print()
    head = ["contender", "CPU ms/change", "of stock", "s", "answers", "events"]
    head += ["p50 ms", "p95 ms", "correct", "keeps up"]
    print_table(head, [stock.row(None), ours.row(stock)])
    ratio = ours.cpu / stock.cpu
    figures = {
        "users": scale.users,
        "pollers": scale.pollers,
        "changes": scale.changes,
        "rate": scale.rate,
        "calls": {"stock": stock_calls, "ours": calls, "ratio": ratios},
        "changes_of": {"stock": stock.figures(None), "ours": ours.figures(stock)},
        "ratio": ratio,
        "reached": {
            "calls": all(one <= CALL_TARGET for one in ratios.values()),
            "changes": ratio <= target,
            "keeps up": ours.keeps_up,
        },
    }
    print_json("synapse", figures)


if __name__ == "__main__":
    main()
