"""What other servers say of their users, and what becomes of it."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.handler import PresenceHandler
from matrix_presence.testing import MemoryPresence
from tests.federation.rig import (
    ALICE,
    BOB,
    PLAIN,
    REMOTE,
    ROOM,
    FederationTestCase,
    edu,
    said,
)
from tests.wire.test_edu import anything, entries


class ReceivingTests(FederationTestCase):
    """Alice shares a room with a user of another server."""

    def setUp(self) -> None:
        """They have just met."""
        super().setUp()
        self.server.room(ROOM, ALICE, BOB, REMOTE)
        self.pass_time(1)

    def test_a_state_is_seen(self) -> None:
        """By those who share a room with the user (C-1)."""
        self.receive(said(status_msg="hi", last_active_ago=5000, currently_active=True))
        self.pass_time(1)
        expected = {
            "presence": "online",
            "status_msg": "hi",
            "last_active_ago": 6000,
            "currently_active": True,
        }
        self.assertEqual(expected, self.seen())
        self.assertEqual(expected, self.server.seen(ALICE)[REMOTE])

    def test_who_waits_is_woken(self) -> None:
        """A change of another server's user is a change like any other."""
        poll = self.server.poll(ALICE, self.server.view.position())
        self.receive(said())
        self.pass_time(1)
        self.assertTrue(poll.woken)
        self.assertIn(REMOTE, poll.close()[0])

    def test_a_repetition_is_no_news(self) -> None:
        """A ping changes nothing that anybody can see, and wakes nobody (B-31, C-9)."""
        self.connect()
        self.receive(said(last_active_ago=0, currently_active=True))
        self.pass_time(600, 5)
        poll = self.server.poll(ALICE, self.server.view.position())
        for _ in range(3):
            self.receive(said(last_active_ago=0, currently_active=True))
            self.pass_time(10)
        self.assertFalse(poll.woken)
        self.assertLess(self.seen()["last_active_ago"], 11_000)
        poll.close()

    def test_users_who_share_no_room_are_dropped(self) -> None:
        """Nobody could see them, so they do not become known (C-2)."""
        stranger = "@stranger:there"
        self.receive(said(user_id=stranger), said())
        self.assertIsNone(self.server.handler.cache.users.find(stranger))
        self.server.handler.left(ROOM, REMOTE)
        self.receive(said("offline"))
        index = self.server.handler.cache.users.index[REMOTE]
        self.assertEqual(2, self.server.handler.cache.users.presence(index))

    def test_only_the_origin_speaks_for_its_users(self) -> None:
        """Not for users of others, and least of all for ours (C-3, D-33)."""
        self.server.room(ROOM, "@mallory:evil", "@mallory:hs")
        self.receive(said(), said(user_id=ALICE), origin="evil")
        self.receive(said(user_id=ALICE), origin="hs")
        self.assertEqual("offline", self.seen()["presence"])
        self.assertEqual("offline", self.seen(ALICE)["presence"])

    def test_a_bad_entry_is_skipped_alone(self) -> None:
        """The entries around it are taken (C-4)."""
        self.receive(5, said(last_active_ago="x"), said("unavailable"), {}, None)
        self.assertEqual("unavailable", self.seen()["presence"])

    def test_what_is_no_presence_is_ignored(self) -> None:
        """Typing and whatever else comes in a transaction is others' business (C-4)."""
        receiver = self.server.service.receiver
        for wrong in (
            edu(said()) | {"edu_type": "m.typing"},
            {"edu_type": "m.presence"},
            {"edu_type": "m.presence", "content": {"push": said()}},
            None,
        ):
            receiver.edu_received("there", wrong)
        self.assertEqual("offline", self.seen()["presence"])

    @given(st.lists(entries | anything, max_size=5), anything)
    def test_whatever_comes_changes_nobody_elses_user(self, push, sent_ts) -> None:
        """No JSON raises, and nothing is said of users of other servers (C-3, C-4)."""
        server = MemoryPresence(**PLAIN)
        server.room(ROOM, "@alice:there", "@bob:there", "@carol:here", ALICE)
        users = server.handler.cache.users
        receiver = server.service.receiver
        receiver.edu_received("there", edu(*push), sent_ts)
        receiver.edu_received("there", push)
        for user_id in (ALICE, "@carol:here"):
            user = users.index[user_id]
            self.assertEqual(
                (0, None, 0),
                (users.presence(user), users.status_msg[user], users.told_ts[user]),
            )
        server.clock.advance(1)
        server.seen(ALICE)

    def test_missing_keys(self) -> None:
        """No status clears it, no time keeps it, no name keeps it (C-8, D-9)."""
        self.receive(
            said(
                status_msg="hi",
                last_active_ago=5000,
                currently_active=True,
                displayname="Remo",
                avatar_url="mxc://there/r",
            )
        )
        self.pass_time(1)
        self.receive(said())
        self.pass_time(1)
        content = self.server.seen(ALICE)[REMOTE]
        expected = {
            "presence": "online",
            "last_active_ago": 7000,
            "currently_active": False,
            "displayname": "Remo",
            "avatar_url": "mxc://there/r",
        }
        self.assertEqual(expected, content)
        self.receive(said(displayname=None))
        self.assertNotIn("displayname", self.server.seen(ALICE)[REMOTE])

    def test_times_are_kept_as_times(self) -> None:
        """What was long ago gets longer ago; nonsense is clamped (C-7)."""
        for ago, seen in ((-5, 1000), (10_000, 11_000)):
            self.receive(said(last_active_ago=ago))
            self.pass_time(1)
            self.assertEqual(seen, self.seen()["last_active_ago"])
        self.receive(said(last_active_ago=10**30))
        self.assertNotIn("last_active_ago", self.seen())

    def test_states_that_others_made_up(self) -> None:
        """They are rendered as states that clients know (C-6, X-1)."""
        for name, shown in (
            ("free_for_chat", "online"),
            ("hidden", "offline"),
            ("zzz", "unavailable"),
            ("org.matrix.msc3026.busy", "org.matrix.msc3026.busy"),
        ):
            self.receive(said(name))
            self.assertEqual(shown, self.seen()["presence"])

    def test_busy_where_it_is_switched_off(self) -> None:
        """It falls back to what MSC3026 names (C-6)."""
        self.server = self.start(busy=False)
        self.server.room(ROOM, ALICE, REMOTE)
        self.receive(said("org.matrix.msc3026.busy"))
        self.assertEqual("unavailable", self.seen()["presence"])

    def test_what_was_overtaken_is_not_applied(self) -> None:
        """A transaction that comes late does not undo a newer one."""
        now = self.server.handler.now()
        self.receive(said("unavailable"), sent_ts=now)
        self.receive(said("online"), sent_ts=now - 5000)
        self.assertEqual("unavailable", self.seen()["presence"])
        self.receive(said("online"), sent_ts=now)
        self.assertEqual("online", self.seen()["presence"])

    def test_a_clock_that_was_set_back_is_believed(self) -> None:
        """Else nothing would be heard of that server for as long."""
        now = self.server.handler.now()
        self.receive(said("unavailable"), sent_ts=now + 86_400_000)
        self.receive(said("online"), sent_ts=now)
        self.assertEqual("online", self.seen()["presence"])

    def test_a_fault_of_ours_is_logged_and_no_more(self) -> None:
        """Presence never fails a transaction (C-4)."""
        with patch.object(PresenceHandler, "told", side_effect=ZeroDivisionError):
            self.receive(said(), said())
        self.assertEqual(2, len(self.logged_errors()))

    def test_activity_elsewhere_is_no_activity_here(self) -> None:
        """What somebody does in a room is for their own server to tell (C-1)."""
        self.server.handler.active(REMOTE, None)
        self.assertEqual("offline", self.seen()["presence"])


