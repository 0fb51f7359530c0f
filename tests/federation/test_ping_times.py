"""That nobody is taken for offline who is not, whatever happens meanwhile."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed

from matrix_presence.testing import MemoryPresence
from tests.base import TestCase
from tests.federation.rig import PLAIN, Link, pushed

USERS = [f"@user{number}:hs" for number in range(12)]
SERVERS = 6
ROOMS = 5
_PATIENT = PLAIN | {"sync_online_timeout": "1d", "busy_online_timeout": "2d"}
#: Seconds for which another server believes what it was told (C-9).
_BELIEVES = 1800


class PingTimesTests(TestCase):
    """Users who change now and then, rooms that change, and servers that fail."""

    def send(self, destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
        """Arrives, unless the server is down; the answer may be lost."""
        if destination in self.down:
            return fail(ConnectionError("down"))
        for entry in pushed(edus):
            here = (destination, entry["user_id"])
            self.told[here] = entry["presence"], self.server.clock.seconds()
        if self.chance.random() < 0.1:
            return fail(TimeoutError("the answer was lost"))
        return succeed(None)

    def begin(self, seed: int) -> None:
        """A server that shares some rooms with others."""
        self.chance = random.Random(seed)
        self.down: set[str] = set()
        self.told: dict[tuple[str, str], tuple[str, float]] = {}
        self.members: dict[str, set[str]] = {
            f"!room{number}:hs": set() for number in range(ROOMS)
        }
        self.server = MemoryPresence(federation=Link(self.send), **_PATIENT)
        for user in USERS:
            self.join(self.chance.choice(list(self.members)), user)

    def join(self, room_id: str, user_id: str) -> None:
        """Somebody comes into a room."""
        if user_id not in self.members[room_id]:
            self.members[room_id].add(user_id)
            self.server.handler.joined(room_id, user_id)

    def happens(self) -> None:
        """Something does."""
        chance = self.chance
        what = chance.random()
        room_id = chance.choice(list(self.members))
        server = f"server{chance.randrange(SERVERS)}"
        if what < 0.3:
            user = chance.choice(USERS)
            state = chance.choice(["online", "unavailable", "offline"])
            self.successResultOf(self.server.set_status(user, state, None))
        elif what < 0.4:
            self.join(room_id, chance.choice(USERS))
        elif what < 0.5:
            self.join(room_id, f"@user{chance.randrange(2)}:{server}")
        elif what < 0.55 and self.members[room_id]:
            user = chance.choice(sorted(self.members[room_id]))
            self.members[room_id].discard(user)
            self.server.handler.left(room_id, user)
        elif what < 0.7:
            self.down ^= {server}
        elif what < 0.8:
            self.server.service.heard_from(server)

    def wrong(self) -> list[tuple[str, str]]:
        """The servers that are up and show users as they are not, and the users."""
        now = self.server.clock.seconds()
        found = []
        status = self.server.view.status
        states = {user: (status(user, user) or {})["presence"] for user in USERS}
        for members in self.members.values():
            names = {member.partition(":")[2] for member in members} - {"hs"}
            for user in members & states.keys():
                for name in names - self.down:
                    state, then = self.told.get((name, user), ("offline", now))
                    if now - then >= _BELIEVES:
                        state = "offline"
                    if state != states[user]:
                        found.append((name, user))
        return found

    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 2**32))
    def test_nobody_is_shown_otherwise_than_they_are(self, seed: int) -> None:
        """Once a server that was down has given a sign of life (C-9, C-10, C-11)."""
        self.begin(seed)
        for _ in range(12):
            for _ in range(self.chance.randrange(6)):
                self.happens()
            for _ in range(self.chance.choice([5, 60, 300])):
                self.server.clock.advance(5)
        for server in range(SERVERS):
            self.down.discard(f"server{server}")
            self.server.service.heard_from(f"server{server}")
        for _ in range(4):
            for _ in range(80):
                self.server.clock.advance(15)
                for server in range(SERVERS):
                    self.server.service.heard_from(f"server{server}")
            self.assertEqual([], self.wrong())
