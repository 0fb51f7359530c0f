"""The embedded homeserver on PostgreSQL, as a process."""

from __future__ import annotations

from pathlib import Path

from contrib.bench.people import Caller, log_in, register, share_a_room, status_path
from tests.interop.running import running
from tests.interop.test_postgres import execute, server


def test_accounts_rooms_and_statuses_outlive_a_kill(tmp_path: Path) -> None:
    """What was acknowledged is there when the killed server starts again (B-53)."""
    execute("CREATE DATABASE homeserver")
    uri = server().get_uri(database="homeserver")
    with running(tmp_path, None, "--database", uri, "--no-rate-limit") as ours:
        caller = Caller(ours.port)
        alice, bob = register(caller, "alice"), register(caller, "bob")
        share_a_room(caller, [alice, bob])
        body = {"presence": "online", "status_msg": "on PostgreSQL"}
        caller.wanted("PUT", status_path(alice.user_id), body, alice.token)
        caller.close()
        ours.kill()
        ours.start()
        caller = Caller(ours.port)
        bob = log_in(caller, "bob")
        seen = caller.wanted("GET", status_path(alice.user_id), token=bob.token)
        assert seen["status_msg"] == "on PostgreSQL"
        assert seen["presence"] == "online"
        caller.close()
