"""Presence to other servers: a day of a thousand users and two hundred servers.

    python -m contrib.bench.federation_day [--users N] [--servers N] [--quick]

A made-up day is replayed in virtual time: sessions on several devices that poll,
idling, and servers that are down or flap. Counted are the entries and the transactions
that arrive. Beside them stands what one EDU for each change and server would be,
changes being what others can see of a user, and what Synapse would send by its rules:
with the same polls (see `synapse_polled`, a model that a test compares with the real
one), and if there were no pause between polls and no rate limit (see `synapse_rules`),
which would spare it from taking users for offline who poll. And the least: an entry for
each server that is up when a state or a status has outlived the window of a
destination. Whoever tells states promptly cannot do with less, however they treat
activity, and however they keep users from being timed out. In the end every server has
to show what holds. Prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from contrib.bench.day import DAY, Event, day_of
from contrib.bench.neighbourhood import Peer, Shown, rooms_of
from contrib.bench.polls import Timelines, polled
from contrib.bench.report import print_json, print_table
from contrib.bench.synapse_polled import SynapsePolled
from contrib.bench.synapse_rules import SynapseRules
from contrib.bench.synapse_sending import SynapseSending
from matrix_presence.interfaces import Requester
from matrix_presence.rules.states import NAMES, Presence
from matrix_presence.testing import MemoryPresence
from matrix_presence.ticks import Tick

#: One answer in so many is lost, though the transaction has arrived.
_LOST = 200
#: Seconds after the day until everything has settled.
_SETTLES = 3600.0
_NEVER_SEEN = Presence.OFFLINE, None


class Internet:
    """Takes transactions to the peers that are up."""

    def __init__(self, clock: Clock, peers: list[Peer], chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._by_name = {peer.name: peer for peer in peers}
        self.midnight = clock.seconds()
        self.entries = self.transactions = self.bytes = 0

    def now(self) -> float:
        """Seconds since midnight."""
        return self._clock.seconds() - self.midnight

    def send(self, destination: str, edus: Any) -> Deferred[None]:
        """Arrives, if the peer is up; its answer may be lost all the same."""
        peer, at = self._by_name[destination], self.now()
        if not peer.is_up(at):
            return fail(ConnectionError("down"))
        self.transactions += 1
        self.bytes += len(edus.canonical)
        for edu in edus:
            for entry in edu["content"]["push"]:
                self.entries += 1
                peer.told(entry, at)
        if at < DAY and self._chance.randrange(_LOST) == 0:
            return fail(TimeoutError("the answer was lost"))
        return succeed(None)


class Replay:
    """Our server, which lives through the day."""

    def __init__(self, users: int, servers: int) -> None:
        chance = random.Random(1)
        self.peers = [Peer(number, chance) for number in range(servers)]
        self.ids = [f"@user{number}:hs" for number in range(users)]
        clock = Clock()
        clock.advance(1_790_000_000)
        self.internet = Internet(clock, self.peers, chance)
        self.presence = MemoryPresence(clock=clock, federation=self.internet)
        self.clock = clock
        seen_by: list[set[int]] = [set() for _ in range(users)]
        self.rooms = rooms_of(users, servers, chance)
        for number, room in enumerate(self.rooms):
            members = [self.ids[user] for user in room.users]
            members += [f"@them:{self.peers[one].name}" for one in room.servers]
            self.presence.handler.restore_room(f"!{number}:hs", members)
            for user in room.users:
                seen_by[user].update(room.servers)
        #: By user: the servers that share a room.
        self.servers_of = [sorted(servers) for servers in seen_by]
        self._syncs: dict[tuple[int, str], AbstractContextManager[None]] = {}
        intern = self.presence.handler.cache.users.intern
        self._number_of = {
            intern(user_id): number for number, user_id in enumerate(self.ids)
        }
        #: Changes, each once for each server that is told of it and is up.
        self.changes = 0
        #: The same, of states and statuses alone that outlived the window.
        self.least = 0
        self._window = self.presence.service.config.destination_window / 1000
        #: By user: the state and the status that outlived it last.
        self._outlived: dict[int, tuple[int, str | None]] = {}
        self.presence.service.ticks.observers.append(self._ticked)

    def _ticked(self, tick: Tick) -> None:
        at = self.internet.now()
        for index in tick.urgent | tick.casual:
            self.changes += self._servers_up(index, at)
        for index in tick.urgent:
            self.clock.callLater(self._window, self._outlive, index)

    def _outlive(self, index: int) -> None:
        """Count the user's state and status, if they are not what they were."""
        users, at = self.presence.handler.cache.users, self.internet.now()
        said = users.presence(index), users.status_msg[index]
        if said != self._outlived.get(index, _NEVER_SEEN) and at < DAY:
            self._outlived[index] = said
            self.least += self._servers_up(index, at)

    def _servers_up(self, index: int, at: float) -> int:
        servers = self.servers_of[self._number_of[index]]
        return sum(self.peers[one].is_up(at) for one in servers)

    def live(self, events: Iterable[Event]) -> int:
        """The day passes; how many polls there were."""
        polls = 0
        for number, event in enumerate(events):
            self._pass_time(event.at)
            self._happened(number, event)
            polls += event.what == "gone"
        self._pass_time(DAY)
        return polls

    def settle(self) -> None:
        """All peers are up and say something, and an hour passes."""
        for peer in self.peers:
            self.presence.service.heard_from(peer.name)
        self._pass_time(DAY + _SETTLES)

    def _pass_time(self, until: float) -> None:
        until += self.internet.midnight
        calls = self.clock.calls
        while calls and calls[0].getTime() <= until:
            self.clock.advance(max(0.0, calls[0].getTime() - self.clock.seconds()))
        # Nothing is due: there are millions of polls, and `advance` would sort.
        self.clock.rightNow = until

    def _happened(self, number: int, event: Event) -> None:
        user_id, where = self.ids[event.user], (event.user, event.device)
        presence = self.presence
        if event.what == "active":
            presence.handler.active(user_id, event.device)
        elif event.what == "status":
            presence.set_status(user_id, "online", f"{number}", event.device)
        elif event.what == "gone":
            self._syncs.pop(where).__exit__(None, None, None)
        else:
            requester = Requester(user_id, event.device)
            poll = presence.sync.connected(requester, event.what)
            self._syncs[where] = poll
            poll.__enter__()

    def wrong(self) -> int:
        """How many users some server shows as they are not."""
        now, wrong = self.internet.now(), 0
        for number, servers in enumerate(self.servers_of):
            holds = self._holds(number)
            for server in servers:
                wrong += self.peers[server].shows(self.ids[number], now) != holds
        return wrong

    def _holds(self, number: int) -> Shown:
        users = self.presence.handler.cache.users
        index = users.find(self.ids[number])
        if index is None:
            return "offline", None, False
        status = self.presence.view.status(self.ids[number], self.ids[number])
        assert status is not None
        active = status.get("currently_active", False)
        return NAMES[users.presence(index)], users.status_msg[index], active


