"""`matrix-presence check` against a real Synapse: what it does differently is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrib.bench.servers import free_port
from contrib.bench.synapse_server import synapse_installed
from matrix_presence.check.verdicts import Verdict
from tests.interop.checking import await_time_outs, numbers, synapse_target, whole_run

pytestmark = pytest.mark.skipif(not synapse_installed(), reason="needs Synapse")

#: What fails on the newest Synapse, and why that is so.
KNOWN = {
    62: "types of presence are compared without the wildcard",
    64: "the limit of presence events is ignored",
    67: "the presence of ignored users is shown",
    74: "only m.room.message counts as a message",
    76: "each sync counts as activity",
    77: "so nobody idles who polls often",
    87: "presence does not tell of profiles",
    88: "nor of pictures",
    89: "nor one's own devices",
    119: "a malformed entry in an EDU fails the whole transaction",
    120: "and so does a malformed EDU",
    155: "deactivation does not touch presence",
}


@pytest.mark.filterwarnings("always::tests.interop.checking.FailedAtFirst")
def test_only_what_is_known_fails(tmp_path: Path) -> None:
    """Every check that fails is on the list, and everything on the list fails."""
    as_port = free_port()
    with synapse_target(tmp_path, as_port) as server:
        await_time_outs(server)
        url = f"http://127.0.0.1:{server.port}"
        listen = f"tcp:{as_port}:interface=127.0.0.1"
        ended, report = whole_run(url, tmp_path, KNOWN, "--as-listen", listen)
    assert set(numbers(report, Verdict.FAIL)) == set(KNOWN), str(ended)
    assert ended.status == 1
