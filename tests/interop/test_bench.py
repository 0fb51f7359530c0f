"""The benches run; what they find is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from contrib.bench.core import ASKED
from contrib.bench.servers import ROOT


def last_line(bench: str) -> dict[str, Any]:
    """The JSON that a smoke run of a bench ends with."""
    ended = subprocess.run(
        [sys.executable, "-m", f"contrib.bench.{bench}", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stderr
    line: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return line


def test_core_tells_every_figure() -> None:
    """The bench of the core tells all that is asked for, and what memory it took."""
    line = last_line("core")
    assert line["bench"] == "core"
    assert {key for key, *_ in ASKED} <= set(line)


def test_http_compares_with_a_bare_resource() -> None:
    """The bench of requests tells rates, ratios and latencies of each kind."""
    line = last_line("http")
    assert line["bench"] == "http"
    assert set(line["requests"]) == {"GET", "PUT changed", "PUT unchanged"}
    for found in line["requests"].values():
        assert {"ours_per_s", "bare_per_s", "silent_per_s"} <= set(found)
        assert {"ratio", "ratio_silent", "p50_ms", "p99_ms"} <= set(found)
    assert set(line["reached"]) == {"bare", "silent"}


def test_fanout_compares_with_synapse() -> None:
    """The bench of the fan-out tells CPU and latency, and every client is right."""
    line = last_line("fanout")
    assert line["bench"] == "fanout"
    assert set(line["contenders"]) == {"windows 0", "defaults", "synapse"}
    for found in line["contenders"].values():
        assert {"cpu_ms_per_change", "of_synapse", "p50_ms", "p95_ms"} <= set(found)
        assert found["correct"]
    assert set(line["reached"]) == {"windows 0", "defaults", "latency"}


def test_federation_out_composes_once() -> None:
    """The bench of outgoing presence tells what a change and a dead server cost."""
    line = last_line("federation_out")
    assert line["bench"] == "federation_out"
    assert {"queue_compose_ms", "send_ms", "down_bytes", "down_attempts"} <= set(line)
    assert line["composed"] == 1


def test_federation_in_tells_rates() -> None:
    """The bench of incoming presence tells entries a second and what a flood costs."""
    line = last_line("federation_in")
    assert line["bench"] == "federation_in"
    assert {"changes_per_s", "pings_per_s", "hostile_cost"} <= set(line)


def test_federation_day_ends_with_the_truth() -> None:
    """The bench of a day tells all that is asked for, and no server shows nonsense."""
    line = last_line("federation_day")
    assert line["bench"] == "federation_day"
    assert {"entries", "transactions", "changes", "synapse_transactions"} <= set(line)
    assert line["wrong"] == 0
