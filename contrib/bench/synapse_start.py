"""How a Synapse starts with much to load: with its own presence, and with ours.

    python -m contrib.bench.synapse_start [--users N] [--memberships N] [--quick]

One database is filled once: stored presence and a profile for each user, and rooms of
all sizes. Two Synapses start on it, stock and ours in turns, three times each. Shown is
how long each takes until presence is answered from all that is stored, and the longest
time for which the reactor was held meanwhile, from its first turn on.

Targets: ours is ready at most 20 s after stock, and its reactor is never held for more
than 50 ms. What Synapse itself holds it for stands beside it.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from synapse.module_api import ModuleApi

from contrib.bench.report import print_json, print_table
from contrib.bench.synapse import MODULE
from contrib.bench.synapse_server import synapse_server

#: Seconds by which ours may be later, and ms for which a reactor may be held.
READY_TARGET, HELD_TARGET = 20.0, 50.0
_ROUNDS = 3
#: Seconds until a server must have told that it is ready.
_PATIENCE = 300.0
#: Seconds for which the reactor is watched after that.
_AFTERWARDS = 10.0
#: Seconds between two looks at the clock.
_LOOK = 0.002

_PRESENCE = """
INSERT INTO presence_stream (stream_id, user_id, state, last_active_ts,
    last_federation_update_ts, last_user_sync_ts, status_msg, currently_active,
    instance_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'master')
"""
_PROFILE = "INSERT INTO profiles (user_id, displayname, full_user_id) VALUES (?, ?, ?)"
_MEMBER = """
INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)
    VALUES (?, ?, 'm.room.member', ?, 'join')
"""


class Watch:
    """A Synapse module that tells when presence is ready, and how late calls come."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._file, self._afterwards = config["file"], config["afterwards"]
        self._homeserver = api._hs
        self._reactor = api._hs.get_reactor()
        self._longest = 0.0
        self._ready_at: float | None = None
        #: When this was to be called, once the reactor runs.
        self._due: float | None = None
        self._reactor.callLater(0, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        if self._due is not None:
            self._longest = max(self._longest, now - self._due)
        if self._ready_at is None and self._is_ready():
            self._ready_at = now
            self._tell("ready", {"at": time.time()})
        if self._ready_at is not None and now - self._ready_at > self._afterwards:
            self._tell("held", {"longest": self._longest})
            return
        self._due = time.monotonic() + _LOOK
        self._reactor.callLater(_LOOK, self._look)

    def _is_ready(self) -> bool:
        parts = getattr(self._homeserver.get_presence_handler(), "parts", None)
        return parts is None or bool(parts.readiness.is_ready)

    def _tell(self, what: str, figures: dict[str, float]) -> None:
        Path(f"{self._file}.{what}").write_text(json.dumps(figures))


def fill(database: Path, users: int, memberships: int) -> None:
    """Store presence, profiles and memberships of so many users of `bench`."""
    chance, now = random.Random(1), int(time.time() * 1000)

    def presence() -> Iterator[tuple[Any, ...]]:
        for number in range(users):
            state = chance.choices(("offline", "online", "unavailable"), (6, 1, 1))[0]
            seen = now - chance.randrange(60_000, 10**9)
            text = f"status {number}" if chance.random() < 0.2 else None
            yield number + 1, _user(number), state, seen, seen, seen, text, False

    def members() -> Iterator[tuple[str, str, str]]:
        left, room = memberships, 0
        while left > 0:
            # Few are large and most are small.
            size = min(left, users, int(2 * chance.paretovariate(0.8)))
            for number in chance.sample(range(users), size):
                yield f"$member{left}:bench", f"!room{room}:bench", _user(number)
                left -= 1
            room += 1

    names = ((f"user{n}", f"User {n}", _user(n)) for n in range(users))
    with closing(sqlite3.connect(database)) as connection:
        connection.executemany(_PRESENCE, presence())
        connection.executemany(_PROFILE, names)
        connection.executemany(_MEMBER, members())
        connection.commit()


def _user(number: int) -> str:
    return f"@user{number}:bench"


def start(directory: Path, modules: list[Any], afterwards: float) -> dict[str, float]:
    """Seconds until it was ready, and the longest ms for which its reactor was held.

    Args:
        afterwards: seconds for which it is watched once it is ready.

    Raises:
        RuntimeError: it has not told.
    """
    file = directory / "watch"
    config = {"file": str(file), "afterwards": afterwards}
    watch = {"module": "contrib.bench.synapse_start.Watch", "config": config}
    changes = {"modules": [*modules, watch], "server_name": "bench"}
    server = synapse_server(directory, changes)
    launched = time.time()
    with server:
        told = {}
        for what in ("ready", "held"):
            deadline = time.monotonic() + _PATIENCE
            path = Path(f"{file}.{what}")
            while not (path.exists() and (text := path.read_text())):
                if time.monotonic() > deadline or not server.is_running:
                    raise RuntimeError(f"not {what}:\n{server.log[-4000:]}")
                time.sleep(0.05)
            told[what] = json.loads(text)
            path.unlink()
    return {
        "ready_s": told["ready"]["at"] - launched,
        "held_ms": told["held"]["longest"] * 1000,
    }


def measure(
    directory: Path, users: int, memberships: int, rounds: int, afterwards: float
) -> dict[str, Any]:
    """By contender, the medians of what `start` says, and the worst it held."""
    template = directory / "template"
    template.mkdir()
    with synapse_server(template, {"server_name": "bench"}):
        pass  # It has made its tables.
    fill(template / "homeserver.db", users, memberships)
    starts: dict[str, list[dict[str, float]]] = {"stock": [], "ours": []}
    for number in range(rounds):
        for name, modules in (("stock", []), ("ours", [MODULE])):
            place = directory / f"{name}{number}"
            shutil.copytree(template, place)
            starts[name].append(start(place, modules, afterwards))
            shutil.rmtree(place)
    return {
        name: {
            "ready_s": statistics.median(one["ready_s"] for one in found),
            "held_ms": max(one["held_ms"] for one in found),
        }
        for name, found in starts.items()
    }


def main() -> None:
    """Run the bench and say what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--memberships", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    options = parser.parse_args()
    users, memberships = options.users, options.memberships
    rounds, afterwards = _ROUNDS, _AFTERWARDS
    if options.quick:
        users, memberships, rounds, afterwards = 200, 1000, 1, 0.1
    with tempfile.TemporaryDirectory(prefix="bench-start-") as name:
        found = measure(Path(name), users, memberships, rounds, afterwards)
    print(f"{users:,} users with stored presence, {memberships:,} memberships")
    print_table(
        ["contender", "ready after s", "reactor held for at most ms"],
        [[n, f"{f['ready_s']:.1f}", f"{f['held_ms']:.0f}"] for n, f in found.items()],
    )
    later = found["ours"]["ready_s"] - found["stock"]["ready_s"]
    held = found["ours"]["held_ms"]
    reached = {"ready": later <= READY_TARGET, "held": held <= HELD_TARGET}
    print(f"ours is ready {later:.1f} s later (asked: at most {READY_TARGET:.0f} s)")
    print_json("synapse_start", {**found, "later_s": later, "reached": reached})


if __name__ == "__main__":
    main()
