"""What presence costs a Synapse: its own, and ours as its module.

    python -m contrib.bench.synapse [--quick] [--rate N] [--changes N] [--users N]

Two Synapses with the same configuration, one after the other in the same run, the rate
limits out of the way in both. First each is asked from inside what the most frequent
calls take while nothing changes (see `synapse_probe`). Then sixty users share a room,
fifty of them wait in /sync, and another changes the status message a hundred times; see
`fanout` for how that is measured. Ours has its windows and its budget as installed.

Targets, ours to stock: the calls 1/20, processor time of the server for a change 1/8.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrib.bench.fanout import Outcome, Scale, measure
from contrib.bench.report import print_json, print_table
from contrib.bench.synapse_server import synapse_server

MODULE = {"module": "matrix_presence.synapse.PresenceModule", "config": {}}

CALL_TARGET = 1 / 20
CHANGE_TARGET = 1 / 8

#: Seconds until a probe must have written its figures.
_PATIENCE = 60.0


def probe(directory: Path, modules: list[Any], rounds: int) -> dict[str, float]:
    """Seconds of processor time for one call of each kind.

    Raises:
        RuntimeError: the probe has not told.
    """
    file = directory / "figures.json"
    config = {"file": str(file), "rounds": rounds}
    module = {"module": "contrib.bench.synapse_probe.Probe", "config": config}
    with synapse_server(directory, {"modules": [*modules, module]}) as server:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if file.exists() and (text := file.read_text()):
                figures: dict[str, float] = json.loads(text)
                return figures
            time.sleep(0.1)
    raise RuntimeError(f"no figures:\n{server.log[-4000:]}")


def contend(directory: Path, scale: Scale, rounds: int) -> dict[str, Any]:
    """By contender: what the calls take, and what the changes took."""
    found = {}
    for name, modules in (("stock", []), ("ours", [MODULE])):
        places = [directory / f"{name}-{what}" for what in ("calls", "changes")]
        for place in places:
            place.mkdir()
        calls = probe(places[0], modules, rounds)
        with synapse_server(places[1], {"modules": modules}) as server:
            found[name] = calls, measure(name, server, scale)
    return found


def main() -> None:
    """Run the bench and say what it found."""
    parser = argparse.ArgumentParser(description="Presence in a Synapse")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0, help="changes a second")
    parser.add_argument("--users", type=int, default=50, help="clients that wait")
    options = parser.parse_args()
    scale = Scale(
        users=options.users + 10,
        pollers=options.users,
        changes=options.changes,
        rate=options.rate,
    )
    rounds = 5000
    if options.quick:
        scale, rounds = Scale(users=6, pollers=4, changes=5, rate=10.0), 200
    with tempfile.TemporaryDirectory(prefix="bench-synapse-") as name:
        report(scale, contend(Path(name), scale, rounds))


def report(scale: Scale, found: Mapping[str, tuple[dict[str, float], Outcome]]) -> None:
    """The tables and the JSON line."""
    stock_calls, stock = found["stock"]
    calls, ours = found["ours"]
    print_table(
        ["call", "stock us", "ours us", "ours/stock"],
        [
            [
                name,
                f"{1e6 * stock_calls[name]:.1f}",
                f"{1e6 * calls[name]:.1f}",
                f"1/{stock_calls[name] / calls[name]:.0f}",
            ]
            for name in calls
        ],
    )
    print()
    head = ["contender", "CPU ms/change", "of stock", "s", "answers", "events"]
    head += ["p50 ms", "p95 ms", "correct"]
    print_table(head, [stock.row(None), ours.row(stock)])
    ratios = {name: calls[name] / stock_calls[name] for name in calls}
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
            "changes": ratio <= CHANGE_TARGET,
        },
    }
    print_json("synapse", figures)


if __name__ == "__main__":
    main()
