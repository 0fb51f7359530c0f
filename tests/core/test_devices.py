"""Users with several devices, and users without any of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from matrix_presence.interfaces import Requester
from matrix_presence.rules.states import BY_NAME
from tests.core.rig import ALICE, AT_ONCE, BOB, BUSY, LATE, UNLIMITED, CoreTestCase


class TwoDevicesTests(CoreTestCase):
    """Devices of one user that do not agree."""

    OPTIONS: ClassVar[Mapping[str, Any]] = {**UNLIMITED, **AT_ONCE}

    def test_two_devices_that_fight_cause_one_event(self) -> None:
        """One says online, the other unavailable, and nobody hears of it (B-5)."""
        self.sync(ALICE, "online", "PHONE")
        self.sync(ALICE, "unavailable", "LAPTOP")
        self.assertIsNotNone(self.news())
        position = self.server.view.position()
        for _round in range(200):
            self.sync(ALICE, "online", "PHONE")
            self.sync(ALICE, "unavailable", "LAPTOP")
            self.pass_time(0.05)
        self.assertIsNone(self.news())
        self.assertEqual(position, self.server.view.position())

    def test_a_fight_by_status_causes_one_event(self) -> None:
        """So it is when they fight by PUT (B-5, B-31)."""
        self.put("online", device_id="PHONE")
        self.put("unavailable", device_id="LAPTOP")
        self.news()
        for _round in range(200):
            self.put("online", device_id="PHONE")
            self.put("unavailable", device_id="LAPTOP")
            self.pass_time(0.05)
        self.assertIsNone(self.news())

    def test_a_fight_does_not_keep_anybody_awake(self) -> None:
        """Polling on is no activity, also when two do it in two ways (B-18)."""
        self.sync(ALICE, "online", "PHONE")
        for _round in range(60):
            self.sync(ALICE, "online", "PHONE")
            self.sync(ALICE, "unavailable", "LAPTOP")
            self.pass_time(1)
        self.assertEqual(60_000, self.ago())


class AppserviceTests(CoreTestCase):
    """Users whom an application service plays."""

    def act(self) -> None:
        """A message that an application service sends as Alice."""
        self.server.handler.active(ALICE, None, is_appservice=True)

    def put_as(self, presence: str, status_msg: str | None = None) -> None:
        """A status that an application service sets for Alice."""
        requester = Requester(ALICE, None, is_appservice=True)
        self.successResultOf(
            self.server.handler.set_status(requester, BY_NAME[presence], status_msg)
        )

    def test_what_it_does_is_no_activity(self) -> None:
        """A bridge does not make thousands of ghosts flap (B-21, B-48)."""
        self.act()
        self.assertEqual("offline", self.presence())
        self.assertIsNone(self.news())

    def test_what_it_does_can_be_activity(self) -> None:
        """With `appservice_bump` that one ghost is active (B-21)."""
        self.begin(appservice_bump=True)
        self.act()
        self.assertEqual("online", self.presence())
        self.assertEqual("offline", self.presence(BOB, BOB))

    def test_what_it_set_stays(self) -> None:
        """Its users do not sync, and keep the state they were given (D-50)."""
        for presence in ("online", "unavailable", BUSY):
            self.put_as(presence)
            self.pass_time(400)
            self.assertEqual(presence, self.presence())

    def test_what_it_set_stays_over_a_restart(self) -> None:
        """Also in the next life (D-50, B-53)."""
        self.put_as("online")
        self.restart(away=3600)
        self.pass_time(400)
        self.assertEqual("online", self.presence())

    def test_what_it_set_can_pass(self) -> None:
        """Without `appservice_persist` a ghost goes as users do (D-50, B-46)."""
        self.begin(appservice_persist=False)
        self.put_as("online")
        self.pass_time(30 + LATE)
        self.assertEqual("offline", self.presence())

    def test_it_can_take_a_state_back(self) -> None:
        """Offline ends what was set before (D-50)."""
        self.put_as("online")
        self.put_as("offline")
        self.assertEqual("offline", self.presence())
