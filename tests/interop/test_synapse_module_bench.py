"""The bench of the module runs; what it finds is not judged here."""

from __future__ import annotations

from tests.interop.test_bench import last_line


def test_synapse_compares_ours_with_stock() -> None:
    """It tells what calls and changes cost in both, and every client is right."""
    line = last_line("synapse")
    assert line["bench"] == "synapse"
    assert set(line["calls"]["ratio"]) == {"sync", "bump", "steady"}
    for found in line["changes_of"].values():
        assert found["correct"]
    assert set(line["reached"]) == {"calls", "changes", "keeps up"}


def test_synapse_start_compares_ours_with_stock() -> None:
    """It tells when each was ready and for how long its reactor was held."""
    line = last_line("synapse_start")
    assert line["bench"] == "synapse_start"
    for contender in ("stock", "ours"):
        assert {"ready_s", "held_ms"} == set(line[contender])
    assert {"later_s", "reached"} <= set(line)
