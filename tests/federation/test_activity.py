"""Mere activity goes to other servers only when it lasts."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from matrix_presence.cache.users import Users
from matrix_presence.federation.activity import HeldActivity
from tests.base import TestCase
from tests.federation.rig import ALICE, BOB, REMOTE, ROOM, FederationTestCase

PATIENCE = 300_000
SECOND = 1000
EPOCH = 1_790_000_000_000

steps = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 2)),
        st.tuples(st.just("urgent"), st.integers(0, 2)),
        st.tuples(st.just("read"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("pass"), st.sampled_from([1, 100, 299, 300, 301, 900])),
    ),
    max_size=60,
)


class HeldTests(TestCase):
    """Users, and servers that all know of them."""

    @given(steps)
    def test_in_the_end_everybody_knows_what_holds(self, happened) -> None:
        """Whoever was told of what in between (C-10)."""
        users = Users("hs")
        for user in range(3):
            users.intern(f"@{user}:hs")
        held, now = HeldActivity(users, PATIENCE), EPOCH
        known = {(user, server): False for user in range(3) for server in range(4)}

        def tell(user: int, servers: Any) -> None:
            for server in servers:
                held.read(server, BitMap([user]))
                known[user, server] = users.is_shown_active(user)

        def settle() -> None:
            for user, exposed in held.due(now, 100):
                if exposed is None:
                    held.told(BitMap([user]))
                tell(user, range(4) if exposed is None else exposed)

        for what, *how in happened:
            if what == "flip":
                users.show(how[0], 1, not users.is_shown_active(how[0]))
                users.shown_active_ts[how[0]] = now
                held.hold(BitMap(how), now)
            elif what == "urgent":
                held.told(BitMap(how))
                tell(how[0], range(4))
            elif what == "read":
                tell(how[0], [how[1]])
            else:
                now += how[0] * SECOND
                settle()
        now += PATIENCE + 2 * SECOND
        settle()
        for (user, server), shown in known.items():
            self.assertEqual(users.is_shown_active(user), shown, (user, server))
        self.assertFalse(held.held)


class ActivityTests(FederationTestCase):
    """Alice and Bob share a room with a user of another server."""

    options = {  # noqa: RUF012  # replaced by subclasses, not changed
        "last_active_granularity": "1m",
        "sync_online_timeout": "1h",
        "busy_online_timeout": "2h",
    }

    def setUp(self) -> None:
        """Alice is online, and the other server knows it."""
        super().setUp()
        self.server.room(ROOM, ALICE, BOB, REMOTE)
        self.put("online")
        self.pass_time(10)
        self.taken()

    def be_active(self) -> None:
        """Alice writes something."""
        self.server.handler.active(ALICE, "DEVICE")

    def test_a_pause_is_not_told(self) -> None:
        """Who writes every two minutes is not news every two minutes (C-10)."""
        for _ in range(6):
            self.pass_time(120)
            self.be_active()
        self.assertEqual([], self.taken())

    def test_the_end_of_it_is_told_once(self) -> None:
        """When it has lasted for the window."""
        self.pass_time(60 + 290)
        self.assertEqual([], self.taken())
        self.pass_time(20)
        ((_, entries),) = self.taken()
        self.assertEqual({ALICE}, set(entries))
        self.assertFalse(entries[ALICE]["currently_active"])

    def test_a_server_that_was_told_in_a_pause_is_told_when_it_is_over(self) -> None:
        """It knows what the others do not know, and they need not be told."""
        self.pass_time(120)
        self.server.room(ROOM, "@new:third")
        self.pass_time(10)
        ((destination, entries),) = self.taken()
        self.assertEqual("third", destination)
        self.assertFalse(entries[ALICE]["currently_active"])
        for _ in range(4):
            self.be_active()
            self.pass_time(50)
        self.assertEqual([], self.taken())
        for _ in range(3):
            self.be_active()
            self.pass_time(50)
        ((destination, entries),) = self.taken()
        self.assertEqual("third", destination)
        self.assertTrue(entries[ALICE]["currently_active"])

    def test_a_later_last_activity_is_told(self) -> None:
        """Of somebody who is not currently active it is all there is to see (B-31)."""
        self.put("unavailable")
        self.pass_time(600)
        self.taken()
        users = self.server.handler.cache.users
        index = users.index[ALICE]
        users.last_active_ts[index] = self.server.handler.now()
        users.shown_active_ts[index] = users.last_active_ts[index]
        self.server.service.ticks.changed(index, urgent=False)
        self.pass_time(310)
        ((_, entries),) = self.taken()
        self.assertLess(entries[ALICE]["last_active_ago"], 311_000)
