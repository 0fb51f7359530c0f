"""Coming, idling, hiding and going, over time."""

from __future__ import annotations

from matrix_presence.errors import InvalidParam
from tests.core.rig import (
    ALICE,
    BOB,
    BUSY,
    LATE,
    CoreTestCase,
)


class ConnectionTests(CoreTestCase):
    """Being there because a client is."""

    def test_a_sync_makes_online(self) -> None:
        """A client that syncs is there, and the others hear of it (B-3, A-80)."""
        self.sync(ALICE)
        news = self.news()
        assert news is not None
        self.assertEqual("online", news["presence"])

    def test_online_ends_after_the_last_sync(self) -> None:
        """Half a minute after the last sync has returned she is offline (B-46)."""
        self.sync(ALICE)
        self.news()
        self.pass_time(29.5)
        self.assertEqual("online", self.presence())
        self.pass_time(0.5 + LATE)
        news = self.news()
        assert news is not None
        self.assertEqual("offline", news["presence"])

    def test_an_open_poll_keeps_online(self) -> None:
        """While a long poll is open nobody goes (B-46)."""
        with self.connected(ALICE):
            self.pass_time(120)
            self.assertEqual("online", self.presence())
        self.pass_time(29)
        self.assertEqual("online", self.presence())

    def test_pauses_between_polls_are_bridged(self) -> None:
        """A client that pauses for less than the time-out stays (B-46)."""
        for _poll in range(8):
            with self.connected(ALICE):
                self.pass_time(10)
            self.pass_time(25)
        self.assertEqual("online", self.presence())
        self.read()
        self.assertIsNone(self.news())

    def test_offline_tells_when_she_was_last_there(self) -> None:
        """Who timed out is offline with a last activity (B-51)."""
        self.sync(ALICE)
        self.pass_time(30 + LATE)
        news = self.news()
        assert news is not None
        self.assertEqual("offline", news["presence"])
        self.assertGreaterEqual(news["last_active_ago"], 30_000)

    def test_the_most_available_device_counts(self) -> None:
        """What the devices say is one state to others (B-1, B-5)."""
        self.put("unavailable", device_id="LAPTOP")
        self.put("online", device_id="PHONE")
        self.assertEqual("online", self.presence())
        self.put(BUSY, device_id="TABLET")
        self.assertEqual(BUSY, self.presence())
        self.server.handler.logged_out(ALICE, "TABLET")
        self.server.handler.logged_out(ALICE, "PHONE")
        self.assertEqual("unavailable", self.presence())

    def test_the_time_can_be_set(self) -> None:
        """`sync_online_timeout` is how long a contact lasts (B-54)."""
        self.begin(sync_online_timeout="5s")
        self.sync(ALICE)
        self.pass_time(5 + LATE)
        self.assertEqual("offline", self.presence())

    def test_only_known_values_are_taken(self) -> None:
        """A `set_presence` that is none of the three is refused (A-81)."""
        with self.assertRaises(InvalidParam):
            self.sync(ALICE, "away")


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
        """While another device is active, she is online (B-44)."""
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
        self.assertEqual(3, state[alice])


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


class DisconnectedTests(CoreTestCase):
    """Activity of those who do not sync."""

    def test_it_is_online_for_a_while(self) -> None:
        """A bot that only sends is online, then offline (B-48, X-15)."""
        self.server.handler.active(ALICE, None)
        self.assertEqual("online", self.presence())
        self.pass_time(30 + LATE)
        self.assertEqual("offline", self.presence())

    def test_it_can_count_for_the_time_only(self) -> None:
        """With `bump` she stays offline, and was active (B-48)."""
        self.begin(activity_when_disconnected="bump")
        self.sync(ALICE)
        self.pass_time(60)
        self.server.handler.active(ALICE, None)
        self.assertEqual("offline", self.presence())
        self.assertEqual(0, self.ago())

    def test_it_can_be_ignored(self) -> None:
        """With `ignore` nothing at all is noted (B-48)."""
        self.begin(activity_when_disconnected="ignore")
        self.sync(ALICE)
        self.pass_time(60)
        self.server.handler.active(ALICE, None)
        self.assertEqual("offline", self.presence())
        self.assertEqual(60_000, self.ago())


