"""What clients say, where an option reads it in another way than the specification."""

from __future__ import annotations

from tests.core.rig import ALICE, BUSY, LATE, CoreTestCase


class SemanticsTests(CoreTestCase):
    """One option each; the defaults are what all other tests are about."""

    def test_busy_can_spread_to_each_device_that_syncs(self) -> None:
        """`busy_spreads`: then each of them has to end it."""
        for spreads, expected in ((False, "online"), (True, BUSY)):
            self.begin(busy_spreads=spreads)
            self.sync(ALICE, device_id="LAPTOP")
            self.put(BUSY, device_id="PHONE")
            self.sync(ALICE, "online", device_id="LAPTOP")
            self.sync(ALICE, "offline", device_id="TABLET")
            self.put("online", device_id="PHONE")
            self.assertEqual(expected, self.presence())
            self.put("online", device_id="LAPTOP")
            self.assertEqual("online", self.presence())

    def test_busy_can_be_over_once_unavailable_was_set(self) -> None:
        """`busy_comes_back`: then activity makes its user online (B-49)."""
        for comes_back, expected in ((True, BUSY), (False, "online")):
            self.begin(busy_comes_back=comes_back)
            self.put(BUSY)
            self.put("unavailable")
            self.server.handler.active(ALICE, "DEVICE")
            self.assertEqual(expected, self.presence())

    def test_who_is_offline_without_hiding_has_no_device_left(self) -> None:
        """`hiding_outlasts_syncs`: then there is nothing to remember of it (B-47)."""
        self.begin(hiding_outlasts_syncs=False)
        self.sync(ALICE)
        self.put("offline")
        self.assertEqual(1, self.server.handler.cache.devices.count)
        self.pass_time(30 + LATE)
        self.assertEqual(0, self.server.handler.cache.devices.count)

    def test_activity_of_somebody_offline_can_be_news(self) -> None:
        """`offline_activity_is_news`, and not within a granularity of the last."""
        for is_news in (False, True):
            self.begin(
                offline_activity_is_news=is_news, activity_when_disconnected="bump"
            )
            for seconds, is_due in ((120, True), (30, False), (40, True)):
                self.pass_time(seconds)
                self.server.handler.active(ALICE, "DEVICE")
                told = self.news()
                if is_news and is_due:
                    assert told is not None
                    self.assertEqual("offline", told["presence"])
                    self.assertGreater(1000, told["last_active_ago"])
                else:
                    self.assertIsNone(told)

    def test_offline_can_be_a_state_like_others(self) -> None:
        """`hiding_outlasts_syncs`: then a sync ends it, and no sync hides (B-47)."""
        self.begin(hiding_outlasts_syncs=False, activity_when_disconnected="bump")
        self.put("unavailable")
        self.sync(ALICE, "offline")
        self.server.handler.active(ALICE, "DEVICE")
        self.assertEqual("online", self.presence())
        self.put("offline")
        self.pass_time(5)
        self.server.handler.active(ALICE, "DEVICE")
        self.assertEqual("offline", self.presence())
        self.assertEqual(0, self.status()["last_active_ago"])
        self.sync(ALICE)
        self.assertEqual("online", self.presence())

    def test_offline_that_was_stored_holds_no_longer_then(self) -> None:
        """Who hid before the option was changed is there with their next sync."""
        self.put("offline")
        self.options["hiding_outlasts_syncs"] = False
        self.restart()
        self.sync(ALICE)
        self.assertEqual("online", self.presence())

    def test_all_that_is_said_can_be_activity(self) -> None:
        """`syncs_are_activity`: if its user is online then; else nothing is."""
        self.begin(syncs_are_activity=True)
        self.put("unavailable")
        self.assertNotIn("last_active_ago", self.status())
        for _ in range(20):
            self.sync(ALICE, "online")
            self.pass_time(20)
        self.assertEqual("online", self.presence())
        self.sync(ALICE, "unavailable", device_id="LAPTOP")
        self.assertEqual(0, self.ago())

    def test_time_outs_can_be_late(self) -> None:
        """`timeout_step`: at most twice that, and what they end holds until then."""
        self.begin(timeout_step="10s")
        self.sync(ALICE)
        late = 0
        while self.presence() == "online":
            self.pass_time(1)
            late += 1
        self.assertLess(32, late)
        self.assertLessEqual(late, 51)

    def test_what_has_timed_out_holds_until_it_is_looked_at(self) -> None:
        """A message that comes before that keeps its user where they are."""
        self.begin(timeout_step="10s")
        self.pass_time(10 - self.server.clock.seconds() % 10)
        self.sync(ALICE)
        self.pass_time(31)
        self.assertEqual("online", self.presence())
        self.server.handler.active(ALICE, "DEVICE")
        self.pass_time(15)
        self.assertEqual("online", self.presence())

    def test_idling_can_be_late_and_ends_by_activity(self) -> None:
        """With a `timeout_step` too; a poll alone does not end it (B-42, B-45)."""
        self.begin(timeout_step="10s")
        with self.connected(ALICE):
            self.pass_time(290)
            self.assertEqual("online", self.presence())
            self.pass_time(31)
            self.assertEqual("unavailable", self.presence())
            self.server.handler.active(ALICE, "DEVICE")
            self.assertEqual("online", self.presence())

    def test_busy_and_several_devices_time_out_late(self) -> None:
        """Each in its own time."""
        self.begin(timeout_step="10s", busy_online_timeout="10m")
        self.put(BUSY, device_id="PHONE")
        self.sync(ALICE, "unavailable", device_id="LAPTOP")
        self.pass_time(120)
        self.assertEqual(BUSY, self.presence())
        self.pass_time(530)
        self.assertEqual("offline", self.presence())

    def test_who_is_unavailable_and_never_syncs_goes_in_the_end(self) -> None:
        """Within `idle_timeout`, where time-outs are late."""
        self.begin(timeout_step="10s")
        self.put("unavailable")
        self.pass_time(321)
        self.assertEqual("offline", self.presence())

    def test_late_time_outs_need_no_idling(self) -> None:
        """With `idle_timeout` at 0 somebody who is gone goes all the same."""
        self.begin(timeout_step="10s", idle_timeout=0)
        self.sync(ALICE)
        self.put("unavailable")
        self.pass_time(80)
        self.assertEqual("offline", self.presence())

    def test_being_connected_can_last_from_the_beginning_of_a_sync(self) -> None:
        """`sync_end_counts`: who pauses after a long poll may be offline."""
        for counts, expected in ((True, "online"), (False, "offline")):
            self.begin(sync_end_counts=counts)
            with self.connected(ALICE):
                self.pass_time(50)
                self.assertEqual("online", self.presence())
            self.pass_time(15)
            self.assertEqual(expected, self.presence())
