"""Servers as processes of their own: started, awaited, measured, stopped.

A server is a context manager, so that a bench or a test that fails leaves none behind.
It knows nothing of what is asked of it; see `people` and `load` for that.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

ROOT = Path(__file__).resolve().parents[2]


#: Where systems begin to take the ports of outgoing connections from.
_EPHEMERAL = 32768


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment.

    None that an outgoing connection could be given: a server that is started again
    later would find it taken.
    """
    while True:
        port = random.randrange(10_000, _EPHEMERAL)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """One server process on a port of loopback.

    It may be started again after it ended, on the same port and data; what it prints
    is appended to one log.
    """

    #: What the readiness probe asks for; any HTTP answer will do.
    probe = "/_matrix/client/versions"

    def __init__(
        self, argv: Sequence[str], port: int, directory: Path, says: str = ""
    ) -> None:
        self.argv = list(argv)
        self.port = port
        self.directory = directory
        #: What it prints when it is ready; the port alone could be somebody else's.
        self.says = says
        self.log_path = directory / "output.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended, of itself or otherwise."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """All it printed so far, on both streams."""
        return self.log_path.read_text(errors="replace")

    def launch(self) -> None:
        """Start the process and do not wait for anything."""
        self.log_path.touch()
        self._said_before = self.log.count(self.says)
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                self.argv,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=self.directory,
            )

    def start(self, timeout: float = 60.0) -> Self:
        """Start it and wait at most `timeout` seconds for its first answer.

        Raises:
            RuntimeError: it ended or did not answer; says what it printed.
        """
        self.launch()
        self.await_answer(timeout)
        return self

    def await_answer(self, timeout: float = 60.0) -> None:
        """Wait at most `timeout` seconds for the first answer of a launched one.

        Raises:
            RuntimeError: it ended or did not answer; says what it printed.
        """
        try:
            self._await_answer(time.monotonic() + timeout)
        except BaseException:
            self.kill()
            raise

    def _await_answer(self, deadline: float) -> None:
        while time.monotonic() < deadline and self.is_running:
            time.sleep(0.02)
            if self.says and self.log.count(self.says) == self._said_before:
                continue
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, 5)
                with contextlib.closing(connection):
                    connection.request("GET", self.probe)
                    connection.getresponse().read()
                return
        raise RuntimeError(f"{self.argv} did not come up:\n{self.log[-4000:]}")

    def cpu_seconds(self) -> float:
        """Processor time used so far by all its threads, user and system.

        The same sum as utime + stime in /proc/PID/stat, but in nanoseconds where that
        counts ticks of 10 ms: the kernel's clock of another process (see
        clock_getcpuclockid(3), which Python does not wrap).
        """
        return time.clock_gettime(~self.pid << 3 | 2)

    def send(self, number: signal.Signals) -> None:
        """Send a signal that does not end it."""
        assert self._process is not None
        self._process.send_signal(number)

    def signal(self, number: signal.Signals, timeout: float = 20.0) -> int:
        """Send a signal, wait for the end; the exit code (negative: by a signal)."""
        assert self._process is not None
        self._process.send_signal(number)
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def kill(self) -> None:
        """`kill -9`: no flush, no farewell."""
        if self.is_running:
            self.signal(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and make sure that it did."""
        if self.is_running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.signal(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def presence_server(
    directory: Path,
    presence: Mapping[str, Any] | None = None,
    *options: str,
    port: int | None = None,
) -> Server:
    """`matrix-presence serve` with this `presence:` section, data in `directory`.

    Rate limits are off unless the options say otherwise: what is measured or shown
    here is the work, not its refusal.
    """
    port = free_port() if port is None else port
    config = directory / "config.yaml"
    config.write_text(yaml.safe_dump({"presence": dict(presence or {})}))
    argv = [sys.executable, "-m", "matrix_presence", "serve"]
    argv += ["--config", str(config), "--data", str(directory / "data")]
    argv += ["--listen", f"tcp:{port}:interface=127.0.0.1"]
    argv += ["--server-name", f"localhost:{port}", "--open-registration"]
    argv += options or ["--no-rate-limit"]
    return Server(argv, port, directory, says="is ready")


def bare_server(directory: Path, *, silent: bool = False) -> Server:
    """A twisted.web resource that answers `{}` to everything; see `bare`."""
    port = free_port()
    argv = [sys.executable, "-m", "contrib.bench.bare", str(port)]
    argv += ["silent"] if silent else []
    return Server(argv, port, directory)
