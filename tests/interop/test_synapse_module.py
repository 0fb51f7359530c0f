"""The module in a real Synapse: what clients see over HTTP."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from contrib.bench.people import (
    Account,
    Caller,
    log_in,
    register,
    share_a_room,
    status_path,
)
from contrib.bench.servers import Server
from contrib.bench.synapse_server import synapse_server
from tests.synapse import LACKING

#: Short, so that a test sees people idle and leave.
TIMES = {
    "idle_timeout": "3s",
    "last_active_granularity": "1s",
    "sync_online_timeout": "2s",
}
#: Seconds within which something has to be seen, and after which it will not be.
PATIENCE = 15.0


def sections(
    config: Mapping[str, Any] | None, all_times: Mapping[str, str] = TIMES
) -> dict[str, Any]:
    """What is different in homeserver.yaml; None leaves the module out."""
    ours = {name: time for name, time in all_times.items() if name in LACKING}
    if isinstance(config, Mapping):
        config = {**ours, **config}
    entry = {"module": "matrix_presence.synapse.PresenceModule", "config": config}
    times = {name: time for name, time in all_times.items() if name not in LACKING}
    return {
        "presence": {"enabled": True, **times},
        "modules": [] if config is None else [entry],
    }


def change(server: Server, sections: Mapping[str, Any]) -> None:
    """Change the configuration of a server that is not running."""
    path = server.directory / "homeserver.yaml"
    before = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**before, **sections}))


@contextmanager
def synapse(
    directory: Path,
    config: Mapping[str, Any] | None,
    times: Mapping[str, str] = TIMES,
) -> Iterator[Server]:
    """A Synapse that has nothing to complain about."""
    with synapse_server(directory, sections(config, times)) as server:
        yield server
    log = (directory / "homeserver.log").read_text()
    # A task of Synapse's is without its log context, or something went wrong.
    for complaint in ("Traceback", "sentinel", "matrix_presence"):
        assert complaint not in log, log[-8000:]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests that do not stop it."""
    directory = tmp_path_factory.mktemp("synapse")
    with synapse(directory, {"client_window": "100ms"}) as server:
        yield server


#: Connections to close after a test.
_callers: list[Caller] = []


@pytest.fixture(autouse=True)
def _hang_up() -> Iterator[None]:
    yield
    while _callers:
        _callers.pop().close()


class Person:
    """Someone with a client, and what that client was told."""

    def __init__(self, server: Server, account: Account) -> None:
        self.caller = Caller(server.port)
        _callers.append(self.caller)
        self.account = account
        self.user_id = account.user_id
        self.since = ""

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request to the client API."""
        path = f"/_matrix/client/{path}"
        return self.caller.call(method, path, body, self.account.token)

    def sync(
        self, timeout: float = 0, set_presence: str | None = None
    ) -> dict[str, dict[str, Any]]:
        """One sync: by sender, the presence it shows."""
        path = f"v3/sync?timeout={int(timeout * 1000)}"
        if self.since:
            path += f"&since={quote(self.since, safe='')}"
        if set_presence:
            path += f"&set_presence={set_presence}"
        status, answer = self.ask("GET", path)
        assert status == 200, answer
        self.since = answer["next_batch"]
        events = answer.get("presence", {}).get("events", ())
        return {event["sender"]: event["content"] for event in events}

    def put(self, presence: str, status_msg: str | None = None) -> None:
        """Set the own status."""
        body = {"presence": presence}
        if status_msg is not None:
            body["status_msg"] = status_msg
        path = status_path(self.user_id)
        assert self.caller.call("PUT", path, body, self.account.token) == (200, {})

    def status(self, of: Person) -> dict[str, Any]:
        """What a GET of somebody's status answers."""
        path = status_path(of.user_id)
        status, answer = self.caller.call("GET", path, None, self.account.token)
        assert status == 200, answer
        content: dict[str, Any] = answer
        return content

    def sees(
        self,
        other: Person,
        seen: Callable[[dict[str, Any]], bool],
        set_presence: str | None = "offline",
    ) -> dict[str, Any]:
        """Poll until told something of the other that is as expected."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            told = self.sync(1, set_presence).get(other.user_id)
            if told is not None and seen(told):
                return told
        raise AssertionError("never seen")


def presence_is(presence: str, message: str | None = None) -> Callable[..., bool]:
    """Whether a content says just this."""
    return lambda content: (
        (content["presence"], content.get("status_msg")) == (presence, message)
    )


def says(message: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a content has this message."""
    return lambda content: content.get("status_msg") == message


