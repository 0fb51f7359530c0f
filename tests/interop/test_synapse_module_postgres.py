"""The module in a Synapse on PostgreSQL, where positions come from a sequence."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg2.extensions import parse_dsn

from contrib.bench.servers import Server
from contrib.bench.synapse_server import synapse_server
from tests.interop.test_postgres import execute
from tests.interop.test_postgres import server as postgres
from tests.interop.test_synapse_module import (
    _hang_up,
    _room_of,
    change,
    people,
    presence_is,
    says,
    sections,
)

__all__ = ["_hang_up"]


@contextmanager
def on_postgres(directory: Path, config: Mapping[str, Any]) -> Iterator[Server]:
    """A Synapse with an empty database, which has nothing to complain about."""
    execute("DROP DATABASE IF EXISTS synapse")
    execute(
        "CREATE DATABASE synapse ENCODING 'UTF8'"
        " LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    arguments = {**parse_dsn(postgres().get_uri()), "dbname": "synapse"}
    database = {"name": "psycopg2", "args": {**arguments, "cp_min": 2, "cp_max": 4}}
    with synapse_server(
        directory, {**sections(config), "database": database}
    ) as server:
        yield server
    log = (directory / "homeserver.log").read_text()
    for complaint in ("Traceback", "sentinel", "matrix_presence"):
        assert complaint not in log, log[-8000:]
    execute("DROP DATABASE synapse WITH (FORCE)")


def test_status_and_tokens_survive_what_may_happen(tmp_path: Path) -> None:
    """An orderly end, a `kill -9`, and the module taken out and put in again."""
    with on_postgres(tmp_path, {}) as server:
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


def test_lists_names_and_leaves_over_a_kill(tmp_path: Path) -> None:
    """An accepted entry and a name are there again, and a leave ends what is seen."""
    with on_postgres(tmp_path, {"profiles": True}) as server:
        alice, bob = people(server)
        carol, _ = people(server)
        for person, body in (
            (carol, {"invite": [alice.user_id]}),
            (alice, {"accept": [carol.user_id]}),
        ):
            path = f"r0/presence/list/{person.user_id}"
            assert person.ask("POST", path, body) == (200, {})
        path = f"v3/profile/{alice.user_id}/displayname"
        assert alice.ask("PUT", path, {"displayname": "Alice"})[0] == 200
        server.signal(signal.SIGKILL)
        server.start()
        for person in (alice, bob, carol):
            person.caller.close()
        alice.put("online", "here")
        for person in (bob, carol):
            assert person.sees(alice, says("here"))["displayname"] == "Alice"
        room = quote(_room_of(alice), safe="")
        assert alice.ask("POST", f"v3/rooms/{room}/leave", {})[0] == 200
        assert bob.sees(alice, presence_is("offline")) == {"presence": "offline"}
        alice.put("online", "still here")
        carol.sees(alice, says("still here"))
