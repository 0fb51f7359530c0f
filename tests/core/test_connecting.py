"""Coming and going: syncs, messages without any, logging out."""

from __future__ import annotations

from matrix_presence import sync_inputs
from matrix_presence.errors import InvalidParam
from tests.core.rig import (
    ALICE,
    BUSY,
    LATE,
    ROOM,
    CoreTestCase,
)


class ConnectionTests(CoreTestCase):
    """Being there because a client is."""

    def test_a_status_says_all_there_is(self) -> None:
        """Online or not, how recently active, idle or not, and the text (B-2)."""
        self.put("online", "hello")
        self.pass_time(5)
        self.assertEqual(
            {
                "presence": "online",
                "last_active_ago": 5000,
                "currently_active": True,
                "status_msg": "hello",
            },
            self.status(),
        )

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

    def test_who_goes_on_polling_is_not_looked_at(self) -> None:
        """Once they are not shown as active, nothing is due before they idle."""
        self.poll_for(70)
        before = self.server.handler.timed_out
        self.poll_for(200)
        self.assertEqual(before, self.server.handler.timed_out)
        self.poll_for(40)
        self.assertEqual("unavailable", self.presence())

    def test_one_device_leaves_while_the_other_polls_on(self) -> None:
        """What the one said ends half a minute after its last sync (B-5, B-46)."""
        self.sync(ALICE, device_id="LAPTOP")
        self.poll_for(29, set_presence="unavailable", device_id="PHONE")
        self.assertEqual("online", self.presence())
        self.poll_for(1 + LATE, set_presence="unavailable", device_id="PHONE")
        self.assertEqual("unavailable", self.presence())

    def test_many_who_leave_are_gone_in_time(self) -> None:
        """Though only so many are looked at in one turn of the reactor."""
        self.patch(sync_inputs, "_A_TURN", 2)
        names = [f"@user{number}:hs" for number in range(9)]
        for name in names:
            self.server.handler.joined(ROOM, name)
            self.sync(name)
        self.pass_time(29)
        self.assertEqual({"online"}, {self.presence(name) for name in names})
        self.pass_time(1 + LATE)
        self.assertEqual({"offline"}, {self.presence(name) for name in names})

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

    def test_who_is_late_but_still_there_goes_on(self) -> None:
        """Nobody saw her go before she polled again: no activity (B-18, B-46)."""
        self.sync(ALICE)
        self.pass_time(30.25)
        self.assertEqual("online", self.presence())
        self.sync(ALICE)
        self.assertEqual(30_250, self.ago())
        self.pass_time(30 + LATE)
        self.assertEqual("offline", self.presence())


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

    def test_what_an_open_poll_held_on_to_is_given_back(self) -> None:
        """As often as somebody logs out while polling, no memory is lost (B-52)."""
        ids = self.server.handler.cache.devices.ids
        for turn in range(10):
            with self.connected(ALICE, device_id=f"D{turn}"):
                self.server.handler.logged_out(ALICE, f"D{turn}")
        known = len(ids)
        for turn in range(10, 20):
            with self.connected(ALICE, device_id=f"D{turn}"):
                self.server.handler.logged_out(ALICE, f"D{turn}")
        self.assertEqual(known, len(ids))

    def test_an_old_poll_does_not_end_a_new_one(self) -> None:
        """After logging in anew with the same device, its polls count (B-52)."""
        with self.connected(ALICE):
            self.server.handler.logged_out(ALICE, "DEVICE")
            held = self.connected(ALICE)
            held.__enter__()
        self.pass_time(60)
        self.assertEqual("online", self.presence())
        held.__exit__(None, None, None)
