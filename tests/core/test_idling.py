"""Online that fades, busy that does not, and the text beside them."""

from __future__ import annotations

from tests.core.rig import (
    ALICE,
    BUSY,
    LATE,
    CoreTestCase,
)


class IdleTests(CoreTestCase):
    """Online that fades."""

    def test_five_minutes_without_activity_are_unavailable(self) -> None:
        """The server sets it, although her client polls on (B-40, B-45)."""
        self.sync(ALICE)
        self.poll_for(299)
        self.assertEqual("online", self.presence())
        self.read()
        self.poll_for(1 + LATE)
        news = self.news()
        assert news is not None
        self.assertEqual("unavailable", news["presence"])

    def test_a_poll_that_stays_open_does_not_put_it_off(self) -> None:
        """Nor that she was looked at meanwhile, to see if she is there (B-40)."""
        self.sync(ALICE)
        self.poll_for(110)
        with self.connected(ALICE):
            self.pass_time(189)
            self.assertEqual("online", self.presence())
            self.pass_time(1 + LATE)
            self.assertEqual("unavailable", self.presence())

    def test_polling_on_does_not_undo_it(self) -> None:
        """Neither a default poll nor one that says online brings her back (B-45)."""
        self.sync(ALICE)
        self.poll_for(310)
        self.news()
        for said in (None, "online"):
            self.poll_for(30, set_presence=said)
            self.assertEqual("unavailable", self.presence())
        self.assertIsNone(self.news())

    def test_activity_undoes_it(self) -> None:
        """A message on any device makes her online again (B-42, X-5)."""
        self.sync(ALICE, device_id="PHONE")
        self.sync(ALICE, device_id="LAPTOP")
        for device_id in ("PHONE", "LAPTOP"):
            self.poll_for(310, device_id="PHONE")
            self.assertEqual("unavailable", self.presence())
            self.server.handler.active(ALICE, device_id)
            self.assertEqual("online", self.presence())

    def test_activity_ends_a_manual_unavailable(self) -> None:
        """So does it after unavailable was set by hand (B-41, B-42)."""
        self.put("unavailable")
        self.assertEqual("unavailable", self.presence())
        self.server.handler.active(ALICE, "DEVICE")
        self.assertEqual("online", self.presence())

    def test_activity_on_one_device_ends_unavailable_of_another(self) -> None:
        """Any client's activity counts for the user (B-42)."""
        self.put("unavailable", device_id="LAPTOP")
        self.server.handler.active(ALICE, "PHONE")
        self.assertEqual("online", self.presence())

    def test_what_the_client_says_is_honoured_at_once(self) -> None:
        """A client's own idle timer needs no time-out of ours (B-43, X-5)."""
        self.sync(ALICE, "online")
        self.news()
        self.sync(ALICE, "unavailable")
        news = self.news()
        assert news is not None
        self.assertEqual("unavailable", news["presence"])
        self.sync(ALICE, "online")
        news = self.news()
        assert news is not None
        self.assertEqual("online", news["presence"])
        self.assertLess(self.ago(), 200)

    def test_one_idle_client_does_not_idle_the_user(self) -> None:
        """While another device is active, she is online: the timers of clients are of
        each device (B-44, X-5)."""
        self.sync(ALICE, "online", "PHONE")
        self.sync(ALICE, "unavailable", "LAPTOP")
        self.assertEqual("online", self.presence())

    def test_an_edge_is_activity(self) -> None:
        """Coming back after being away or unavailable bumps (B-45)."""
        self.sync(ALICE)
        self.pass_time(60)
        self.sync(ALICE)
        self.assertEqual(0, self.ago())
        self.sync(ALICE, "unavailable")
        self.pass_time(5)
        self.sync(ALICE)
        self.assertEqual(0, self.ago())

    def test_without_a_threshold_nobody_idles(self) -> None:
        """`idle_timeout: 0` leaves it to the clients (X-5)."""
        self.begin(idle_timeout=0)
        self.sync(ALICE)
        self.poll_for(900)
        self.assertEqual("online", self.presence())

    def test_the_threshold_can_be_set(self) -> None:
        """`idle_timeout` is how long nothing may be done (B-54)."""
        self.begin(idle_timeout="10s", last_active_granularity="5s")
        self.sync(ALICE)
        self.poll_for(10 + LATE)
        self.assertEqual("unavailable", self.presence())

    def test_free_for_chat_fades_and_returns(self) -> None:
        """It idles like online, and activity returns to it (B-49)."""
        self.put("free_for_chat")
        state = self.server.handler.cache.users.presence
        alice = self.server.handler.cache.users.index[ALICE]
        self.poll_for(310)
        self.assertEqual("unavailable", self.presence())
        self.server.handler.active(ALICE, "DEVICE")
        self.assertEqual("online", self.presence())
        self.assertEqual(3, state(alice))