class FloodTests(FederationTestCase):
    """A server that tells more than its share."""

    def setUp(self) -> None:
        """A limit of ten users a second, and rooms with two servers."""
        super().setUp()
        limit = {"per_origin": {"per_second": 10, "burst_count": 20}}
        self.server = self.start(rc_presence=limit)
        self.server.room(ROOM, ALICE, REMOTE, "@good:peer")

    def test_what_exceeds_the_share_is_dropped(self) -> None:
        """Entries count, however they are packed; time gives more (C-43)."""
        receiver = self.server.service.receiver
        self.receive(*[said()] * 15)
        self.receive(*[said()] * 15)
        self.assertEqual((20, 10), (receiver.applied, receiver.dropped))
        self.pass_time(1)
        self.receive(*[said()] * 15)
        self.assertEqual(30, receiver.applied)

    def test_others_are_heard_meanwhile(self) -> None:
        """Each origin has a share of its own."""
        self.receive(*[said()] * 1000)
        self.receive(said(user_id="@good:peer"), origin="peer")
        self.assertEqual("online", self.seen("@good:peer")["presence"])


class ExpiryTests(FederationTestCase):
    """Users of servers that say nothing more."""

    def setUp(self) -> None:
        """Somebody elsewhere is online."""
        super().setUp()
        self.server.room(ROOM, ALICE, REMOTE)
        self.receive(said(status_msg="hi", currently_active=True))
        self.pass_time(1)

    def test_nobody_is_online_for_ever(self) -> None:
        """Half an hour without a word is offline, and is seen as such (C-9)."""
        self.pass_time(29 * 60, 5)
        self.assertEqual("online", self.seen()["presence"])
        since = self.server.view.position()
        self.pass_time(65, 5)
        self.assertEqual("offline", self.seen()["presence"])
        self.assertEqual("offline", self.server.seen(ALICE, since)[REMOTE]["presence"])

    def test_every_word_counts(self) -> None:
        """A ping keeps the user as they are for as long again (C-9)."""
        for _ in range(3):
            self.pass_time(25 * 60, 5)
            self.receive(said(status_msg="hi", currently_active=True))
        self.pass_time(29 * 60, 5)
        self.assertEqual("online", self.seen()["presence"])

    def test_a_restart_keeps_them_until_then(self) -> None:
        """They are as they were, and expire when nothing comes (B-53, C-9)."""
        self.successResultOf(self.server.stop())
        self.server = self.start(store=self.server.store, clock=self.server.clock)
        self.server.handler.restore_room(ROOM, [ALICE, REMOTE])
        self.pass_time(29 * 60, 5)
        expected = {"presence": "online", "status_msg": "hi", "currently_active": True}
        self.assertEqual(expected, self.seen() | expected)
        self.pass_time(70, 5)
        self.assertEqual("offline", self.seen()["presence"])