_count = 0


def people(server: Server, number: int = 2) -> list[Person]:
    """So many who have just registered and share a room; the creator comes first."""
    global _count
    caller = Caller(server.port)
    accounts = []
    for _ in range(number):
        _count += 1
        accounts.append(register(caller, f"person{_count}"))
    share_a_room(caller, accounts)
    caller.close()
    found = [Person(server, account) for account in accounts]
    for person in found:
        person.sync(set_presence="offline")
    return found


def soon(do: Callable[[], None], after: float = 0.5) -> threading.Timer:
    """Do it while somebody else waits."""
    timer = threading.Timer(after, do)
    timer.start()
    return timer


def test_status_is_seen_by_sync_and_by_get(server: Server) -> None:
    """What one sets another reads, message and all, in /sync and by GET."""
    alice, bob = people(server)
    for one, other in ((alice, bob), (bob, alice)):
        one.put("unavailable", "at lunch")
        other.sees(one, presence_is("unavailable", "at lunch"))
        one.put("online", "back")
        told = other.sees(one, presence_is("online", "back"))
        assert told["currently_active"] is True
        got = other.status(one)
        assert (got["presence"], got["status_msg"]) == ("online", "back")


def test_waiting_client_is_woken_by_a_status(server: Server) -> None:
    """A long poll returns at once with a status that is set meanwhile."""
    alice, bob = people(server)
    bob.sync(set_presence="offline")
    putting = soon(lambda: alice.put("online", "surprise"))
    began = time.monotonic()
    told = bob.sync(10, "offline")
    took = time.monotonic() - began
    putting.join()
    assert told[alice.user_id]["status_msg"] == "surprise"
    assert 0.4 < took < 2.0


def test_waiting_client_sleeps_through_what_it_may_not_see(server: Server) -> None:
    """A status of somebody who shares no room wakes nobody."""
    alice, _ = people(server)
    stranger, _ = people(server)
    stranger.sync(set_presence="offline")
    putting = soon(lambda: alice.put("online", "private"), 0.2)
    began = time.monotonic()
    assert stranger.sync(1.5, "offline") == {}
    putting.join()
    assert time.monotonic() - began > 1.4


def test_nothing_is_missed_between_two_polls(server: Server) -> None:
    """Whatever happens while a client is not connected its next poll shows."""
    alice, bob = people(server)
    for number in range(20):
        alice.put("online", f"status {number}")
        told = bob.sync(5, "offline")
        assert told[alice.user_id]["status_msg"] == f"status {number}"


def test_refusals_are_worded_as_matrix_has_them(server: Server) -> None:
    """Strangers, invalid states and unstorable messages are refused."""
    alice, bob = people(server)
    stranger, _ = people(server)
    path = status_path(alice.user_id).removeprefix("/_matrix/client/")
    status, answer = stranger.ask("GET", path)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert stranger.ask("GET", path.replace("person", "nobody"))[1] == answer
    for body, code in (
        ({"presence": "sleepy"}, 400),
        ({"presence": "online", "status_msg": "\0"}, 400),
        ({"presence": "online", "status_msg": "\ud800"}, 400),
        ({"presence": "online", "status_msg": "x" * 2000}, 413),
    ):
        assert alice.ask("PUT", path, body)[0] == code, body
    alice.put("online", "y" * 1000)
    assert bob.status(alice)["status_msg"] == "y" * 1000


