"""The last activity of a user: what moves it, and who is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from matrix_presence.rules.states import NAMES
from tests.core.rig import ALICE, BUSY, LATE, UNLIMITED, CoreTestCase
from tests.rules.test_states import UPWARDS


class LastActiveTests(CoreTestCase):
    """When a user was last active."""

    def test_it_is_the_time_since_the_last_activity(self) -> None:
        """`last_active_ago` is what has passed when it is asked for (B-10, B-11)."""
        with self.connected(ALICE):
            self.pass_time(20)
            self.server.handler.active(ALICE, "DEVICE")
            self.pass_time(12.5)
            self.assertEqual(12_500, self.status()["last_active_ago"])

    def test_what_a_user_does_is_activity(self) -> None:
        """Messages, receipts and typing all come as `active` (B-12, B-17)."""
        self.sync(ALICE)
        self.pass_time(20)
        self.server.handler.active(ALICE, "DEVICE")
        self.assertEqual(0, self.ago())

    def test_changing_to_online_is_activity(self) -> None:
        """Whoever states online was there just now (B-13)."""
        self.put("unavailable")
        self.pass_time(20)
        self.put("online")
        self.assertEqual(0, self.ago())

    def test_the_six_ways_up_are_activity(self) -> None:
        """Each raise by a status bumps, whichever pair it is (B-14)."""
        for before, after in UPWARDS:
            self.put(NAMES[before])
            self.pass_time(5)
            self.put(NAMES[after])
            self.assertEqual(0, self.ago(), (before, after))

    def test_the_six_ways_down_are_not(self) -> None:
        """No lowering by a status bumps, whichever pair it is (B-15)."""
        for after, before in UPWARDS:
            self.put("offline")
            self.put(NAMES[before])
            self.pass_time(5)
            self.put(NAMES[after])
            self.assertEqual(5000, self.ago(), (before, after))

    def test_a_status_is_activity(self) -> None:
        """Saying online once more, with another text, bumps (B-16, A-29)."""
        self.put("online", "one")
        self.pass_time(5)
        self.put("online", "two")
        self.assertEqual(0, self.ago())

    def test_polling_is_no_activity(self) -> None:
        """A client that only polls moves nothing (B-18)."""
        self.sync(ALICE)
        self.poll_for(60)
        self.assertEqual(60_000, self.ago())

    def test_polling_as_online_is_no_activity(self) -> None:
        """Nor does one that says online with each poll (B-18, B-45)."""
        self.sync(ALICE, "online")
        self.poll_for(60, set_presence="online")
        self.assertEqual(60_000, self.ago())

    def test_an_event_carries_the_last_activity_of_its_moment(self) -> None:
        """Whatever is told, the last activity in it is up to date (B-20)."""
        self.put("online")
        self.read()
        self.pass_time(7)
        self.server.handler.active(ALICE, "DEVICE")
        self.pass_time(3)
        self.put("unavailable")
        news = self.news()
        assert news is not None
        self.assertEqual(3100, news["last_active_ago"])

    def test_the_newest_activity_of_all_devices_counts(self) -> None:
        """Devices have an activity each, a user has the newest (B-1, B-5)."""
        self.sync(ALICE, device_id="PHONE")
        self.pass_time(5)
        self.sync(ALICE, device_id="LAPTOP")
        self.pass_time(5)
        self.assertEqual(5000, self.ago())
        self.server.handler.active(ALICE, "PHONE")
        self.assertEqual(0, self.ago())

    def test_a_new_account_was_active_just_now(self) -> None:
        """From its registration on, its last activity is known (A-111)."""
        self.server.handler.registered("@new:hs")
        self.pass_time(5)
        self.assertEqual(5000, self.ago("@new:hs"))
        self.assertEqual("offline", self.presence("@new:hs", "@new:hs"))


class GranularityTests(CoreTestCase):
    """How often mere activity is told."""

    OPTIONS: ClassVar[Mapping[str, Any]] = {
        **UNLIMITED,
        "last_active_granularity": "10s",
        "idle_timeout": "1m",
    }

    def test_mere_activity_is_told_once_a_granularity(self) -> None:
        """Bob hears of an unavailable Alice's activity not again so soon (B-19)."""
        self.put("unavailable")
        self.read()
        told = 0
        for _second in range(60):
            with self.connected(ALICE, "unavailable"):
                # Offline to unavailable on another device is activity without online.
                self.put("unavailable", device_id="OTHER")
                self.server.handler.logged_out(ALICE, "OTHER")
            told += self.news() is not None
            self.pass_time(0.9)
        self.assertEqual("unavailable", self.presence())
        self.assertTrue(5 <= told <= 6, told)

    def test_the_stored_value_is_exact(self) -> None:
        """What is not told is noted all the same (B-19, B-33)."""
        self.sync(ALICE)
        self.pass_time(1)
        self.read()
        self.server.handler.active(ALICE, "DEVICE")
        self.pass_time(0.5)
        self.assertIsNone(self.news())
        self.assertEqual(600, self.status()["last_active_ago"])

    def test_the_granularity_can_be_set(self) -> None:
        """With ten seconds of it, currently active ends after ten (B-54, B-34)."""
        with self.connected(ALICE):
            self.pass_time(9.5)
            self.assertTrue(self.status()["currently_active"])
            self.read()
            self.pass_time(0.5 + LATE)
            news = self.news()
        assert news is not None
        self.assertFalse(news["currently_active"])