def measure(users: int, servers: int) -> dict[str, float]:
    """Live through the day, and count what it would have cost otherwise."""
    replay = Replay(users, servers)
    events = day_of(users, seed=1)
    timelines = Timelines(events, replay.rooms, seed=1)

    def is_up(server: int, at: float) -> bool:
        return replay.peers[server].is_up(at)

    never_pausing = SynapseSending(replay.servers_of, is_up)
    SynapseRules(never_pausing.tell).replay(events, DAY)
    as_polled = SynapseSending(replay.servers_of, is_up)
    synapse = SynapsePolled(lambda user, at, _: as_polled.tell(user, at))

    def for_both() -> Iterator[Event]:
        for event in polled(events, timelines):
            synapse.happened(event)
            yield event

    polls = replay.live(for_both())
    synapse.pass_time(DAY)
    internet = replay.internet
    entries, transactions = internet.entries, internet.transactions
    replay.settle()
    return {
        "events": len(events),
        "polls": polls,
        "changes": replay.changes,
        "entries": entries,
        "transactions": transactions,
        "megabytes": internet.bytes / 1e6,
        "synapse_entries": as_polled.entries,
        "synapse_transactions": as_polled.transactions,
        "never_pausing_entries": never_pausing.entries,
        "never_pausing_transactions": never_pausing.transactions,
        "least": replay.least,
        "transactions_of_changes": transactions / replay.changes,
        "transactions_of_synapse": transactions / as_polled.transactions,
        "transactions_of_never_pausing": transactions / never_pausing.transactions,
        "entries_of_changes": entries / replay.changes,
        "entries_of_synapse": entries / as_polled.entries,
        "entries_of_never_pausing": entries / never_pausing.entries,
        "entries_of_least": entries / replay.least,
        "wrong": replay.wrong(),
    }


ASKED: list[tuple[str, str, float]] = [
    ("transactions_of_changes", "transactions, of one for each change", 0.1),
    ("transactions_of_synapse", "transactions, of Synapse's as clients poll", 0.25),
    (
        "transactions_of_never_pausing",
        "transactions, of Synapse's if polls never paused",
        0.25,
    ),
    ("entries_of_changes", "entries, of one for each change", 0.1),
    ("entries_of_synapse", "entries, of Synapse's as clients poll", 0.25),
    ("entries_of_never_pausing", "entries, of Synapse's if polls never paused", 0.25),
    ("wrong", "users shown as they are not, in the end", 0),
]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="a fraction of it")
    args = parser.parse_args()
    users, servers = (30, 10) if args.quick else (args.users, args.servers)
    figures = measure(users, servers)
    counts: list[tuple[str, float, float | None]] = [
        ("ours", figures["entries"], figures["transactions"]),
        ("one EDU for each change", figures["changes"], figures["changes"]),
        (
            "Synapse, by its rules, as clients poll",
            figures["synapse_entries"],
            figures["synapse_transactions"],
        ),
        (
            "Synapse, by its rules, polls never pausing",
            figures["never_pausing_entries"],
            figures["never_pausing_transactions"],
        ),
        ("the least, if states are told promptly", figures["least"], None),
    ]
    print(f"A day of {users:,} users and {servers:,} servers")
    rows = [
        (who, f"{told:,}", "" if sent is None else f"{sent:,}")
        for who, told, sent in counts
    ]
    print_table(("", "entries", "transactions"), rows)
    print()
    rows = [
        (
            what,
            f"{figures[key]:,.3f}",
            f"<= {asked:,}" + ("" if figures[key] <= asked else "  MISSED"),
        )
        for key, what, asked in ASKED
    ]
    print_table(("", "measured", "asked"), rows)
    print_json("federation_day", figures)


if __name__ == "__main__":
    main()