def test_status_without_a_message_keeps_it(server: Server) -> None:
    """A client that goes idle by itself does not erase the message; "" does."""
    alice, bob = people(server)
    alice.put("online", "on holiday")
    alice.put("unavailable")
    assert bob.status(alice)["status_msg"] == "on holiday"
    alice.put("unavailable", "")
    assert "status_msg" not in bob.status(alice)


def test_client_that_only_polls_idles_until_it_speaks(server: Server) -> None:
    """Polling is no activity; an encrypted message is."""
    alice, bob = people(server)
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            alice.sync(1)

    polling = threading.Thread(target=poll)
    polling.start()
    try:
        bob.sees(alice, presence_is("online"))
        idle = bob.sees(alice, presence_is("unavailable"))
        assert idle["last_active_ago"] >= 3000
        speaker = Person(server, alice.account)
        room = quote(_room_of(speaker), safe="")
        path = f"v3/rooms/{room}/send/m.room.encrypted/1"
        body = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "..."}
        assert speaker.ask("PUT", path, body)[0] == 200
        assert bob.sees(alice, presence_is("online"))["currently_active"]
    finally:
        stop.set()
        polling.join()


def _room_of(person: Person) -> str:
    rooms: list[str] = person.ask("GET", "v3/joined_rooms")[1]["joined_rooms"]
    return rooms[0]


def test_client_that_stops_polling_goes_offline(server: Server) -> None:
    """Some time after the last sync, and keeps the message."""
    alice, bob = people(server)
    alice.put("online", "bye")
    alice.sync()
    bob.sees(alice, presence_is("online", "bye"))
    bob.sees(alice, presence_is("offline", "bye"))


def test_explicit_offline_outlasts_polling(server: Server) -> None:
    """Who sets offline stays hidden while their client merely goes on syncing."""
    alice, bob = people(server)
    alice.sync()
    bob.sees(alice, presence_is("online"))
    alice.put("offline")
    bob.sees(alice, presence_is("offline"))
    alice.sync()
    alice.sync()
    hidden = bob.status(alice)
    assert hidden["presence"] == "offline"
    assert "last_active_ago" not in hidden
    alice.sync(set_presence="online")
    bob.sees(alice, presence_is("online"))


def test_logout_ends_the_presence_of_a_device(server: Server) -> None:
    """The user is offline at once, not when their time is over."""
    alice, bob = people(server)
    again = log_in(bob.caller, alice.user_id[1:].partition(":")[0])
    device = Person(server, again)
    device.put("online")
    bob.sees(alice, presence_is("online"))
    began = time.monotonic()
    assert device.ask("POST", "v3/logout", {})[0] == 200
    bob.sees(alice, presence_is("offline"))
    assert time.monotonic() - began < 1.5


def test_newcomer_sees_those_who_are_there(server: Server) -> None:
    """A join shows the members to the joiner and the joiner to the members."""
    alice, bob = people(server)
    carol, _ = people(server)
    alice.put("online", "host")
    carol.put("online", "guest")
    bob.sees(alice, presence_is("online", "host"))
    carol.sync(set_presence="offline")
    room = quote(_room_of(alice), safe="")
    assert carol.ask("POST", f"v3/join/{room}", {})[0] == 200
    carol.sees(alice, presence_is("online", "host"))
    bob.sees(carol, presence_is("online", "guest"))
    assert carol.ask("POST", f"v3/rooms/{room}/leave", {})[0] == 200
    time.sleep(0.3)
    path = status_path(carol.user_id).removeprefix("/_matrix/client/")
    assert bob.ask("GET", path)[0] == 403


def test_sliding_sync_keeps_its_user_online(server: Server) -> None:
    """A client that has no other kind of sync is there all the same."""
    alice, bob = people(server)
    path = "unstable/org.matrix.simplified_msc3575/sync?timeout=0"
    status, answer = alice.ask("POST", path, {"conn_id": "one", "lists": {}})
    assert status == 200, answer
    bob.sees(alice, presence_is("online"))
    bob.sees(alice, presence_is("offline"))


