"""`matrix-presence check` as it is used: against our own server, and against none."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest

from contrib.bench.people import Caller, register
from contrib.bench.servers import Server, free_port
from matrix_presence.check.verdicts import Verdict
from tests.interop.checking import (
    check,
    embedded_target,
    numbers,
    restarting,
    whole_run,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our embedded homeserver, with short times."""
    with embedded_target(tmp_path_factory.mktemp("target")) as server:
        yield server
    assert "Traceback" not in server.log, server.log[-8000:]


def url(port: int) -> str:
    """Where a server on loopback is."""
    return f"http://127.0.0.1:{port}"


@pytest.mark.filterwarnings("always::tests.interop.checking.FailedAtFirst")
def test_nothing_fails(server: Server, tmp_path: Path) -> None:
    """Of all checks of all profiles none fails; what is not done has its reason."""
    with restarting(server, tmp_path) as restart:
        more = ("--federation-timeout", "8s", "--restart", restart)
        ended, report = whole_run(url(server.port), tmp_path, (), *more)
    assert not numbers(report, Verdict.FAIL), str(ended)
    assert not numbers(report, Verdict.STRICT), str(ended)
    # Nothing is sent to application services here.
    assert set(numbers(report, Verdict.SKIPPED)) == {148}, str(ended)


def test_given_tokens_are_used_and_left_alone(server: Server, tmp_path: Path) -> None:
    """Three accounts are enough; they can be used afterwards, and are in no room."""
    caller = Caller(server.port)
    people = [register(caller, name) for name in ("ann", "ben", "cat")]
    tokens = [word for one in people for word in ("--token", one.token)]
    junit = tmp_path / "junit.xml"
    more = ("--only", "1-6,145,155", "--junit", str(junit))
    ended = check(url(server.port), *tokens, *more)
    assert ended.status == 0, str(ended)
    assert not any(one.token in ended.out for one in people)
    suite = ElementTree.parse(junit).getroot()
    # The fourth and the last need accounts that nobody has used.
    assert (suite.get("tests"), suite.get("skipped")) == ("8", "2"), str(ended)
    for one in people:
        path = "/_matrix/client/v3/joined_rooms"
        assert caller.wanted("GET", path, token=one.token) == {"joined_rooms": []}
    caller.close()


class _Html(BaseHTTPRequestHandler):
    """Some other web server."""

    def do_GET(self) -> None:
        """A page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>It works!</html>")

    def log_message(self, *args: object) -> None:
        """Of no interest."""


class _Closing(_Html):
    """Hangs up."""

    def do_GET(self) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A web server on loopback; its port."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (_Html, "an HTML page"),
        (_Closing, "closed the connection without an answer"),
        (None, "does not listen there"),
    ],
)
def test_what_is_no_homeserver_is_named_in_one_sentence(
    handler: type[BaseHTTPRequestHandler] | None, words: str
) -> None:
    """Exit status 2, one line on stderr, nothing on stdout."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(serving(handler)) if handler else free_port()
        ended = check(url(port), "--register")
    assert (ended.status, ended.out) == (2, ""), str(ended)
    (line,) = ended.err.splitlines()
    assert words in line


def test_a_failure_is_exit_status_1(server: Server) -> None:
    """What fails here is that times are not those that were said."""
    more = ("--only", "70", "--online-timeout", "20s", "--patience", "2m")
    ended = check(url(server.port), "--register", *more)
    assert ended.status == 1, str(ended)
    assert "70 disconnected FAILED: it is told after" in ended.out
