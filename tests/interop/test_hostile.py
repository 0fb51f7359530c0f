"""Clients that do not keep to the rules get a clear refusal and harm nobody."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from contrib.bench.people import (
    Account,
    Caller,
    log_in,
    register,
    share_a_room,
    status_path,
)
from contrib.bench.servers import Server
from tests.interop.running import running

V3 = "/_matrix/client/v3"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server that all of this is thrown at; no traceback in its log afterwards."""
    with running(tmp_path_factory.mktemp("hostile")) as server:
        yield server


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    """Requests to it."""
    with contextlib.closing(Caller(server.port)) as caller:
        yield caller


@pytest.fixture(scope="module")
def account(server: Server) -> Account:
    """Who throws."""
    with contextlib.closing(Caller(server.port)) as caller:
        return register(caller, "hostile")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"", "M_NOT_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"\xff\xfe{}", "M_NOT_JSON"),
        (b'{"presence": "online"} trailing', "M_NOT_JSON"),
        (b'{"presence": NaN}', "M_NOT_JSON"),
        (b"[" * 100_000, "M_NOT_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b"null", "M_BAD_JSON"),
        (b'"online"', "M_BAD_JSON"),
        (b"{}", "M_BAD_JSON"),
        (b'{"presence": "away"}', "M_BAD_JSON"),
        (b'{"presence": "hidden"}', "M_BAD_JSON"),
        (b'{"presence": null}', "M_BAD_JSON"),
        (b'{"presence": 1}', "M_BAD_JSON"),
        (b'{"presence": true}', "M_BAD_JSON"),
        (b'{"presence": ["online"]}', "M_BAD_JSON"),
        (b'{"presence": {"online": 1}}', "M_BAD_JSON"),
        (b'{"presence": "online", "status_msg": 1}', "M_BAD_JSON"),
        (b'{"presence": "online", "status_msg": ["x"]}', "M_BAD_JSON"),
        (b'{"presence": "online", "status_msg": {"x": 1}}', "M_BAD_JSON"),
        (b'{"presence": "online", "status_msg": false}', "M_BAD_JSON"),
    ],
)
def test_status_that_is_none_is_refused(
    caller: Caller, account: Account, body: bytes, errcode: str
) -> None:
    """Each body that is not a status gets 400 and the errcode that fits (A-23)."""
    path = status_path(account.user_id)
    status, answer = caller.call("PUT", path, body, account.token)
    assert (status, answer["errcode"]) == (400, errcode), answer


@pytest.mark.parametrize("message", ["\\u0000", "\\ud800", "a\\udc00b"])
def test_message_that_cannot_be_stored_is_refused(
    caller: Caller, account: Account, message: str
) -> None:
    """A NUL or half a surrogate pair is refused at the door (A-26)."""
    body = f'{{"presence": "online", "status_msg": "{message}"}}'.encode()
    path = status_path(account.user_id)
    status, answer = caller.call("PUT", path, body, account.token)
    assert status == 400
    assert answer["errcode"] in ("M_BAD_JSON", "M_NOT_JSON", "M_INVALID_PARAM")


def test_message_above_the_cap_is_refused(caller: Caller, account: Account) -> None:
    """A status message longer than the cap is too large (A-26)."""
    body = {"presence": "online", "status_msg": "x" * 10_000}
    path = status_path(account.user_id)
    status, answer = caller.call("PUT", path, body, account.token)
    assert answer["errcode"] == "M_TOO_LARGE"
    assert status in (400, 413)


