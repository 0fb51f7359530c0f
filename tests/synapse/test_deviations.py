"""What Synapse's own presence does where ours differs, and ours with `compat` too.

Each test runs on a Synapse as it comes, and again with the module, `compat: true` and
no windows. How ours stands by default is in `test_defects` and `test_switches`. The
rows B1 to B12 are those of the specification's list of defects; B3, B6 and B8 are put
right even with `compat`, which `test_defects` shows, and B2, B7 and B12 are in
`test_public` too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote

from synapse.types import create_requester

from matrix_presence.synapse import metrics
from tests.synapse.test_public import ALICE, BUSY, COMPAT, LATE, PublicTestCase

LONG = "x" * 8000


class DeviationTests(PublicTestCase):
    """Synapse as it comes."""

    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"experimental_features": {"msc3026_enabled": True}}
    )

    def seen(self) -> dict[str, Any]:
        """What Bob sees of Alice."""
        return self.get(self.alice, self.bob)

    # The rows of the list of defects.

    def test_b1_who_pauses_between_long_polls_may_be_offline(self) -> None:
        """Where a look comes in such a pause (B1)."""
        _, token = self.sync(self.alice)
        seen, ends = set(), self.reactor.seconds() + 12 * 60
        while self.reactor.seconds() < ends:
            poll = self.asking(
                "GET", self.sync_path(token, timeout=60), None, self.alice
            )
            while not poll.is_answered:
                self.pass_time(1, 1)
            token = poll.answer().json["next_batch"]
            for _ in range(6):
                self.pass_time(1, 1)
                seen.add(self.look()[0])
        self.assertEqual({"online", "offline"}, seen)

    def test_b4_busy_sticks_to_each_device_that_syncs(self) -> None:
        """It does not end with the device that said it (B4)."""
        other = self.person("alice", "OTHER")
        self.put(self.alice, BUSY)
        self.sync(other)
        self.put(self.alice, "online")
        self.assertEqual(BUSY, self.look()[0])
        self.put(other, "online")
        self.assertEqual("online", self.look()[0])

    def test_b4_busy_sticks_to_a_device_that_went_on_before(self) -> None:
        """Also if it had said something else (B4)."""
        other = self.person("alice", "OTHER")
        self.sync(other, set_presence="unavailable")
        self.put(self.alice, BUSY)
        self.sync(other, set_presence="unavailable")
        self.put(self.alice, "unavailable")
        self.assertEqual(BUSY, self.look()[0])

    def test_b5_activity_of_somebody_offline_shows(self) -> None:
        """By message and by private receipt, to whoever looks or waits (B5)."""
        self.put(self.alice, "online")
        self.put(self.alice, "offline")
        _, token = self.sync(self.bob, set_presence="offline")
        room = f"v3/rooms/{quote(self.room_id)}"
        messages = self.done("GET", f"{room}/messages?dir=b", None, self.alice)
        event_id = quote(messages["chunk"][0]["event_id"])
        message = {"msgtype": "m.text", "body": "x"}
        for method, path, body in (
            ("PUT", f"{room}/send/m.room.message/1", message),
            ("POST", f"{room}/receipt/m.read.private/{event_id}", {}),
        ):
            self.pass_time(120, 1)
            self.done(method, path, body, self.alice)
            self.pass_time(1)
            shown, token = self.sync(self.bob, token, set_presence="offline")
            self.assertEqual("offline", shown[ALICE]["presence"], path)
            self.assertGreater(5_000, shown[ALICE]["last_active_ago"], path)
            self.assertGreater(5_000, self.seen()["last_active_ago"], path)

    def test_b5_messages_of_bridged_users_are_told(self) -> None:
        """As anybody's (B5)."""
        self.patch(self.store, "get_if_app_services_interested_in_user", lambda _: True)
        _, token = self.sync(self.bob, set_presence="offline")
        self.send(self.alice, self.room_id, "m.room.message")
        shown, _ = self.sync(self.bob, token, set_presence="offline")
        self.assertGreater(5_000, shown[ALICE]["last_active_ago"])

    def test_b7_status_without_a_message_erases_it(self) -> None:
        """Whoever sets it (B7)."""
        self.put(self.alice, "online", status_msg="on holiday")
        self.put(self.alice, "unavailable")
        self.assertEqual(("unavailable", None), self.look())

    def test_b9_long_status_message_is_taken(self) -> None:
        """Up to the limit that stays (B9)."""
        self.put(self.alice, "online", status_msg=LONG)
        self.assertEqual(("online", LONG), self.look())

    def test_b10_logging_out_ends_nothing(self) -> None:
        """Nor does the end of a device: what it said times out, busy late (B10)."""
        other = self.person("alice", "OTHER")
        self.put(self.alice, "unavailable")
        self.put(other, BUSY)
        devices = self.homeserver.get_device_handler()
        self.run_now(devices.delete_devices(ALICE, ["OTHER"]))
        self.done("POST", "v3/logout", {}, self.alice)
        self.pass_time(60, 1)
        self.assertEqual(BUSY, self.look()[0])

    def test_b10_deactivation_ends_nothing(self) -> None:
        """Those who shared a room with the account are not told (B10)."""
        self.put(self.alice, "online", status_msg="bye")
        self.pass_time(1)
        _, token = self.sync(self.bob, set_presence="offline")
        handler = self.homeserver.get_deactivate_account_handler()
        requester = create_requester(ALICE)
        self.run_now(handler.deactivate_account(ALICE, False, requester))
        self.pass_time(5)
        shown, _ = self.sync(self.bob, token, set_presence="offline")
        self.assertNotIn(ALICE, shown)

    def test_b11_only_messages_in_the_clear_are_activity(self) -> None:
        """Nothing that is encrypted, and no reaction (B11)."""
        self.put(self.alice, "unavailable")
        for event_type in ("m.room.encrypted", "m.reaction", "m.sticker"):
            self.send(self.alice, self.room_id, event_type)
            self.assertEqual("unavailable", self.look()[0], event_type)

    # What else differs.

    def test_time_outs_are_late(self) -> None:
        """By up to ten seconds, and so is the end of being currently active."""
        late = set()
        for _ in range(5):
            self.sync(self.alice)
            self.pass_time(31, 1)
            late.add(self.look()[0])
            self.pass_time(LATE + 1.3, 1)
            self.assertEqual("offline", self.look()[0])
        self.assertIn("online", late)

    def test_status_of_who_does_not_sync_lasts_a_minute(self) -> None:
        """Until somebody looks whether they are currently active."""
        # Synapse has not looked at anybody before.
        self.pass_time(40, 1)
        self.put(self.alice, "online")
        self.pass_time(55, 1)
        self.assertTrue(self.seen()["currently_active"])
        self.pass_time(5 + LATE, 1)
        self.assertEqual("offline", self.look()[0])

    def test_becoming_unavailable_is_no_activity(self) -> None:
        """By a status or a sync, from whatever state."""
        self.put(self.alice, "unavailable")
        self.assertNotIn("last_active_ago", self.seen())
        self.sync(self.alice, set_presence="unavailable")
        self.assertNotIn("last_active_ago", self.seen())

    def test_all_that_leaves_a_user_online_is_activity(self) -> None:
        """Also what another device says, and a sync or a status that says less."""
        other = self.person("alice", "OTHER")
        self.put(self.alice, "online")
        for say in (
            lambda: self.sync(other, set_presence="unavailable"),
            lambda: self.put(other, "unavailable"),
            lambda: self.put(other, "offline"),
            lambda: self.put(self.alice, BUSY),
        ):
            self.pass_time(10)
            say()
            self.assertGreater(5_000, self.seen()["last_active_ago"])

    def test_activity_of_who_was_busy_makes_them_online(self) -> None:
        """If they have set unavailable since."""
        self.put(self.alice, BUSY)
        self.put(self.alice, "unavailable")
        self.send(self.alice, self.room_id, "m.room.message")
        self.assertEqual("online", self.look()[0])

    def test_next_sync_ends_an_offline_that_was_set(self) -> None:
        """Though it says nothing about its user."""
        self.put(self.alice, "offline")
        self.sync(self.alice)
        self.assertEqual("online", self.look()[0])

    def test_sync_that_hides_keeps_nothing_from_others(self) -> None:
        """Who is unavailable and acts is online, whatever their syncs say."""
        self.put(self.alice, "unavailable")
        self.sync(self.alice, set_presence="offline")
        self.send(self.alice, self.room_id, "m.room.message")
        self.assertEqual("online", self.look()[0])

    def test_message_of_who_is_gone_leaves_them_offline(self) -> None:
        """They are not connected."""
        self.send(self.alice, self.room_id, "m.room.message")
        self.assertEqual("offline", self.look()[0])

    def test_sliding_sync_does_not_connect(self) -> None:
        """It has no presence."""
        path = "unstable/org.matrix.simplified_msc3575/sync?timeout=0"
        self.done("POST", path, {"conn_id": "one", "lists": {}}, self.alice)
        self.assertEqual("offline", self.look()[0])

    def test_who_shares_no_room_any_more_keeps_what_they_saw(self) -> None:
        """Nobody is told."""
        self.put(self.alice, "online")
        self.pass_time(1)
        _, token = self.sync(self.bob, set_presence="offline")
        self.leave(self.alice, self.room_id)
        self.pass_time(3)
        shown, _ = self.sync(self.bob, token, set_presence="offline")
        self.assertNotIn(ALICE, shown)

    def test_status_of_an_application_service_times_out(self) -> None:
        """As anybody's."""
        self.patch(self.store, "get_if_app_services_interested_in_user", lambda _: True)
        self.put(self.alice, "online")
        self.pass_time(70 + LATE, 1)
        self.assertEqual("offline", self.look()[0])

    def test_nobody_is_free_for_chat_or_on_a_list(self) -> None:
        """On old paths neither."""
        body = {"presence": "free_for_chat"}
        path = f"r0/{self.alice.path}"
        self.assertEqual(400, self.ask("PUT", path, body, self.alice).code)
        path = f"r0/presence/list/{quote(ALICE)}"
        self.assertEqual(404, self.ask("GET", path, None, self.alice).code)

    def test_presence_has_no_profiles(self) -> None:
        """Names are in rooms."""
        path = f"v3/profile/{quote(ALICE)}/displayname"
        self.done("PUT", path, {"displayname": "Alice"}, self.alice)
        self.put(self.alice, "online")
        self.pass_time(1)
        shown, _ = self.sync(self.bob, set_presence="offline")
        self.assertNotIn("displayname", shown[ALICE])

    def test_there_are_no_metrics_of_ours(self) -> None:
        """None of this homeserver."""
        measured = metrics._collector.parts.get("hs")
        parts = getattr(self.presence, "parts", None)
        self.assertTrue(measured is None or measured is not parts)


