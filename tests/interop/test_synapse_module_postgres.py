"""The module in a Synapse on PostgreSQL, where positions come from a sequence."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from psycopg2.extensions import parse_dsn

from contrib.bench.synapse_server import synapse_server
from tests.interop.test_postgres import execute
from tests.interop.test_postgres import server as postgres
from tests.interop.test_synapse_module import (
    _hang_up,
    change,
    people,
    presence_is,
    says,
    sections,
)

__all__ = ["_hang_up"]


def test_status_and_tokens_survive_what_may_happen(tmp_path: Path) -> None:
    """An orderly end, a `kill -9`, and the module taken out and put in again."""
    execute("DROP DATABASE IF EXISTS synapse")
    execute(
        "CREATE DATABASE synapse ENCODING 'UTF8'"
        " LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    arguments = {**parse_dsn(postgres().get_uri()), "dbname": "synapse"}
    database = {"name": "psycopg2", "args": {**arguments, "cp_min": 2, "cp_max": 4}}
    changes = {**sections({}), "database": database}
    with synapse_server(tmp_path, changes) as server:
        alice, bob = people(server)
        alice.put("unavailable", "first")
        bob.sees(alice, presence_is("unavailable", "first"))
        lives: list[tuple[signal.Signals, dict[str, Any] | None]] = [
            (signal.SIGTERM, {}),
            (signal.SIGKILL, {}),
            (signal.SIGTERM, None),
            (signal.SIGKILL, {}),
        ]
        for number, (end, config) in enumerate(lives):
            alice.put("online", f"before {number}")
            server.signal(end)
            change(server, sections(config))
            server.start()
            for person in (alice, bob):
                person.caller.close()
            bob.sees(alice, says(f"before {number}"))
            alice.put("online", f"after {number}")
            bob.sees(alice, says(f"after {number}"))
    log = (tmp_path / "homeserver.log").read_text()
    for complaint in ("Traceback", "sentinel", "matrix_presence"):
        assert complaint not in log, log[-8000:]
    execute("DROP DATABASE synapse WITH (FORCE)")
