"""`matrix-presence check` as a process, and servers for it to check."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import yaml

from contrib.bench.servers import ROOT, Server, free_port, presence_server
from contrib.bench.synapse_server import synapse_server
from matrix_presence.check.report import Line, Report, read_report
from matrix_presence.check.verdicts import Verdict
from tests.interop.certificates import make_certificates

#: The times that the servers here have, by the option of the command.
TIMERS = ("--granularity", "2s", "--online-timeout", "4s", "--idle-timeout", "6s")
_PRESENCE = {
    "last_active_granularity": "2s",
    "sync_online_timeout": "4s",
    "idle_timeout": "6s",
}
_AS_TOKEN = "the-token-of-an-application-service"
_LOOPBACK = "127.0.0.1"


@attrs.frozen
class Ended:
    """What a run of the command came to."""

    status: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"status {self.status}\n{self.out}\n{self.err}"


def check(*arguments: str, timeout: float = 170.0) -> Ended:
    """What the command says; it does not ask, and it does not fail with a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "matrix_presence", "check", *arguments],
        cwd=ROOT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def whole_run(url: str, directory: Path, *more: str) -> tuple[Ended, Report]:
    """All checks of all profiles, against a server of this module."""
    file = directory / "results.json"
    ended = check(
        url, "--register", "--profile", "all", "--federation", *TIMERS,
        "--as-token", _AS_TOKEN, "--json", str(file), *more,
    )  # fmt: skip
    assert file.exists(), str(ended)
    return ended, read_report(file.read_bytes())


def numbers(report: Report, verdict: Verdict) -> Mapping[int, str]:
    """The checks that came to this, and why."""
    return {line.number: line.reason for line in _lines(report, verdict)}


def _lines(report: Report, verdict: Verdict) -> Sequence[Line]:
    return [line for line in report.lines if line.verdict is verdict]


def embedded_target(directory: Path) -> Server:
    """Our embedded homeserver with short times, federating on loopback."""
    _, certificate = make_certificates(directory)
    federation = free_port()
    server = presence_server(directory, {**_PRESENCE, "destination_window": "200ms"})
    server.argv = [
        *server.argv,
        "--listen",
        f"ssl:{federation}:interface={_LOOPBACK}:"
        f"privateKey={certificate}:certKey={certificate}",
        "--federation-insecure",
    ]
    name = server.argv.index("--server-name") + 1
    server.argv[name] = f"localhost:{federation}"
    config = directory / "config.yaml"
    sections = yaml.safe_load(config.read_text())
    sections["app_services"] = [_registration()]
    config.write_text(yaml.safe_dump(sections))
    return server


def synapse_target(directory: Path, as_port: int) -> Server:
    """A Synapse with short times and without limits, federating on loopback.

    Args:
        as_port: where its application service listens.
    """
    _, certificate = make_certificates(directory)
    registration = directory / "registration.yaml"
    registration.write_text(
        yaml.safe_dump(
            {
                **_registration(),
                "hs_token": "the-token-of-the-homeserver",
                "url": f"http://{_LOOPBACK}:{as_port}",
                "receive_ephemeral": True,
                "rate_limited": False,
            }
        )
    )
    federation = free_port()
    listener = {"bind_addresses": [_LOOPBACK], "type": "http"}
    server = synapse_server(
        directory,
        {
            "server_name": f"localhost:{federation}",
            "presence": {"enabled": True, **_PRESENCE},
            "experimental_features": {"msc3026_enabled": True},
            "allow_guest_access": True,
            "app_service_config_files": [str(registration)],
            "tls_certificate_path": str(certificate),
            "tls_private_key_path": str(certificate),
            "federation_domain_whitelist": None,
            "federation_verify_certificates": False,
            "ip_range_blacklist": [],
        },
    )
    config = directory / "homeserver.yaml"
    sections = yaml.safe_load(config.read_text())
    sections["listeners"] = [
        {
            **listener,
            "port": server.port,
            "resources": [{"names": ["client", "federation"]}],
        },
        {
            **listener,
            "port": federation,
            "tls": True,
            "resources": [{"names": ["federation"]}],
        },
    ]
    config.write_text(yaml.safe_dump(sections))
    return server


def _registration() -> dict[str, Any]:
    """An application service with the users that the command makes."""
    return {
        "id": "check",
        "as_token": _AS_TOKEN,
        "sender_localpart": "check_service",
        "namespaces": {"users": [{"regex": "@_check_.*", "exclusive": True}]},
    }
