"""`kill -9` at any moment loses nothing that a client was told.

How many rounds: the environment variable MATRIX_PRESENCE_KILLS, 50 unless given. The
seed of the moments is printed; MATRIX_PRESENCE_SEED repeats them.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from contrib.bench.people import Account, Caller, register, share_a_room, status_path
from contrib.bench.servers import Server
from matrix_presence.homeserver.sync.token import parse_sync_token
from tests.interop.running import running

ROUNDS = int(os.environ.get("MATRIX_PRESENCE_KILLS", "50"))
WRITERS = 4
#: Every so many rounds it is also waited until everybody is offline.
ABSENCE_EVERY = 10
#: Every so many rounds the server is also killed while it starts.
START_EVERY = 5

SYNC_ONLINE_TIMEOUT = 1.0
#: The wheel's slots are a second, and two processors may be busy.
LATE = 3.0

PRESENCE = {
    "sync_online_timeout": "1s",
    "client_window": 0,
    "client_wakeups_per_second": 0,
    "tick": "10ms",
    "persist_interval": "200ms",
}

#: What a request ends with whose server has been killed.
GONE = (OSError, http.client.HTTPException, ValueError)


class Writer:
    """Sets one status after the other and remembers which were acknowledged."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.sent = 0
        self.acknowledged = 0
        self.refused: list[Any] = []

    def write(self, port: int) -> None:
        """Go on until the server is gone."""
        path = status_path(self.account.user_id)
        with contextlib.closing(Caller(port)) as caller, contextlib.suppress(*GONE):
            while True:
                self.sent += 1
                body = {"presence": "online", "status_msg": str(self.sent)}
                status, answer = caller.call("PUT", path, body, self.account.token)
                if status != 200:
                    self.refused.append(answer)
                    return
                self.acknowledged = self.sent

    def check(self, caller: Caller) -> None:
        """What is stored is the last acknowledged status or one sent after it."""
        path = status_path(self.account.user_id)
        answer = caller.wanted("GET", path, token=self.account.token)
        stored = int(answer.get("status_msg") or 0)
        assert not self.refused, self.refused
        assert self.acknowledged <= stored <= self.sent, (
            f"{self.account.user_id}: {self.acknowledged} was acknowledged, "
            f"{self.sent} was sent, {stored} is stored"
        )
        # It has been read: it may not go back behind it any more.
        self.acknowledged = stored


class Watcher:
    """Polls /sync with one chain of tokens, over all lives of the server."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.since: str | None = None
        #: The newest status of each user, as this client was told.
        self.messages: dict[str, int] = {}
        #: The same, since the server came up last: what a killed server showed before
        #: it was stored, and never acknowledged, may be taken back.
        self._this_life: dict[str, int] = {}
        self.faults: list[str] = []

    def watch(self, port: int) -> None:
        """Go on until the server is gone."""
        with contextlib.closing(Caller(port)) as caller, contextlib.suppress(*GONE):
            while not self.faults:
                self.poll(caller, 30_000)
        self._this_life.clear()

    def poll(self, caller: Caller, timeout: int) -> None:
        """One sync; note what it says and what must not be."""
        path = f"/_matrix/client/v3/sync?timeout={timeout}"
        if self.since is not None:
            path += f"&since={quote(self.since, safe='')}"
        status, answer = caller.call("GET", path, None, self.account.token)
        if status != 200:
            self.faults.append(f"{path}: {status} {answer}")
            return
        events = answer.get("presence", {}).get("events", [])
        self._token(answer["next_batch"], changed=bool(events))
        for event in events:
            self._event(event["sender"], event["content"])

    def _token(self, token: str, changed: bool) -> None:
        before, self.since = self.since, token
        if before is None:
            return
        was, now = presence_position(before), presence_position(token)
        if now < was or (changed and now == was):
            self.faults.append(f"the position went from {before} to {token}")

    def _event(self, sender: str, content: dict[str, Any]) -> None:
        if "status_msg" in content:
            message = int(content["status_msg"])
            if message < self._this_life.get(sender, 0):
                self.faults.append(f"{sender} went back to {message}")
            self.messages[sender] = self._this_life[sender] = message

    def catch_up(self, caller: Caller, writers: Sequence[Writer]) -> None:
        """With its old token it comes to see all that is stored."""
        wanted = {writer.account.user_id: writer.acknowledged for writer in writers}
        deadline = time.monotonic() + 10.0
        while not self.faults and wanted.items() - self.messages.items():
            assert time.monotonic() < deadline, f"{wanted} but saw {self.messages}"
            self.poll(caller, 500)
        assert not self.faults, self.faults


def presence_position(token: str) -> int:
    """The presence position in a sync token of the embedded homeserver."""
    return parse_sync_token(token).presence


@contextlib.contextmanager
def in_threads(*calls: Any) -> Iterator[None]:
    """Run these beside what follows; they have ended after it."""
    threads = [threading.Thread(target=call, args=rest) for call, *rest in calls]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join(60.0)
    assert not any(thread.is_alive() for thread in threads)


def everybody_goes_offline(caller: Caller, accounts: Sequence[Account]) -> None:
    """Nobody is connected, so soon nobody is online."""
    deadline = time.monotonic() + SYNC_ONLINE_TIMEOUT + LATE
    while True:
        states = {
            account.user_id: caller.wanted(
                "GET", status_path(account.user_id), token=account.token
            )["presence"]
            for account in accounts
        }
        if set(states.values()) == {"offline"}:
            return
        assert time.monotonic() < deadline, states
        time.sleep(0.1)


def kill_while_starting(server: Server, moments: random.Random) -> None:
    """A server that is killed before it is ready has not spoilt anything either."""
    server.launch()
    time.sleep(moments.uniform(0.2, 1.0))
    server.kill()


def test_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """No acknowledged status is lost, no position comes twice, nobody stays online."""
    seed = int(os.environ.get("MATRIX_PRESENCE_SEED", time.time_ns() % 1_000_000))
    print(f"MATRIX_PRESENCE_SEED={seed}")
    moments = random.Random(seed)
    with running(tmp_path, PRESENCE) as server:
        with contextlib.closing(Caller(server.port)) as caller:
            accounts = [register(caller, f"user{n}") for n in range(WRITERS + 1)]
            share_a_room(caller, accounts)
        watcher, *writers = Watcher(accounts[0]), *map(Writer, accounts[1:])
        for number in range(1, ROUNDS + 1):
            with in_threads(
                (watcher.watch, server.port),
                *((writer.write, server.port) for writer in writers),
            ):
                time.sleep(moments.uniform(0.0, 0.6))
                server.kill()
            if number % START_EVERY == 0:
                kill_while_starting(server, moments)
            server.start()
            with contextlib.closing(Caller(server.port)) as caller:
                if number % ABSENCE_EVERY == 0 or number == ROUNDS:
                    everybody_goes_offline(caller, accounts)
                for writer in writers:
                    writer.check(caller)
                watcher.catch_up(caller, writers)
        acknowledged = sum(writer.acknowledged for writer in writers)
    assert acknowledged > ROUNDS, "the writers hardly wrote anything"
