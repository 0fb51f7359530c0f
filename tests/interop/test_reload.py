"""A server as a process reads its configuration again with SIGHUP."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import yaml

from tests.interop.certificates import make_certificates
from tests.interop.test_federation_http import Peer, ours


def configure(peer: Peer, **said: Any) -> None:
    """Write another configuration, and have it read."""
    said = {"presence": {}} | said
    (peer.directory / "config.yaml").write_text(yaml.safe_dump(said))
    peer.process.send(signal.SIGHUP)


def until(peer: Peer, line: str) -> None:
    """Wait until the log has this line."""
    deadline = time.monotonic() + 30
    while line not in peer.process.log:
        assert time.monotonic() < deadline, peer.process.log[-2000:]
        time.sleep(0.05)


def test_servers_can_be_denied_without_a_restart(tmp_path: Path) -> None:
    """At once, for all that is signed; a broken file changes nothing (C-54)."""
    _, certificate = make_certificates(tmp_path)
    options = ("--federation-insecure", "--log-level", "info")
    with (
        ours(tmp_path / "one", certificate, *options) as one,
        ours(tmp_path / "two", certificate, *options) as two,
    ):
        numbers = iter(range(100))

        def send() -> tuple[int, Any]:
            path = f"/_matrix/federation/v1/send/{next(numbers)}"
            content = {"edus": [], "pdus": [], "origin": one.name}
            return two.ask_as(one, "PUT", path, content)

        edu_types = "/_matrix/federation/unstable/io.fsky.vel/edutypes"
        assert send()[0] == 200
        assert two.ask("GET", edu_types) == (200, {"m.presence": True})
        configure(
            two,
            federation_domain_blacklist=["local*"],
            presence={"federation_incoming": False, "tick": "10ms"},
        )
        until(two, "A restart is needed for: presence.tick")
        status, refusal = send()
        assert (status, refusal["errcode"]) == (403, "M_FORBIDDEN")
        assert two.ask("GET", edu_types) == (200, {"m.presence": False})
        (two.directory / "config.yaml").write_text("presence: [")
        two.process.send(signal.SIGHUP)
        until(two, "The configuration stays as it was: ")
        assert send()[0] == 403
        configure(two)
        until(two, "read again: federation_domain_blacklist")
        assert send()[0] == 200
