"""The four states in the order of their availability, each move of it."""

from __future__ import annotations

from itertools import permutations

from matrix_presence.rules.states import NAMES
from tests.core.rig import ALICE, LATE, CoreTestCase

LEVELS = ("offline", "unavailable", "online", "free_for_chat")


class MoveTests(CoreTestCase):
    """Alice sets one status, and seconds later another."""

    def moves(self, *, upwards: bool) -> list[tuple[str, str]]:
        """The six pairs of states that lead up, or those that lead down."""
        pairs = permutations(LEVELS, 2)
        return [
            (before, after)
            for before, after in pairs
            if (LEVELS.index(before) < LEVELS.index(after)) is upwards
        ]

    def ago_after(self, before: str, after: str) -> int:
        """`last_active_ago` right after the move, five seconds after the activity."""
        self.begin()
        self.put("online")
        self.pass_time(1)
        self.server.handler.active("@alice:hs", "DEVICE")
        self.put("unavailable")
        self.put("offline")
        if before != "offline":
            self.put(before)
        self.pass_time(5)
        self.put(after)
        users = self.server.handler.cache.users
        self.assertEqual(NAMES[users.presence(users.index["@alice:hs"])], after)
        return self.ago()

    def test_upwards_is_activity(self) -> None:
        """Each of the six moves to a higher level is (B-4, B-14, X-4)."""
        moves = self.moves(upwards=True)
        self.assertEqual(len(moves), 6)
        for before, after in moves:
            self.assertEqual(self.ago_after(before, after), 0, (before, after))

    def test_downwards_is_none(self) -> None:
        """None of the six moves to a lower level is (B-4, B-15, X-4)."""
        moves = self.moves(upwards=False)
        self.assertEqual(len(moves), 6)
        for before, after in moves:
            self.assertEqual(self.ago_after(before, after), 5000, (before, after))

    def test_saying_it_once_more_is_activity(self) -> None:
        """Online and free for chat can be asserted again, the others cannot (X-4)."""
        for state, ago in zip(LEVELS, (5000, 5000, 0, 0), strict=True):
            self.assertEqual(self.ago_after(state, state), ago, state)

    def test_who_idles_comes_back_to_it(self) -> None:
        """Free for chat fades like online, and a message brings it back (B-49)."""
        with self.connected("@alice:hs"):
            self.put("free_for_chat")
            self.pass_time(310)
            self.assertEqual(self.presence(), "unavailable")
            self.server.handler.active("@alice:hs", "DEVICE")
            status = self.status()
            self.assertEqual(status["presence"], "online")
            self.assertEqual(status["org.matrix_presence.state"], "free_for_chat")

    def test_who_idles_comes_back_to_it_from_beside_another_device(self) -> None:
        """Although the other, which is online, has made her active before (B-42)."""
        with self.connected(ALICE, device_id="LAPTOP"):
            self.put("free_for_chat", device_id="LAPTOP")
            self.pass_time(301 + LATE)
            self.server.handler.active(ALICE, "PHONE")
            self.assertEqual("online", self.presence())
            self.assertNotIn("org.matrix_presence.state", self.status())
            self.server.handler.active(ALICE, "LAPTOP")
            state = self.status()["org.matrix_presence.state"]
            self.assertEqual("free_for_chat", state)
