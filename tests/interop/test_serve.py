"""`matrix-presence serve` as a command: how it starts, refuses and ends."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contrib.bench.people import Caller, register, status_path
from contrib.bench.servers import ROOT, presence_server
from tests.interop.running import running

COMMAND = [sys.executable, "-m", "matrix_presence"]


def refusal(*arguments: str) -> str:
    """What a command says on stderr that ends with exit code 2, and nothing else."""
    ended = subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2, (ended.returncode, ended.stdout, ended.stderr)
    assert "Traceback" not in ended.stderr
    return ended.stderr.strip()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--no-such-option"], "--no-such-option"),
        (["--listen", "carrier-pigeon:8008"], "carrier-pigeon"),
        (["--database", "oracle://here"], "oracle"),
        (["--server-name", "not a name"], "not a name"),
    ],
)
def test_wrong_option_gets_one_sentence_and_exit_2(
    arguments: list[str], word: str, tmp_path: Path
) -> None:
    """A wrong option is named in one sentence, and the exit code is 2."""
    said = refusal("serve", "--data", str(tmp_path), *arguments)
    assert word in said
    assert len(said.splitlines()[-1]) > len(word)


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ("presence:\n  no_such_key: 1\n", "no_such_key"),
        ("presence:\n  idle_timeout: soon\n", "idle_timeout"),
        ("no_such_section: {}\n", "no_such_section"),
        ("presence: [\n", "config.yaml"),
        ("- presence\n", "config.yaml"),
    ],
)
def test_wrong_config_line_gets_one_sentence_and_exit_2(
    lines: str, word: str, tmp_path: Path
) -> None:
    """A fault in the configuration file is named in one sentence; exit code 2."""
    config = tmp_path / "config.yaml"
    config.write_text(lines)
    said = refusal("serve", "--data", str(tmp_path), "--config", str(config))
    assert word in said


def test_missing_config_file_is_named(tmp_path: Path) -> None:
    """A configuration file that is not there is named; exit code 2."""
    missing = tmp_path / "missing.yaml"
    said = refusal("serve", "--data", str(tmp_path), "--config", str(missing))
    assert "missing.yaml" in said


def test_port_in_use_is_named(tmp_path: Path) -> None:
    """A port that someone else listens on is named; exit code 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        endpoint = f"tcp:{port}:interface=127.0.0.1"
        said = refusal("serve", "--data", str(tmp_path), "--listen", endpoint)
    assert str(port) in said


@contextlib.contextmanager
def heeding_sigint() -> Iterator[None]:
    """Servers begun meanwhile heed SIGINT, as a shell's background jobs do not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_flushes_and_ends_with_0(number: signal.Signals, tmp_path: Path) -> None:
    """SIGINT and SIGTERM end the server in order, and nothing is lost."""
    with heeding_sigint(), running(tmp_path) as server:
        assert "is ready" in server.log
        caller = Caller(server.port)
        someone = register(caller, "someone")
        status = {"presence": "online", "status_msg": "still here"}
        caller.wanted("PUT", status_path(someone.user_id), status, someone.token)
        caller.close()
        assert server.signal(number) == 0
        server.start()
        read = caller.wanted("GET", status_path(someone.user_id), token=someone.token)
        caller.close()
    assert read["status_msg"] == "still here"


def test_waiting_clients_do_not_hold_up_the_end(tmp_path: Path) -> None:
    """A long poll under way is answered as the server ends, and does not delay it."""
    with running(tmp_path) as server:
        caller = Caller(server.port)
        someone = register(caller, "someone")
        sync = "/_matrix/client/v3/sync"
        since = caller.wanted("GET", sync, token=someone.token)["next_batch"]
        caller.close()
        with socket.create_connection(("127.0.0.1", server.port)) as waiting:
            waiting.sendall(
                f"GET {sync}?timeout=60000&since={since} HTTP/1.1\r\n"
                f"Host: localhost\r\nAuthorization: Bearer {someone.token}\r\n"
                "\r\n".encode()
            )
            waiting.settimeout(0.5)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            assert server.signal(signal.SIGTERM, timeout=10.0) == 0
            head, _, body = _all_of(waiting).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    answer = json.loads(body)
    assert answer["next_batch"] == since
    assert "rooms" not in answer


def _all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    connection.settimeout(10.0)
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def test_console_script_is_the_same_command(tmp_path: Path) -> None:
    """`matrix-presence serve` is what `python -m matrix_presence serve` is."""
    script = shutil.which("matrix-presence", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("the package is not installed")
    server = presence_server(tmp_path)
    server.argv[:3] = [script]
    with server:
        assert "is ready" in server.log
