"""`matrix-presence check` as a process, and servers for it to check."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml

from contrib.bench.people import Caller, register, status_path
from contrib.bench.servers import ROOT, Server, free_port, presence_server
from contrib.bench.synapse_server import synapse_server
from matrix_presence.check.report import Report, read_report
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


class FailedAtFirst(UserWarning):
    """A check that failed in a whole run, and not among few others."""


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


def whole_run(
    url: str, directory: Path, known: Collection[int], *more: str
) -> tuple[Ended, Report]:
    """What comes of all checks of all profiles against a server of this module.

    Times are short here and the machine may be busy. So what fails and is not known to
    is run once more with fewer others beside it. Only what is as it should be then
    counts as that, with a `FailedAtFirst`, which the summary of the tests shows.
    """
    ended, first = _run(url, directory, *more)
    failed = numbers(first, Verdict.FAIL)
    unknown = failed.keys() - set(known)
    if not unknown:
        return ended, first
    only = ",".join(map(str, sorted(unknown)))
    again, second = _run(url, directory, *more, "--only", only, "--side-by-side", "2")
    good = {
        line.number: line
        for line in second.lines
        if line.verdict in {Verdict.PASS, Verdict.STRICT}
    }
    for number in sorted(good):
        said = f"check {number} failed at first: {failed[number]}"
        warnings.warn(said, FailedAtFirst, stacklevel=2)
    lines = [good.get(line.number, line) for line in first.lines]
    both = attrs.evolve(ended, err=f"{ended.err}\n{again}")
    return both, attrs.evolve(first, lines=lines)


def _run(url: str, directory: Path, *more: str) -> tuple[Ended, Report]:
    file = directory / "results.json"
    ended = check(
        url, "--register", "--profile", "all", "--federation", *TIMERS,
        "--as-token", _AS_TOKEN, "--json", str(file), *more,
    )  # fmt: skip
    # With 2 nothing was checked, and the file may be that of the run before.
    assert ended.status in {0, 1}, str(ended)
    return ended, read_report(file.read_bytes())


def numbers(report: Report, verdict: Verdict) -> Mapping[int, str]:
    """The checks that came to this, and why."""
    return {
        line.number: line.reason for line in report.lines if line.verdict is verdict
    }


def embedded_target(directory: Path) -> Server:
    """Our embedded homeserver with short times, federating on loopback."""
    _, certificate = make_certificates(directory)
    federation = free_port()
    presence = {
        **_PRESENCE,
        "destination_window": "200ms",
        "federation_ping_interval": "6s",
        "federation_timeout": "8s",
    }
    server = presence_server(directory, presence)
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


def await_time_outs(server: Server, timeout: float = 90.0) -> None:
    """Return as soon as this Synapse times people out: not soon after its start.

    Args:
        timeout: seconds until then at most; it should be 30, and up to 10 until it has
            looked.
    """
    with contextlib.closing(Caller(server.port)) as caller:
        early = register(caller, "early")
        path = status_path(early.user_id)
        caller.wanted("PUT", path, {"presence": "online"}, early.token)
        deadline = time.monotonic() + timeout
        while caller.wanted("GET", path, token=early.token)["presence"] != "offline":
            assert time.monotonic() < deadline, server.log[-8000:]
            time.sleep(0.25)


@contextlib.contextmanager
def restarting(server: Server, directory: Path) -> Iterator[str]:
    """A command for a shell that has this server restarted."""
    wish = directory / "restart"
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            if wish.exists():
                server.stop()
                server.start()
                wish.unlink()

    watching = threading.Thread(target=watch)
    watching.start()
    quoted = shlex.quote(str(wish))
    try:
        yield f"touch {quoted}; while [ -e {quoted} ]; do sleep 0.1; done"
    finally:
        over.set()
        watching.join()


def _registration() -> dict[str, Any]:
    """An application service with the users that the command makes."""
    return {
        "id": "check",
        "as_token": _AS_TOKEN,
        "sender_localpart": "check_service",
        "namespaces": {"users": [{"regex": "@_check_.*", "exclusive": True}]},
    }