class CurrentlyActiveTests(CoreTestCase):
    """That somebody is there right now, and the quiet it buys."""

    def setUp(self) -> None:
        """Alice has just come online, and Bob has been told."""
        super().setUp()
        self.held = self.connected(ALICE)
        self.held.__enter__()
        self.addCleanup(self.held.__exit__, None, None, None)
        self.news()

    def test_who_was_active_lately_is_currently_active(self) -> None:
        """It is said of those online, within the granularity (B-30, B-34)."""
        self.assertIs(True, self.status()["currently_active"])
        self.pass_time(60)
        self.assertIs(False, self.status()["currently_active"])

    def test_it_is_said_of_nobody_else(self) -> None:
        """Neither unavailable nor busy nor offline users carry it (B-30)."""
        for presence in ("unavailable", BUSY, "offline"):
            self.put(presence)
            self.assertNotIn("currently_active", self.status())

    def test_mere_activity_is_not_told_meanwhile(self) -> None:
        """Ten messages within the granularity are no news at all (B-31)."""
        for _message in range(10):
            self.pass_time(5)
            self.server.handler.active(ALICE, "DEVICE")
            self.assertIsNone(self.news())

    def test_the_activity_is_tracked_underneath(self) -> None:
        """A GET knows of each message that was not told (B-33, A-46)."""
        for _message in range(5):
            self.pass_time(5)
            self.server.handler.active(ALICE, "DEVICE")
            self.assertEqual(0, self.status()["last_active_ago"])

    def test_its_end_is_told_once(self) -> None:
        """When the granularity has passed, one update says false (B-31, B-34)."""
        self.pass_time(60 + LATE)
        news = self.news()
        assert news is not None
        self.assertIs(False, news["currently_active"])
        self.assertEqual("online", news["presence"])
        self.pass_time(60)
        self.assertIsNone(self.news())

    def test_activity_puts_its_end_off(self) -> None:
        """It ends a granularity after the last message, not the first (B-34)."""
        self.pass_time(50)
        self.server.handler.active(ALICE, "DEVICE")
        self.pass_time(50)
        self.assertIsNone(self.news())
        self.assertTrue(self.status()["currently_active"])

    def test_who_believes_what_was_told_is_right(self) -> None:
        """A client need not look at the last active time while it was told true (B-32).

        Whenever it believes her active, she has been within a granularity, give or
        take the lateness of a time-out; whenever it does not, she has not.
        """
        believes = True
        for second in range(600):
            if second % 97 < 3 or 200 < second < 260:
                self.server.handler.active(ALICE, "DEVICE")
            self.pass_time(1)
            news = self.news()
            if news is not None:
                believes = news.get("currently_active", False)
            ago = self.status()["last_active_ago"]
            if believes:
                self.assertLess(ago, (60 + LATE) * 1000)
            else:
                self.assertGreaterEqual(ago, 60_000)

    def test_its_return_is_told(self) -> None:
        """After false, the first message says true again (B-31)."""
        self.pass_time(60 + LATE)
        self.news()
        self.server.handler.active(ALICE, "DEVICE")
        news = self.news()
        assert news is not None
        self.assertIs(True, news["currently_active"])

    def test_a_status_is_told_meanwhile(self) -> None:
        """Another text is told although she is currently active (B-35)."""
        self.put("online", "in a meeting")
        news = self.news()
        assert news is not None
        self.assertEqual("in a meeting", news["status_msg"])
        self.assertIs(True, news["currently_active"])

    def test_a_state_is_told_meanwhile(self) -> None:
        """Another state is told although she is currently active (B-31, B-35)."""
        self.put("unavailable")
        news = self.news()
        assert news is not None
        self.assertEqual("unavailable", news["presence"])

    def test_the_same_status_once_more_is_not(self) -> None:
        """A repeated PUT tells nobody anything (A-31, B-31)."""
        self.put("online", "hello")
        self.news()
        self.put("online", "hello")
        self.assertIsNone(self.news())