@pytest.mark.parametrize(
    ("user_id", "status", "errcode"),
    [
        # Another user, who does not exist: as one whom we may not see.
        ("%40nobody%2Fhere%3Alocalhost", 403, "M_FORBIDDEN"),
        ("%40nobody%00%3Alocalhost", 400, "M_INVALID_PARAM"),
        ("%40nobody%FF%3Alocalhost", 400, "M_INVALID_PARAM"),
        ("nobody", 400, "M_INVALID_PARAM"),
        ("%40", 400, "M_INVALID_PARAM"),
        ("%40" + "x" * 300 + "%3Alocalhost", 400, "M_INVALID_PARAM"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_odd_user_id_in_a_path(
    caller: Caller,
    account: Account,
    method: str,
    user_id: str,
    status: int,
    errcode: str,
) -> None:
    """A path segment is decoded once, on its own, and checked."""
    path = f"{V3}/presence/{user_id}/status"
    body = {"presence": "online"} if method == "PUT" else None
    answered, answer = caller.call(method, path, body, account.token)
    assert (answered, answer["errcode"]) == (status, errcode), answer


def test_slash_in_a_user_id_is_no_separator(caller: Caller) -> None:
    """Someone with `/` in their name has a status like everyone (`%2F`)."""
    slashed = register(caller, "at/the/end")
    path = status_path(slashed.user_id)
    assert "%2F" in path
    caller.wanted("PUT", path, {"presence": "unavailable"}, slashed.token)
    assert caller.wanted("GET", path, token=slashed.token)["presence"] == "unavailable"


WRONG: list[tuple[str, str, Any]] = [
    ("POST", "/register", {"username": 1, "password": "x"}),
    ("POST", "/register", {"username": "x", "password": ["x"]}),
    ("POST", "/register", {"auth": "m.login.dummy", "username": "x"}),
    ("POST", "/register", {"auth": {"type": 3}, "username": "x"}),
    ("POST", "/register?kind=nobody", {}),
    ("POST", "/login", {}),
    ("POST", "/login", {"type": 1}),
    ("POST", "/login", {"type": "m.login.password", "identifier": []}),
    ("POST", "/login", {"type": "m.login.password", "user": {}, "password": 1}),
    ("POST", "/createRoom", {"preset": 3}),
    ("POST", "/createRoom", {"invite": "@x:y"}),
    ("POST", "/createRoom", {"invite": [1, None]}),
    ("POST", "/createRoom", {"initial_state": {"a": 1}}),
    ("POST", "/createRoom", {"initial_state": [1]}),
    ("POST", "/createRoom", {"power_level_content_override": "x"}),
    ("POST", "/createRoom", {"creation_content": 7}),
    ("POST", "/createRoom", {"room_version": 7}),
    ("POST", "/createRoom", {"room_alias_name": ["x"]}),
    ("POST", "/join/nowhere", {}),
    ("POST", "/join/%21no%00where%3Alocalhost", {}),
    ("POST", "/rooms/{room}/invite", {"user_id": 1}),
    ("POST", "/rooms/{room}/invite", {"user_id": "nobody"}),
    ("POST", "/rooms/{room}/kick", {"user_id": ["x"], "reason": 1}),
    ("POST", "/rooms/{room}/ban", {}),
    ("PUT", "/rooms/{room}/send/m.room.message/1", []),
    ("PUT", "/rooms/{room}/send/m.room.message/2", {"body": {"a": 1.5}}),
    ("PUT", "/rooms/{room}/state/m.room.name", "x"),
    ("PUT", "/rooms/{room}/state/m.room.power_levels", {"users": 1}),
    ("PUT", "/rooms/{room}/state/m.room.member/nobody", {"membership": "join"}),
    ("PUT", "/rooms/{room}/state/m.room.join_rules", {"join_rule": 3}),
    ("PUT", "/rooms/{room}/typing/{user}", {"typing": "yes", "timeout": "x"}),
    ("POST", "/rooms/{room}/receipt/m.read/%24no%00", {"thread_id": 1}),
    ("POST", "/rooms/{room}/read_markers", {"m.fully_read": 1}),
    ("PUT", "/rooms/{room}/redact/nothing/1", {"reason": 1}),
    ("GET", "/rooms/{room}/messages?from=x&dir=z&limit=-1", None),
    ("GET", "/rooms/{room}/messages?limit=x", None),
    ("GET", "/rooms/{room}/context/nothing?limit=1e9", None),
    ("GET", "/sync?since=garbage", None),
    ("GET", "/sync?since=99999999999999999999999", None),
    ("GET", "/sync?timeout=soon", None),
    ("GET", "/sync?timeout=-5", None),
    ("GET", "/sync?set_presence=away", None),
    ("GET", "/sync?filter={", None),
    ("GET", "/sync?filter=99", None),
    ("GET", "/sync?filter=%7B%22presence%22%3A7%7D", None),
    ("GET", "/sync?since=%FF", None),
    ("POST", "/user/{user}/filter", []),
    ("POST", "/user/{user}/filter", {"presence": {"limit": "x"}}),
    ("POST", "/user/{user}/filter", {"room": 7}),
    ("PUT", "/user/{user}/account_data/m.ignored_user_list", {"ignored_users": 7}),
    ("PUT", "/user/{user}/account_data/x", []),
    ("PUT", "/profile/{user}/displayname", {"displayname": 7}),
    ("PUT", "/profile/{user}/displayname", {"displayname": "x" * 500_000}),
    ("PUT", "/profile/{user}/avatar_url", {"avatar_url": {}}),
    ("POST", "/keys/upload", {"device_keys": 7, "one_time_keys": []}),
    ("POST", "/keys/query", {"device_keys": ["x"]}),
    ("POST", "/keys/claim", {"one_time_keys": "x"}),
    ("PUT", "/sendToDevice/x/1", {"messages": []}),
    ("PUT", "/sendToDevice/x/2", {"messages": {"@x:y": 3}}),
    ("POST", "/user_directory/search", {"search_term": 7, "limit": "x"}),
    ("POST", "/publicRooms", {"filter": 7, "limit": "x"}),
    ("PUT", "/directory/room/nowhere", {"room_id": 7}),
    ("PUT", "/devices/nothing", {"display_name": 7}),
    ("POST", "/account/deactivate", {"auth": 7}),
    ("DELETE", "/sync", None),
    ("GET", "/no/such/thing", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRONG)
def test_wrong_types_never_break_the_server(
    caller: Caller,
    account: Account,
    hostile_room: str,
    method: str,
    path: str,
    body: Any,
) -> None:
    """Whatever is sent, the answer is a 200 or a refusal with an errcode."""
    path = path.replace("{room}", hostile_room).replace("{user}", account.user_id)
    status, answer = caller.call(method, V3 + path, body, account.token)
    assert status < 500, answer
    # User-interactive authentication says what it wants instead of what is wrong.
    if status != 200 and "flows" not in answer:
        assert answer["errcode"].startswith("M_"), answer
        assert isinstance(answer["error"], str)


@pytest.fixture(scope="module")
def hostile_room(server: Server, account: Account) -> str:
    """A room for them to be hostile in."""
    with contextlib.closing(Caller(server.port)) as caller:
        return share_a_room(caller, [account])


def test_endpoint_without_a_token_says_so(caller: Caller, account: Account) -> None:
    """No token and a wrong token are told apart (A-11)."""
    path = status_path(account.user_id)
    status, answer = caller.call("GET", path)
    assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")
    status, answer = caller.call("GET", path, token="nonsense")
    assert (status, answer["errcode"]) == (401, "M_UNKNOWN_TOKEN")


@pytest.mark.parametrize(
    "head",
    ["Content-Length: 5000000", "Transfer-Encoding: chunked"],
    ids=["by-length", "in-chunks"],
)
def test_huge_body_is_refused_before_it_is_read(
    server: Server, account: Account, head: str
) -> None:
    """A body above the limit gets 413, whether or not its length was told."""
    with _connected(server) as client:
        client.sendall(
            f"PUT {status_path(account.user_id)} HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {account.token}\r\n{head}\r\n\r\n".encode()
        )
        with contextlib.suppress(ConnectionError):
            for _ in range(50):
                piece = b" " * 100_000
                if "chunked" in head:
                    piece = b"%x\r\n%s\r\n" % (len(piece), piece)
                client.sendall(piece)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(65536):
                answer += piece
                if answer.endswith(b"}"):
                    break
    assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["errcode"] == "M_TOO_LARGE"


@pytest.mark.parametrize(
    "garbage",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%zz%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    ],
)
def test_garbage_on_the_wire_ends_that_connection_only(
    server: Server, caller: Caller, garbage: bytes
) -> None:
    """What is not HTTP ends its own connection; the next client is served."""
    # Cut off in the middle, or left waiting for what the garbage announced.
    with _connected(server) as client, contextlib.suppress(OSError):
        client.settimeout(5.0)
        client.sendall(garbage)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    assert caller.call("GET", "/_matrix/client/versions")[0] == 200


def test_slow_clients_and_a_thousand_idle_ones_harm_nobody(
    server: Server, caller: Caller, account: Account
) -> None:
    """Others are served meanwhile; who does not finish a request is cut off."""
    head = f"PUT {status_path(account.user_id)} HTTP/1.1\r\nHost: localhost\r\n"
    unfinished = [
        head[:30],
        head,
        f"{head}Content-Length: 100\r\n\r\n",
        f'{head}Content-Length: 100\r\n\r\n{{"presence": ',
    ]
    with contextlib.ExitStack() as stack:
        idle = _many(server, stack, 1000)
        slow = [stack.enter_context(_connected(server)) for _ in unfinished]
        for client, text in zip(slow, unfinished, strict=True):
            client.sendall(text.encode())
        dripping = stack.enter_context(_connected(server))
        dripping.sendall(head.encode())

        path = status_path(account.user_id)
        longest = 0.0
        for number in range(200):
            began = time.monotonic()
            body = {"presence": "online", "status_msg": str(number)}
            caller.wanted("PUT", path, body, account.token)
            caller.wanted("GET", path, token=account.token)
            longest = max(longest, time.monotonic() - began)
        assert longest < 2.0

        # The server gives a request 60 seconds; a byte now and then wins no more.
        deadline = time.monotonic() + 80.0
        waiting = {client.fileno(): client for client in (*slow, dripping)}
        while waiting and time.monotonic() < deadline:
            for number, client in list(waiting.items()):
                if _is_cut_off(client, drip=client is dripping):
                    del waiting[number]
            time.sleep(1.0)
        assert not waiting, f"{len(waiting)} slow clients were never cut off"
        assert all(_is_cut_off(client, drip=False) for client in idle)
    assert log_in(caller, "hostile").user_id == account.user_id


def _connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 20.0)


def _many(
    server: Server, stack: contextlib.ExitStack, number: int
) -> list[socket.socket]:
    """So many connections; our own limit of open files is raised if need be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"at most {hard} open files are allowed here")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return [stack.enter_context(_connected(server)) for _ in range(number)]


def _is_cut_off(client: socket.socket, *, drip: bool) -> bool:
    """Whether the server has hung up; a dripping client sends a byte more first."""
    client.setblocking(False)
    try:
        if drip:
            client.send(b"x")
        return client.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