class LogoutTests(CoreTestCase):
    """Devices that are no more."""

    def test_what_a_device_said_ends_with_it(self) -> None:
        """Logging out the only device is offline at once (B-52)."""
        self.put("online")
        self.news()
        self.server.handler.logged_out(ALICE, "DEVICE")
        news = self.news()
        assert news is not None
        self.assertEqual("offline", news["presence"])

    def test_other_devices_stay(self) -> None:
        """Only that device's contribution ends (B-52)."""
        self.put("online", device_id="PHONE")
        self.put("unavailable", device_id="LAPTOP")
        self.server.handler.logged_out(ALICE, "PHONE")
        self.assertEqual("unavailable", self.presence())

    def test_all_devices_can_go_at_once(self) -> None:
        """Without a device id all of them are gone (B-52)."""
        for device_id in ("PHONE", "LAPTOP", "TABLET"):
            self.put("online", device_id=device_id)
        self.server.handler.logged_out(ALICE, None)
        self.assertEqual("offline", self.presence())

    def test_hiding_ends_with_its_device(self) -> None:
        """Whoever logs in anew starts anew (B-47, B-52)."""
        self.put("offline")
        self.server.handler.logged_out(ALICE, "DEVICE")
        self.sync(ALICE)
        self.assertEqual("online", self.presence())

    def test_an_open_poll_of_it_counts_no_more(self) -> None:
        """The poll that was open returns, and nothing comes of it (B-52)."""
        with self.connected(ALICE):
            self.server.handler.logged_out(ALICE, "DEVICE")
            self.assertEqual("offline", self.presence())
        self.assertEqual("offline", self.presence())

    def test_an_old_poll_does_not_end_a_new_one(self) -> None:
        """After logging in anew with the same device, its polls count (B-52)."""
        with self.connected(ALICE):
            self.server.handler.logged_out(ALICE, "DEVICE")
            held = self.connected(ALICE)
            held.__enter__()
        self.pass_time(60)
        self.assertEqual("online", self.presence())
        held.__exit__(None, None, None)


class RestartTests(CoreTestCase):
    """What a new life makes of the one before."""

    def test_who_was_there_is_still(self) -> None:
        """States are kept; one has the usual time to come back (B-53)."""
        for crash in (False, True):
            self.put("online", "hello")
            self.restart(crash=crash)
            self.assertEqual("online", self.presence())
            self.assertEqual("hello", self.status()["status_msg"])
            self.pass_time(25)
            self.sync(ALICE)
            self.pass_time(20)
            self.assertEqual("online", self.presence())

    def test_who_does_not_come_back_goes(self) -> None:
        """After the time of a contact they are offline (B-53)."""
        for crash in (False, True):
            self.put("online", "hello")
            self.restart(crash=crash)
            self.pass_time(30 + LATE)
            self.assertEqual("offline", self.presence())
            self.assertEqual("hello", self.status()["status_msg"])

    def test_an_open_poll_is_not_open_any_more(self) -> None:
        """What was connected when the server was killed is not (B-53)."""
        held = self.connected(ALICE)
        held.__enter__()
        self.pass_time(15)  # Written by now.
        self.restart(crash=True)
        self.assertEqual("online", self.presence())
        self.pass_time(30 + LATE)
        self.assertEqual("offline", self.presence())

    def test_coming_back_is_no_activity(self) -> None:
        """Nor does a restart count as one (B-18, B-53)."""
        self.sync(ALICE)
        self.pass_time(15)
        self.restart(away=5)
        self.sync(ALICE)
        self.assertEqual(20_000, self.ago())

    def test_a_long_stop_idles(self) -> None:
        """Whoever was last active long before is unavailable (B-40, B-53)."""
        self.sync(ALICE)
        self.restart(away=600)
        with self.connected(ALICE):
            self.pass_time(LATE)
            self.assertEqual("unavailable", self.presence())

    def test_busy_is_kept(self) -> None:
        """Busy has its hour anew (B-50, B-53)."""
        self.put(BUSY)
        self.restart()
        self.pass_time(600)
        self.assertEqual(BUSY, self.presence())

    def test_what_others_were_told_is_corrected(self) -> None:
        """Bob, with a token from before, hears that Alice has gone (B-53)."""
        for crash in (False, True):
            self.put("online")
            self.pass_time(0.1)
            self.assertEqual("online", self.read()[ALICE]["presence"])
            self.restart(crash=crash)
            self.pass_time(30 + LATE)
            self.assertEqual("offline", self.read()[ALICE]["presence"])
            self.assertNotIn(ALICE, self.read())

    def test_nobody_else_is_made_up(self) -> None:
        """Who was offline is so in the next life (B-53)."""
        self.sync(ALICE)
        self.pass_time(60)
        self.restart()
        self.assertEqual("offline", self.presence())
        self.assertEqual("offline", self.presence(BOB))
