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
