"""Our server in a day of federation: its people's polls in, transactions out.

On virtual time. Other servers are up or down as their `Peer` has it; some answers are
lost. What a change would cost at best and at worst is counted along the way.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from contrib.bench.day import DAY, Event
from contrib.bench.neighbourhood import Peer, Shown, rooms_of
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