class CompatDeviationTests(DeviationTests):
    """The same with the module."""

    module: ClassVar[Any] = COMPAT


class LimitedTests(PublicTestCase):
    """With the rate limit that Synapse ships."""

    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"rc_presence": {"per_user": {"per_second": 0.1, "burst_count": 1}}}
    )

    def test_b2_sync_beyond_the_limit_does_not_connect(self) -> None:
        """Who only has such a one open is offline (B2)."""
        _, token = self.sync(self.alice)
        options = {"filter": '{"presence": {"not_types": ["*"]}}'}
        path = self.sync_path(token, timeout=300, **options)
        self.asking("GET", path, None, self.alice)
        self.pass_time(60 + LATE, 1)
        self.assertEqual("offline", self.look()[0])

    def test_b12_status_beyond_the_limit_is_lost(self) -> None:
        """An app opened and closed within it leaves its user online (B12)."""
        self.put(self.alice, "online")
        path = f"v3/{self.alice.path}"
        answer = self.ask("PUT", path, {"presence": "offline"}, self.alice)
        self.assertEqual("M_LIMIT_EXCEEDED", answer.json["errcode"])
        self.pass_time(20, 1)
        self.assertEqual("online", self.look()[0])


class CompatLimitedTests(LimitedTests):
    """The same with the module."""

    module: ClassVar[Any] = COMPAT
