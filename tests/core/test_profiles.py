"""What else is told: names and pictures, the last word; and what is not."""

from __future__ import annotations

from matrix_presence.interfaces import Profile
from tests.core.rig import ALICE, BOB, CAROL, ROOM, CoreTestCase


class ProfileTests(CoreTestCase):
    """Names and pictures."""

    PROFILE = Profile("Alice", "mxc://hs/alice")

    def test_a_change_is_told_with_the_presence(self) -> None:
        """An event carries both new values and the current state (D-1, D-3, X-7)."""
        self.put("unavailable", "hm")
        self.news()
        self.server.handler.profile_changed(ALICE, self.PROFILE)
        news = self.news()
        assert news is not None
        self.assertEqual("Alice", news["displayname"])
        self.assertEqual("mxc://hs/alice", news["avatar_url"])
        self.assertEqual("unavailable", news["presence"])
        self.assertEqual("hm", news["status_msg"])

    def test_a_removed_value_has_no_key(self) -> None:
        """What is unset is absent, not null (D-3, A-113)."""
        self.server.handler.profile_changed(ALICE, self.PROFILE)
        self.news()
        self.server.handler.profile_changed(ALICE, Profile(displayname="Alice"))
        news = self.news()
        assert news is not None
        self.assertNotIn("avatar_url", news)
        self.server.handler.profile_changed(ALICE, Profile())
        news = self.news()
        assert news is not None
        self.assertNotIn("displayname", news)

    def test_those_who_see_the_presence_are_told(self) -> None:
        """Room mates and the user themself, nobody else (D-4)."""
        for viewer in (ALICE, BOB, CAROL):
            self.read(viewer)
        self.server.handler.profile_changed(ALICE, self.PROFILE)
        self.pass_time(0.1)
        told = [viewer for viewer in (ALICE, BOB, CAROL) if self.read(viewer)]
        self.assertEqual([ALICE, BOB], told)

    def test_every_event_carries_the_profile(self) -> None:
        """Also a mere change of presence does (D-5, A-113)."""
        self.server.handler.profile_changed(ALICE, self.PROFILE)
        self.news()
        self.put("online")
        news = self.news()
        assert news is not None
        self.assertEqual("Alice", news["displayname"])

    def test_it_is_no_activity(self) -> None:
        """Neither online nor active becomes anybody by it (D-6)."""
        self.put("online")
        self.put("unavailable")
        self.pass_time(5)
        self.server.handler.profile_changed(ALICE, self.PROFILE)
        self.assertEqual("unavailable", self.presence())
        self.assertEqual(5000, self.ago())

    def test_it_is_told_of_somebody_offline(self) -> None:
        """The event says offline, and the new name (D-7)."""
        self.server.handler.profile_changed(ALICE, self.PROFILE)
        news = self.news()
        assert news is not None
        self.assertEqual("offline", news["presence"])
        self.assertEqual("Alice", news["displayname"])

    def test_the_same_once_more_is_not_told(self) -> None:
        """Setting what is already set tells nobody anything (D-1)."""
        self.server.handler.profile_changed(ALICE, self.PROFILE)
        self.news()
        self.server.handler.profile_changed(ALICE, Profile("Alice", "mxc://hs/alice"))
        self.assertIsNone(self.news())

    def test_it_outlives_a_restart(self) -> None:
        """The profile last heard is known in the next life (D-5)."""
        self.server.handler.profile_changed(ALICE, self.PROFILE)
        self.restart()
        self.put("online")
        news = self.news()
        assert news is not None
        self.assertEqual("Alice", news["displayname"])

    def test_it_wakes_a_poll(self) -> None:
        """A changed name reaches a waiting client at once (D-1, A-90)."""
        poll = self.server.poll(BOB, self.server.view.position(), "offline")
        self.server.handler.profile_changed(ALICE, self.PROFILE)
        self.pass_time(0.1)
        self.assertTrue(poll.woken)
        self.assertEqual("Alice", poll.close()[0][ALICE]["displayname"])


