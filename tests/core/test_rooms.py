"""Who sees whom: sharing rooms, joining them, rooms without presence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

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