class BusyTests(CoreTestCase):
    """MSC3026."""

    def test_busy_has_no_idle_timer(self) -> None:
        """Somebody in a call stays busy while connected (B-50)."""
        self.put(BUSY)
        self.poll_for(600)
        self.assertEqual(BUSY, self.presence())

    def test_syncs_do_not_clear_it(self) -> None:
        """Only a status does (B-50)."""
        self.put(BUSY)
        for said in (None, "online", "unavailable"):
            self.sync(ALICE, said)
            self.assertEqual(BUSY, self.presence())
        self.put("online")
        self.assertEqual("online", self.presence())

    def test_a_message_does_not_clear_it(self) -> None:
        """Who writes during a call is in the call (B-50)."""
        self.put(BUSY)
        self.server.handler.active(ALICE, "DEVICE")
        self.assertEqual(BUSY, self.presence())

    def test_it_outlives_the_connection_by_an_hour(self) -> None:
        """An hour without a sync, then offline (B-50)."""
        self.put(BUSY)
        self.pass_time(3599)
        self.assertEqual(BUSY, self.presence())
        self.pass_time(1 + LATE)
        self.assertEqual("offline", self.presence())


class StatusMessageTests(CoreTestCase):
    """What a person typed."""

    def test_it_is_the_users_and_not_the_devices(self) -> None:
        """Another device, idling and going leave it as it was (B-1, B-6)."""
        self.put("online", "at lunch", device_id="PHONE")
        self.sync(ALICE, device_id="LAPTOP")
        self.assertEqual("at lunch", self.status()["status_msg"])
        self.server.handler.logged_out(ALICE, "PHONE")
        self.assertEqual("at lunch", self.status()["status_msg"])
        self.poll_for(310, device_id="LAPTOP")
        self.assertEqual("unavailable", self.presence())
        self.assertEqual("at lunch", self.status()["status_msg"])
        self.pass_time(40)
        self.assertEqual("offline", self.presence())
        self.assertEqual("at lunch", self.status()["status_msg"])

    def test_it_can_end_with_offline(self) -> None:
        """Where so configured, whoever sets offline has none (B-6)."""
        self.begin(keep_status_when_offline=False)
        self.put("online", "at lunch")
        self.put("offline", "gone")
        self.assertNotIn("status_msg", self.status())

    def test_it_can_end_with_timing_out(self) -> None:
        """Where so configured, it does not outlive going offline (B-6)."""
        self.begin(keep_status_when_offline=False)
        self.put("online", "at lunch")
        self.pass_time(30 + LATE)
        self.assertEqual("offline", self.presence())
        self.assertNotIn("status_msg", self.status())

    def test_a_status_without_one_clears_it(self) -> None:
        """A PUT says everything there is to say (A-25)."""
        self.put("online", "at lunch")
        self.put("online")
        self.assertNotIn("status_msg", self.status())

    def test_a_sync_does_not_clear_it(self) -> None:
        """Only a status changes it (A-25, B-6)."""
        self.put("online", "at lunch")
        self.sync(ALICE, "unavailable")
        self.assertEqual("at lunch", self.status()["status_msg"])