class DeactivationTests(CoreTestCase):
    """Accounts that are no more."""

    def setUp(self) -> None:
        """Alice has all there is to have, and Bob knows it."""
        super().setUp()
        self.put("online", "hello")
        self.server.handler.profile_changed(ALICE, Profile("Alice"))
        self.news()

    def check_last_word(self) -> None:
        """Bob hears once that she is offline, and of nothing she had."""
        news = self.news()
        assert news is not None
        self.assertEqual("offline", news["presence"])
        self.assertNotIn("status_msg", news)
        self.assertNotIn("displayname", news)
        self.assertIsNone(self.news())

    def test_the_last_word_is_offline(self) -> None:
        """Without status, without profile, once (D-40)."""
        self.server.handler.deactivated(ALICE)
        self.check_last_word()

    def test_it_is_heard_by_those_she_then_leaves(self) -> None:
        """Leaving the rooms right after it takes nothing away (D-40)."""
        self.server.handler.deactivated(ALICE)
        self.server.handler.left(ROOM, ALICE)
        self.check_last_word()

    def test_it_wakes_those_who_saw_her(self) -> None:
        """A waiting client hears of it at once (D-40, A-90)."""
        poll = self.server.poll(BOB, self.tokens[BOB], "offline")
        self.server.handler.deactivated(ALICE)
        self.server.handler.left(ROOM, ALICE)
        self.pass_time(0.1)
        self.assertTrue(poll.woken)
        self.assertEqual("offline", poll.close()[0][ALICE]["presence"])

    def test_she_is_then_as_if_she_had_never_been(self) -> None:
        """A GET answers what it answers for nobody (D-40, A-44)."""
        self.server.handler.deactivated(ALICE)
        self.assertIsNone(self.server.view.status(BOB, ALICE))
        self.assertNotIn(ALICE, self.server.seen(BOB))

    def test_strangers_hear_nothing(self) -> None:
        """Only those who saw her are told (D-40, D-20)."""
        self.read(CAROL)
        self.server.handler.deactivated(ALICE)
        self.assertIsNone(self.news(CAROL))

    def test_it_holds_over_a_restart(self) -> None:
        """Nothing of her comes back (D-40, B-53)."""
        self.server.handler.deactivated(ALICE)
        self.server.handler.left(ROOM, ALICE)
        self.pass_time(0.1)
        self.restart()
        alice = self.status(ALICE, ALICE)
        self.assertEqual("offline", alice["presence"])
        self.assertNotIn("status_msg", alice)

    def test_an_account_of_the_same_name_starts_anew(self) -> None:
        """Once registered again, she is seen again (D-40)."""
        self.server.handler.deactivated(ALICE)
        self.server.handler.registered(ALICE)
        self.assertEqual("offline", self.presence())


class IgnoreTests(CoreTestCase):
    """Users who are ignored."""

    def test_an_ignored_user_is_not_told_of(self) -> None:
        """Neither in a first sync nor later (A-94)."""
        self.server.handler.ignores(BOB, [ALICE])
        self.put("online")
        self.assertIsNone(self.news())
        self.assertEqual({}, self.server.seen(BOB))

    def test_an_ignored_user_wakes_nobody(self) -> None:
        """A long poll does not return for them (A-90, A-94)."""
        self.server.handler.ignores(BOB, [ALICE])
        poll = self.server.poll(BOB, self.server.view.position(), "offline")
        self.put("online")
        self.pass_time(3)
        self.assertFalse(poll.woken)
        poll.close()

    def test_the_ignored_sees_as_before(self) -> None:
        """Ignoring works one way (A-94)."""
        self.server.handler.ignores(BOB, [ALICE])
        self.put("online", user_id=BOB)
        self.assertIn(BOB, self.server.seen(ALICE))

    def test_the_list_is_the_whole_list(self) -> None:
        """Whoever is on it no more is told of again (A-94)."""
        self.put("online")
        self.server.handler.ignores(BOB, [ALICE, CAROL])
        self.server.handler.ignores(BOB, [CAROL])
        self.assertIn(ALICE, self.server.seen(BOB))
        self.server.handler.ignores(BOB, [])
        self.assertIn(ALICE, self.server.seen(BOB))

    def test_nobody_ignores_themself(self) -> None:
        """Own presence is shown whatever the list says (A-86, A-94)."""
        self.server.handler.ignores(BOB, [BOB])
        self.put("online", user_id=BOB)
        self.assertIn(BOB, self.server.seen(BOB))

    def test_a_status_can_be_asked_for_all_the_same(self) -> None:
        """Who is asked for by name is answered by the rooms alone (D-21)."""
        self.server.handler.ignores(BOB, [ALICE])
        self.put("online")
        self.assertEqual("online", self.presence())
