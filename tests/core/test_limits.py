"""What a limit holds back, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from matrix_presence.errors import LimitExceeded
from matrix_presence.interfaces import Requester
from matrix_presence.rules.states import Presence
from tests.core.rig import ALICE, LATE, STRICT, CoreTestCase


class LimitTests(CoreTestCase):
    """One change at once, and one more every ten seconds."""

    OPTIONS: ClassVar[Mapping[str, Any]] = STRICT

    def wait(self) -> None:
        """Until the limit allows one more, and it has been applied."""
        self.pass_time(10 + LATE)

    def test_a_limited_status_is_refused(self) -> None:
        """The refusal says when to try again (A-28)."""
        self.put("online")
        requester = Requester(ALICE, "DEVICE")
        refused = self.assertRaises(
            LimitExceeded,
            self.server.handler.set_status,
            requester,
            Presence.UNAVAILABLE,
            None,
        )
        self.assertEqual(10_000, refused.retry_after_ms)
        self.assertEqual("online", self.presence())

    def test_a_refused_status_comes_when_the_limit_allows(self) -> None:
        """Online then offline within the limit ends offline (A-83)."""
        self.put("online", "hello")
        self.put_refused("offline", "bye")
        self.assertEqual("online", self.presence())
        self.wait()
        self.assertEqual("offline", self.presence())
        self.assertEqual("bye", self.status()["status_msg"])
        self.sync(ALICE)
        self.assertEqual("offline", self.presence())

    def test_the_newest_refused_status_counts(self) -> None:
        """What was refused before it is no longer wanted (A-83)."""
        self.put("online")
        self.put_refused("offline")
        self.put_refused("unavailable", "late")
        self.wait()
        self.assertEqual("unavailable", self.presence())
        self.wait()
        self.assertEqual("unavailable", self.presence())

    def test_a_status_that_is_allowed_replaces_one_refused(self) -> None:
        """A refused status does not come after a newer one (A-83)."""
        self.put("online")
        self.put_refused("offline")
        # The limit allows now, and the sweep has not come by yet.
        self.server.clock.advance(10)
        self.put("unavailable")
        self.wait()
        self.assertEqual("unavailable", self.presence())

    def test_a_limited_sync_is_connected(self) -> None:
        """It is not refused, and keeps what was said before (A-83)."""
        self.sync(ALICE, "online")
        with self.connected(ALICE, "unavailable"):
            self.assertEqual("online", self.presence())
            self.pass_time(5)
            self.assertEqual("online", self.presence())

    def test_what_a_limited_sync_says_comes_later(self) -> None:
        """When the limit allows it is applied (A-83)."""
        self.sync(ALICE, "online")
        self.sync(ALICE, "unavailable")
        self.wait()
        self.assertEqual("unavailable", self.presence())

    def test_online_then_offline_in_syncs_ends_offline(self) -> None:
        """The last word of a device counts, however fast it came (A-83)."""
        self.sync(ALICE, "online")
        self.sync(ALICE, "offline")
        self.pass_time(30 + LATE)
        self.assertEqual("offline", self.presence())
        self.server.handler.active(ALICE, "DEVICE")
        self.assertEqual("offline", self.presence())

    def test_a_limited_sync_of_somebody_new_comes_later(self) -> None:
        """Who comes online on a second device within the limit does (A-83)."""
        self.sync(ALICE, "unavailable", "PHONE")
        with self.connected(ALICE, "online", "LAPTOP"):
            self.assertEqual("unavailable", self.presence())
            self.wait()
            self.assertEqual("online", self.presence())

    def test_a_newer_sync_replaces_one_held_back(self) -> None:
        """What a sync said does not come after a newer sync (A-83)."""
        self.sync(ALICE, "online")
        self.sync(ALICE, "unavailable")
        self.sync(ALICE, "online")
        self.wait()
        self.assertEqual("online", self.presence())

    def test_a_sync_does_not_replace_a_status_held_back(self) -> None:
        """A refused offline comes, whatever syncs say meanwhile (A-83, B-47)."""
        self.put("unavailable")
        self.put_refused("offline", "bye")
        self.sync(ALICE, "unavailable")
        self.sync(ALICE)
        self.wait()
        self.assertEqual("bye", self.status()["status_msg"])
        self.assertEqual("offline", self.presence())

    def test_nothing_comes_after_a_logout(self) -> None:
        """What was held back goes with the device (B-52)."""
        self.put("online")
        for device_id in ("DEVICE", "NEW"):
            with self.assertRaises(LimitExceeded):
                self.server.set_status(ALICE, "online", "late", device_id)
        self.server.handler.logged_out(ALICE, None)
        self.wait()
        self.assertEqual("offline", self.presence())
        self.assertNotIn("status_msg", self.status())

    def test_nothing_comes_after_the_logout_of_a_new_device(self) -> None:
        """Not even for a device that nothing else is known of (B-52)."""
        self.put("unavailable")
        with self.assertRaises(LimitExceeded):
            self.server.set_status(ALICE, "online", "late", "NEW")
        self.server.handler.logged_out(ALICE, "NEW")
        self.wait()
        self.assertNotIn("status_msg", self.status())

    def test_going_on_costs_nothing(self) -> None:
        """Polls that change nothing are not limited (A-83)."""
        self.put("online")
        for _poll in range(50):
            self.sync(ALICE)
            self.pass_time(0.1)
        self.put_refused("unavailable")
        self.wait()
        self.assertEqual("unavailable", self.presence())

    def test_the_limit_is_each_users(self) -> None:
        """Nobody is limited for what somebody else does."""
        for number in range(20):
            self.put("online", user_id=f"@user{number}:hs")

    def test_a_limited_fight_ends(self) -> None:
        """One device that says both as fast as it can moves once in ten seconds."""
        events = 0
        for _round in range(300):
            self.sync(ALICE, "online")
            self.sync(ALICE, "unavailable")
            events += self.news() is not None
        # Half a minute: four changes were allowed, each of them one event or two.
        self.assertLessEqual(events, 8)
