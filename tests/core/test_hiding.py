"""Offline because they said so."""

from __future__ import annotations

from tests.core.rig import (
    ALICE,
    BUSY,
    LATE,
    CoreTestCase,
)


class HidingTests(CoreTestCase):
    """Offline because they said so."""

    def test_an_explicit_offline_holds(self) -> None:
        """It outlives messages, polls and time (B-47, X-15)."""
        self.put("online")
        self.put("offline")
        for _round in range(5):
            self.sync(ALICE)
            self.sync(ALICE, "unavailable")
            self.server.handler.active(ALICE, "DEVICE")
            self.pass_time(20)
            self.assertEqual("offline", self.presence())

    def test_it_outlives_a_restart(self) -> None:
        """Hidden stays hidden, however this life ends (B-47, B-53)."""
        self.put("online")
        self.put("offline")
        for crash in (False, True):
            self.restart(crash=crash)
            self.sync(ALICE)
            self.server.handler.active(ALICE, "DEVICE")
            self.pass_time(1)
            self.assertEqual("offline", self.presence())

    def test_nothing_of_it_shows(self) -> None:
        """What is done in hiding tells nobody anything, nor when (B-47, B-51)."""
        self.put("online")
        self.put("offline")
        news = self.news()
        assert news is not None
        self.assertEqual({"presence": "offline"}, news)
        for _message in range(5):
            self.server.handler.active(ALICE, "DEVICE")
            self.pass_time(70)
            self.assertIsNone(self.news())
        self.assertEqual({"presence": "offline"}, self.status())

    def test_she_herself_sees_when(self) -> None:
        """Own presence shows the last activity also in hiding (A-45, B-51)."""
        self.put("online")
        self.put("offline")
        self.pass_time(5)
        self.assertEqual(5000, self.ago())

    def test_the_next_status_ends_it(self) -> None:
        """Any other state that is set does (B-47)."""
        for presence in ("unavailable", "online", BUSY):
            self.put("offline")
            self.put(presence)
            self.assertEqual(presence, self.presence())

    def test_saying_online_in_a_sync_ends_it(self) -> None:
        """`set_presence=online` is an edge that reveals (B-45, B-47)."""
        self.put("offline")
        self.pass_time(5)
        self.sync(ALICE, "online")
        self.assertEqual("online", self.presence())
        self.assertEqual(0, self.ago())

    def test_it_is_the_devices(self) -> None:
        """Another device may show her all the same (B-5, B-47)."""
        self.put("offline", device_id="PHONE")
        self.sync(ALICE, device_id="LAPTOP")
        self.assertEqual("online", self.presence())

    def test_offline_syncs_change_nothing_that_is_seen(self) -> None:
        """They neither hide at once nor keep online (A-82, B-47)."""
        self.sync(ALICE)
        self.pass_time(20)
        self.sync(ALICE, "offline")
        self.assertEqual("online", self.presence())
        self.pass_time(10 + LATE)
        self.assertEqual("offline", self.presence())

    def test_offline_syncs_alone_show_nothing(self) -> None:
        """Who only ever syncs as offline is not seen, whatever they do (B-47)."""
        for _round in range(5):
            self.sync(ALICE, "offline")
            self.server.handler.active(ALICE, "DEVICE")
            self.pass_time(10)
            self.assertEqual("offline", self.presence())
        self.assertIsNone(self.news())

    def test_offline_syncs_show_nothing_after_a_restart(self) -> None:
        """Who was gone before it does not come back by them (B-47, B-53)."""
        self.sync(ALICE)
        self.sync(ALICE, "offline")
        self.pass_time(60)
        for crash in (False, True):
            self.restart(crash=crash)
            self.sync(ALICE, "offline")
            self.server.handler.active(ALICE, "DEVICE")
            self.pass_time(1)
            self.assertEqual("offline", self.presence())

    def test_a_user_in_hiding_costs_no_sweeps(self) -> None:
        """Nobody is looked at each second because they hide (B-47)."""
        self.sync(ALICE)
        self.sync(ALICE, "offline")
        self.pass_time(120)
        self.assertEqual(0, len(self.server.handler.cache.wheel))

    def test_offline_syncs_do_not_end_busy(self) -> None:
        """They leave the other state untouched (A-82, B-50)."""
        self.put(BUSY)
        self.sync(ALICE, "offline")
        self.sync(ALICE)
        self.assertEqual(BUSY, self.presence())
