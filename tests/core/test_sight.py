"""Who sees whom: rooms, joins, leaving, ignoring, profiles, deactivation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from matrix_presence.interfaces import Profile
from matrix_presence.testing import MemoryPresence
from tests.core.rig import ALICE, AT_ONCE, BOB, CAROL, ROOM, UNLIMITED, CoreTestCase


class RoomTests(CoreTestCase):
    """Sharing a room."""

    def test_room_mates_see_each_other(self) -> None:
        """Both ways, by GET and by sync (D-20, D-21, X-2)."""
        self.put("online", user_id=ALICE)
        self.put("online", user_id=BOB)
        for viewer, observed in ((ALICE, BOB), (BOB, ALICE)):
            self.assertEqual("online", self.presence(observed, viewer))
            self.assertIn(observed, self.server.seen(viewer))

    def test_everybody_sees_themself(self) -> None:
        """Own presence is readable and part of the own sync (A-45, A-86, D-20)."""
        self.put("online", user_id=CAROL)
        self.assertEqual("online", self.presence(CAROL, CAROL))
        self.assertEqual({CAROL}, set(self.server.seen(CAROL)))

    def test_strangers_see_nothing(self) -> None:
        """Who shares no room is not seen, by GET nor by sync (D-20, D-21)."""
        self.put("online")
        self.assertIsNone(self.server.view.status(CAROL, ALICE))
        self.assertEqual({}, self.server.seen(CAROL))

    def test_strangers_and_nobody_look_the_same(self) -> None:
        """Whether a user exists cannot be told (A-44, D-32)."""
        self.put("online")
        self.server.room("!other:hs", CAROL)
        for viewer in (CAROL, "@nobody:hs"):
            for observed in (ALICE, "@nobody2:hs", "@x:elsewhere"):
                self.assertIsNone(self.server.view.status(viewer, observed))

    def test_only_joined_members_count(self) -> None:
        """Having left, one sees and is seen no more (D-22, A-95)."""
        self.put("online")
        self.server.handler.left(ROOM, BOB)
        self.assertIsNone(self.server.view.status(BOB, ALICE))
        self.assertNotIn(ALICE, self.server.seen(BOB))
        self.read()
        self.put("unavailable")
        self.assertIsNone(self.news())

    def test_one_common_room_is_enough(self) -> None:
        """Leaving one of two changes nothing (A-95, D-20)."""
        self.server.room("!second:hs", ALICE, BOB)
        self.server.handler.left(ROOM, BOB)
        self.put("online")
        self.assertIsNotNone(self.news())

    def test_all_members_are_told(self) -> None:
        """Everybody in the room hears of a change (D-23)."""
        everybody = [f"@user{number}:hs" for number in range(300)]
        self.server.room(ROOM, *everybody)
        self.pass_time(0.1)
        for viewer in everybody:
            self.read(viewer)
        self.put("online")
        self.pass_time(0.1)
        for viewer in everybody:
            self.assertEqual({ALICE}, set(self.read(viewer)))

    def test_a_change_is_told_once(self) -> None:
        """The latest state once, and nothing after it (A-87)."""
        for presence in ("online", "unavailable", "online", "unavailable"):
            self.put(presence)
        self.pass_time(0.1)
        self.assertEqual("unavailable", self.read()[ALICE]["presence"])
        self.assertEqual({}, self.read())

    def test_a_first_sync_lists_who_is_there(self) -> None:
        """Those offline are left out, unless asked for (A-89)."""
        self.put("online")
        self.assertEqual({ALICE}, set(self.server.seen(BOB)))
        self.begin(include_offline_users_on_sync=True)
        self.put("online")
        self.assertEqual({ALICE, BOB}, set(self.server.seen(BOB)))

    def test_full_state_lists_them_again(self) -> None:
        """`full_state` is a snapshot whatever was read before (A-89)."""
        self.put("online")
        self.news()
        events, _ = self.server.sync.part(BOB, self.tokens[BOB], full_state=True)
        self.assertEqual([ALICE], [event["sender"] for event in events])


class JoinTests(CoreTestCase):
    """Coming into sight."""

    def setUp(self) -> None:
        """Carol knows nobody, and everybody is up to date."""
        super().setUp()
        for user_id in (ALICE, BOB, CAROL):
            self.put("online", user_id=user_id)
        self.pass_time(0.1)
        for user_id in (ALICE, BOB, CAROL):
            self.read(user_id)

    def test_a_joiner_gets_the_members_and_they_the_joiner(self) -> None:
        """Although nobody changed, both are told, once (A-88)."""
        self.server.handler.joined(ROOM, CAROL)
        self.pass_time(0.1)
        self.assertLessEqual({ALICE, BOB}, set(self.read(CAROL)))
        self.assertEqual({CAROL}, set(self.read(ALICE)))
        self.assertEqual({CAROL}, set(self.read(BOB)))
        for user_id in (ALICE, BOB, CAROL):
            self.assertEqual({}, self.read(user_id))

    def test_a_join_wakes_both(self) -> None:
        """Open polls of the joiner and of the members return (A-88, A-90)."""
        polls = [
            self.server.poll(user_id, self.tokens[user_id])
            for user_id in (ALICE, CAROL)
        ]
        self.server.handler.joined(ROOM, CAROL)
        self.pass_time(1.2)
        self.assertEqual([True, True], [poll.woken for poll in polls])
        for poll in polls:
            poll.close()

    def test_the_joiner_learns_who_is_offline(self) -> None:
        """A picture from an earlier membership is put right (A-88)."""
        self.server.handler.left(ROOM, ALICE)
        self.server.handler.logged_out(ALICE, None)
        self.pass_time(0.1)
        self.assertEqual({}, self.read(BOB))
        self.server.handler.joined(ROOM, ALICE)
        self.pass_time(0.1)
        self.assertEqual("offline", self.read(BOB)[ALICE]["presence"])

    def test_joining_again_is_no_join(self) -> None:
        """A membership that is repeated tells nobody anything (A-88)."""
        self.server.handler.joined(ROOM, ALICE)
        self.pass_time(0.1)
        self.assertEqual({}, self.read(BOB))

    def test_a_join_to_another_room_is_nothing_to_others(self) -> None:
        """Who shares neither room hears nothing (A-88, D-20)."""
        self.server.handler.joined("!other:hs", CAROL)
        self.pass_time(0.1)
        self.assertEqual({}, self.read(ALICE))

    def test_members_from_before_a_restart_are_no_joins(self) -> None:
        """Restoring a room tells nobody anything new (A-87, A-88)."""
        self.restart()
        self.pass_time(0.1)
        self.read(BOB)
        self.assertEqual({}, self.read(BOB))

    def test_a_picture_from_before_a_restart_is_put_right(self) -> None:
        """So it is when the server was restarted after the join (A-88)."""
        self.server.handler.left(ROOM, ALICE)
        self.server.handler.logged_out(ALICE, None)
        self.pass_time(0.1)
        self.read(BOB)
        self.server.handler.joined(ROOM, ALICE)
        self.pass_time(0.1)
        self.restart()
        self.assertEqual("offline", self.read(BOB)[ALICE]["presence"])


class SilentRoomTests(CoreTestCase):
    """Rooms that carry no presence."""

    OPTIONS: ClassVar[Mapping[str, Any]] = {
        **UNLIMITED,
        "exclude_rooms_from_presence": ["!excluded:hs"],
        "max_room_members": 3,
    }

    def test_an_excluded_room_shows_nobody(self) -> None:
        """Sharing only that room is sharing none (D-31)."""
        self.server.room("!excluded:hs", ALICE, CAROL)
        self.put("online")
        self.assertIsNone(self.server.view.status(CAROL, ALICE))
        self.assertEqual({}, self.server.seen(CAROL))
        self.read(CAROL)
        self.put("unavailable")
        self.assertIsNone(self.news(CAROL))

    def test_a_large_room_shows_nobody(self) -> None:
        """With more members than the limit it carries no presence (D-31)."""
        self.put("online")
        self.server.room(ROOM, CAROL)
        self.assertIn(ALICE, self.server.seen(CAROL))
        self.server.room(ROOM, "@dave:hs")
        self.assertEqual({}, self.server.seen(CAROL))
        self.assertIsNone(self.server.view.status(BOB, ALICE))

    def test_a_room_that_shrinks_shows_everybody_again(self) -> None:
        """The limit follows the members that are (D-31)."""
        self.put("online")
        self.server.room(ROOM, CAROL, "@dave:hs")
        self.server.handler.left(ROOM, "@dave:hs")
        self.assertEqual("online", self.presence(ALICE, CAROL))

    def test_a_join_there_introduces_nobody(self) -> None:
        """Who joins a room without presence is told of nobody (D-31, A-88)."""
        self.put("online")
        self.read(CAROL)
        self.server.room("!excluded:hs", ALICE, CAROL)
        self.pass_time(0.1)
        self.assertEqual({}, self.read(CAROL))


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


class ProfileTests(CoreTestCase):
    """Names and pictures."""

    PROFILE = Profile("Alice", "mxc://hs/alice")

    def test_a_change_is_told_with_the_presence(self) -> None:
        """An event carries both new values and the current state (D-1, D-3)."""
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


class AtOnceTests(CoreTestCase):
    """Without a tick."""

    OPTIONS: ClassVar[Mapping[str, Any]] = {**UNLIMITED, **AT_ONCE}

    def test_each_change_can_be_read_at_once(self) -> None:
        """With a tick of 0 every change has a position of its own (A-87)."""
        for number in range(10):
            position = self.server.view.position()
            self.put("online", str(number))
            self.assertEqual(position + 1, self.server.view.position())
            self.assertEqual(str(number), self.read()[ALICE]["status_msg"])

    def test_a_join_can_be_read_at_once(self) -> None:
        """The sync that follows the join has the members in it (A-88)."""
        self.put("online")
        self.read(CAROL)
        self.server.handler.joined(ROOM, CAROL)
        self.assertIn(ALICE, self.read(CAROL))


class ExampleTests(CoreTestCase):
    """The example in `matrix_presence.testing`."""

    def test_a_room_mate_is_seen_online(self) -> None:
        """It does what it says."""
        presence = MemoryPresence()
        presence.room("!r:hs", "@a:hs", "@b:hs")
        self.successResultOf(presence.set_status("@a:hs", "online", "hello"))
        presence.clock.advance(1)
        self.assertEqual("hello", presence.seen("@b:hs")["@a:hs"]["status_msg"])