def test_old_endpoints_show_presence_too(server: Server) -> None:
    """`/events` delivers a status, with the id of the user in its content."""
    alice, bob = people(server)
    start = bob.ask("GET", "r0/events?timeout=0")[1]["end"]
    putting = soon(lambda: alice.put("online", "old school"))
    events: list[Any] = []
    for _ in range(5):
        answer = bob.ask("GET", f"r0/events?timeout=3000&from={start}")[1]
        start = answer["end"]
        events += [e["content"] for e in answer["chunk"] if e["type"] == "m.presence"]
        if any(content.get("status_msg") == "old school" for content in events):
            break
    putting.join()
    shown = [c for c in events if c.get("status_msg") == "old school"]
    assert shown[-1]["user_id"] == alice.user_id


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_status_and_tokens_survive_a_restart(
    end: signal.Signals, tmp_path: Path
) -> None:
    """In order or by `kill -9`: what was acknowledged is there, and only what is new.

    Clients go on with their tokens: what they have seen they are not told again, and
    what came after they are.
    """
    # Nobody idles or leaves before a slow machine has started Synapse again.
    slow = {**TIMES, "idle_timeout": "5m", "sync_online_timeout": "5m"}
    with synapse(tmp_path, {}, slow) as server:
        alice, bob = people(server)
        alice.put("unavailable", "over the hills")
        bob.sees(alice, presence_is("unavailable", "over the hills"))
        alice.put("online", "far away")
        server.signal(end)
        server.start()
        for person in (alice, bob):
            person.caller.close()
        told = bob.sync(5, "offline")
        assert told[alice.user_id]["status_msg"] == "far away"
        assert bob.status(alice)["status_msg"] == "far away"
        assert alice.user_id not in bob.sync(0, "offline")
        alice.put("unavailable", "home")
        bob.sees(alice, presence_is("unavailable", "home"))


def test_hiding_survives_a_restart(tmp_path: Path) -> None:
    """An explicit offline holds although the process is another one."""
    with synapse(tmp_path, {}) as server:
        alice, bob = people(server)
        alice.put("offline")
        server.signal(signal.SIGTERM)
        server.start()
        for person in (alice, bob):
            person.caller.close()
        alice.sync()
        assert bob.status(alice)["presence"] == "offline"


def test_stock_presence_goes_on_when_the_module_is_gone(tmp_path: Path) -> None:
    """Removed, Synapse continues with the same tokens; added again, so do we."""
    with synapse(tmp_path, {}) as server:
        alice, bob = people(server)
        alice.put("unavailable", "with the module")
        bob.sees(alice, presence_is("unavailable", "with the module"))
        for config, message in ((None, "without"), ({}, "with it again")):
            assert server.signal(signal.SIGTERM) == 0
            change(server, sections(config))
            server.start()
            for person in (alice, bob):
                person.caller.close()
            alice.put("online", message)
            bob.sees(alice, presence_is("online", message))


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"client_windw": 1}, "client_window"),
        ({"client_window": "soon"}, "client_window"),
        ({"rc_presence": {}}, "rc_presence"),
        (["soon"], "config"),
    ],
)
def test_wrong_option_keeps_synapse_from_starting(
    config: Any, word: str, tmp_path: Path
) -> None:
    """It is named in one sentence, before anything has happened."""
    with pytest.raises(RuntimeError) as refusal:
        synapse_server(tmp_path, sections(config)).start()
    said = str(refusal.value)
    assert word in said
    assert "Traceback" not in said


def test_switched_off_presence_is_left_to_synapse(tmp_path: Path) -> None:
    """With presence off in Synapse's own section there is nothing to take over."""
    changes = {**sections({}), "presence": {"enabled": False}}
    with synapse_server(tmp_path, changes) as server:
        alice, bob = people(server)
        alice.put("online", "unheard")
        assert bob.status(alice) == {"presence": "offline"}
    log = (tmp_path / "homeserver.log").read_text()
    assert log.count("Presence stays with Synapse") == 1
