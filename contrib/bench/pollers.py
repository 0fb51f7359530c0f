"""Clients that wait in /sync, and the one whose status they wait for."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import attrs
import orjson

from contrib.bench.load import Connection, Loop, request
from contrib.bench.people import Account, status_path

#: How long the server may hold a poll, in milliseconds, as most clients ask.
HOLD = 30_000


@attrs.frozen
class Seen:
    """One answer with presence of the watched user."""

    #: The newest change it carried.
    change: int
    #: When the answer arrived, by perf_counter.
    at: float


class Poller:
    """A client that polls again with its `next_batch` as soon as it is answered."""

    def __init__(self, loop: Loop, port: int, account: Account, watched: str) -> None:
        self._connection = Connection(loop, port)
        self._port = port
        self._account = account
        self._watched = watched
        #: When the last answer arrived, by perf_counter.
        self.last_answer = time.perf_counter()
        self.restart()
        self._poll("timeout=0")

    def restart(self) -> None:
        """Begin to count anew; the poll under way goes on."""
        self.answers = 0
        self.presence_events = 0
        self.seen: list[Seen] = []

    @property
    def newest(self) -> int:
        """The newest change it has seen, -1 without any."""
        return self.seen[-1].change if self.seen else -1

    @property
    def went_back(self) -> bool:
        """Whether an older status ever came after a newer one."""
        changes = [seen.change for seen in self.seen]
        return changes != sorted(changes)

    def close(self) -> None:
        """Hang up, like a client that is closed."""
        self._connection.close()

    def _poll(self, query: str) -> None:
        path = f"/_matrix/client/v3/sync?{query}"
        data = request("GET", path, self._port, self._account.token)
        self._connection.send(data, self._answered)

    def _answered(self, status: int, body: bytes, at: float) -> None:
        if status != 200:
            raise RuntimeError(f"sync: {status} {body[:200]!r}")
        answer = orjson.loads(body)
        self._poll(f"timeout={HOLD}&since={quote(answer['next_batch'], safe='')}")
        self.last_answer = at
        self.answers += 1
        for event in answer.get("presence", {}).get("events", ()):
            self.presence_events += 1
            message = event["content"].get("status_msg")
            if event["sender"] == self._watched and message is not None:
                self.seen.append(Seen(change_of(message), at))


class Changer:
    """The one whose status changes: change `n` is its n-th status message."""

    def __init__(self, loop: Loop, port: int, account: Account) -> None:
        self._connection = Connection(loop, port)
        self._port = port
        self._account = account
        self._waiting: list[int] = []
        self._busy = False
        #: When each change was due, and when it was acknowledged; by perf_counter.
        self.made: dict[int, float] = {}
        self.acknowledged: dict[int, float] = {}

    def make(self, change: int) -> None:
        """Set the status, after those before it have been acknowledged."""
        self.made[change] = time.perf_counter()
        self._waiting.append(change)
        if not self._busy:
            self._next()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _next(self) -> None:
        change = self._waiting.pop(0)
        content = {"presence": "online", "status_msg": message_of(change)}
        path = status_path(self._account.user_id)
        body = json.dumps(content).encode()

        def answered(status: int, answer: bytes, at: float) -> None:
            if status != 200:
                raise RuntimeError(f"status: {status} {answer[:200]!r}")
            self.acknowledged[change] = at
            self._busy = False
            if self._waiting:
                self._next()

        self._busy = True
        data = request("PUT", path, self._port, self._account.token, body)
        self._connection.send(data, answered)


def message_of(change: int) -> str:
    """The status message of this change."""
    return f"change {change}"


def change_of(message: str) -> int:
    """Which change a status message belongs to."""
    return int(message.removeprefix("change "))
