"""What can be seen of presence from outside, with Synapse's own and with ours alike.

Each class runs on a Synapse as it comes; the one after it runs the same with the
module, `compat: true` and no windows, and has to come to the same outcomes. The
behaviours are those that Synapse itself is tested for: devices and time-outs, restarts,
timers of one's own, rooms, joins, the rate limit, other servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import quote

from tests.synapse.in_process import InProcessTestCase, Person

ALICE, BOB, DAVE = "@alice:hs", "@bob:hs", "@dave:far"
BUSY = "org.matrix.msc3026.busy"
COMPAT: Mapping[str, Any] = MappingProxyType(
    {
        "compat": True,
        "tick": 0,
        "client_window": 0,
        "client_wakeups_per_second": 0,
        "destination_window": 0,
        "destination_busy_window": 0,
        "transactions_per_second": 0,
        "activity_window": 0,
    }
)
#: How much later than it should a time-out may come, seconds.
LATE = 12


class PublicTestCase(InProcessTestCase):
    """Alice and Bob share a room; what Alice does is seen through Bob."""

    module: ClassVar[Any] = None

    def setUp(self) -> None:
        """Make them."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room_id = self.room(self.alice, self.bob)

    def look(self) -> tuple[str, str | None]:
        """Alice's presence and message."""
        content = self.get(self.alice, self.bob)
        return content["presence"], content.get("status_msg")

    def poll(self, person: Person, seconds: int, **options: Any) -> None:
        """Let somebody keep a sync open for so long, which no presence ends."""
        options["filter"] = '{"presence": {"not_types": ["*"]}}'
        _, token = self.sync(person, **options)
        path = self.sync_path(token, timeout=seconds, **options)
        self.asking("GET", path, None, person)


class StatusTests(PublicTestCase):
    """Statuses that are set and syncs that say something."""

    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"experimental_features": {"msc3026_enabled": True}}
    )

    def test_each_state_is_seen_as_it_was_set(self) -> None:
        """By GET and by sync, with its message; without one there is none after."""
        self.assertEqual(("offline", None), self.look())
        _, token = self.sync(self.bob)
        for number, presence in enumerate(
            ("online", "unavailable", BUSY, "offline", "online")
        ):
            self.put(self.alice, presence, status_msg=f"message {number}")
            self.pass_time(1)
            self.assertEqual((presence, f"message {number}"), self.look())
            shown, token = self.sync(self.bob, token)
            content = shown[ALICE]
            self.assertEqual(presence, content["presence"])
            self.assertEqual(presence == "online", "currently_active" in content)
            self.assertNotIn("user_id", content)
        self.put(self.alice, "unavailable")
        self.assertEqual(("unavailable", None), self.look())

    def test_refusals(self) -> None:
        """Codes of what is not a status, or not one's own to set or to see."""
        path = f"v3/{self.alice.path}"
        for body, errcode in (
            ({"presence": "sleepy"}, "M_UNKNOWN"),
            ({"presence": 5}, "M_UNKNOWN"),
            ({}, "M_UNKNOWN"),
            ({"presence": "online", "status_msg": 5}, "M_UNKNOWN"),
            ({"presence": "online", "mood": "good"}, "M_UNKNOWN"),
            (b"nothing", "M_NOT_JSON"),
        ):
            answer = self.ask("PUT", path, body, self.alice)
            self.assertEqual((400, errcode), (answer.code, answer.json["errcode"]))
        answer = self.ask("PUT", path, {"presence": "online"}, self.bob)
        self.assertEqual(403, answer.code)
        stranger = self.person("stranger")
        seen = self.ask("GET", path, None, stranger)
        unheard = self.ask("GET", path.replace("alice", "nobody"), None, stranger)
        self.assertEqual(403, seen.code)
        self.assertEqual(seen, unheard)
        self.assertEqual(
            400, self.ask("GET", "v3/sync?set_presence=x", None, self.bob).code
        )

    def test_the_most_available_device_counts(self) -> None:
        """Of two that sync, and of two that set."""
        other = self.person("alice", "OTHER")
        order: tuple[str, ...] = ("offline", "unavailable", "online")
        for one in order:
            for two in order:
                self.sync(self.alice, set_presence=one)
                self.sync(other, set_presence=two)
                expected = max(one, two, key=order.index)
                self.assertEqual(expected, self.look()[0], (one, two))
                self.pass_time(31 + LATE, 1)
                self.assertEqual("offline", self.look()[0], (one, two))
        order = (*order, BUSY)
        for one, two in (
            (BUSY, "online"),
            ("unavailable", BUSY),
            ("online", "offline"),
        ):
            self.put(self.alice, one)
            self.put(other, two)
            expected = max(one, two, key=order.index)
            self.assertEqual(expected, self.look()[0], (one, two))

    def test_sync_leaves_the_message_and_busy_alone(self) -> None:
        """Only a status changes those."""
        self.put(self.alice, BUSY, status_msg="in a call")
        for presence in ("online", "unavailable"):
            self.sync(self.alice, set_presence=presence)
            self.assertEqual((BUSY, "in a call"), self.look())
        self.put(self.alice, "online", status_msg="done")
        self.assertEqual(("online", "done"), self.look())

    def test_sync_that_hides_changes_nothing(self) -> None:
        """Whoever is offline stays so."""
        self.sync(self.alice, set_presence="offline")
        self.assertEqual(("offline", None), self.look())

    def test_activity_brings_back_who_is_unavailable(self) -> None:
        """A message, typing, a receipt: online, and active right now."""
        room = f"v3/rooms/{quote(self.room_id)}"
        messages = self.done("GET", f"{room}/messages?dir=b", None, self.alice)
        event_id = quote(messages["chunk"][0]["event_id"])
        typing = f"{room}/typing/{quote(ALICE)}"
        message = {"msgtype": "m.text", "body": "x"}
        for method, path, body in (
            ("PUT", f"{room}/send/m.room.message/1", message),
            ("PUT", typing, {"typing": True, "timeout": 1000}),
            ("POST", f"{room}/receipt/m.read/{event_id}", {}),
        ):
            self.put(self.alice, "unavailable")
            self.done(method, path, body, self.alice)
            self.pass_time(1)
            content = self.get(self.alice, self.bob)
            self.assertEqual("online", content["presence"], path)
            self.assertTrue(content["currently_active"])

    def test_old_endpoints_carry_the_user_in_the_content(self) -> None:
        """`/events` and `/initialSync`."""
        start = self.done("GET", "r0/events?timeout=0", None, self.bob)["end"]
        self.put(self.alice, "online", status_msg="old school")
        self.pass_time(1)
        path = f"r0/events?timeout=1000&from={start}"
        for answer in (
            self.done("GET", path, None, self.bob)["chunk"],
            self.done("GET", "r0/initialSync", None, self.bob)["presence"],
        ):
            by_user = {
                event["content"]["user_id"]: event["content"]
                for event in answer
                if event["type"] == "m.presence"
            }
            self.assertEqual("old school", by_user[ALICE]["status_msg"])


class CompatStatusTests(StatusTests):
    """The same with the module."""

    module: ClassVar[Any] = COMPAT


class TimeTests(PublicTestCase):
    """What time does."""

    def test_who_only_has_an_old_poll_open_idles(self) -> None:
        """After five minutes, and stays for as long as it is open."""
        self.poll(self.alice, 900)
        self.pass_time(290, 1)
        self.assertEqual("online", self.look()[0])
        self.pass_time(15 + LATE, 1)
        self.assertEqual("unavailable", self.look()[0])
        self.pass_time(200, 1)
        self.assertEqual("unavailable", self.look()[0])

    def test_each_sync_is_activity(self) -> None:
        """Who begins a new one never idles."""
        token = None
        for _ in range(18):
            _, token = self.sync(self.alice, token)
            self.pass_time(20, 1)
        self.assertEqual("online", self.look()[0])

    def test_who_stops_syncing_goes_offline_and_keeps_the_message(self) -> None:
        """Half a minute after the last sync."""
        self.put(self.alice, "online", status_msg="kept")
        self.sync(self.alice)
        self.pass_time(25, 1)
        self.assertEqual(("online", "kept"), self.look())
        self.pass_time(5 + LATE, 1)
        self.assertEqual(("offline", "kept"), self.look())

    def test_activity_is_current_for_a_minute(self) -> None:
        """Then those who see it are told that it is not."""
        _, token = self.sync(self.bob)
        self.poll(self.alice, 200)
        self.pass_time(30, 1)
        shown, token = self.sync(self.bob, token)
        self.assertTrue(shown[ALICE]["currently_active"])
        self.pass_time(31 + LATE, 1)
        shown, token = self.sync(self.bob, token)
        self.assertFalse(shown[ALICE]["currently_active"])
        self.assertLessEqual(60_000, shown[ALICE]["last_active_ago"])

    def test_restart_keeps_who_comes_back(self) -> None:
        """And lets go of who does not; messages and tokens stay."""
        carol = self.person("carol")
        self.join(carol, self.room_id)
        for person in (self.alice, carol):
            self.put(person, "online", status_msg="before")
            self.sync(person)
        _, token = self.sync(self.bob)
        self.stop()
        self.start()
        self.assertEqual(("online", "before"), self.look())
        self.pass_time(10, 1)
        self.poll(carol, 200)
        self.pass_time(40 + LATE, 1)
        self.assertEqual(("offline", "before"), self.look())
        self.assertEqual("online", self.get(carol, self.bob)["presence"])
        shown, _ = self.sync(self.bob, token)
        self.assertEqual("offline", shown[ALICE]["presence"])


class CompatTimeTests(TimeTests):
    """The same with the module."""

    module: ClassVar[Any] = COMPAT


class OwnTimerTests(PublicTestCase):
    """Timers as Synapse's section `presence` has them, and its other options."""

    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "presence": {
                "enabled": True,
                "last_active_granularity": "20s",
                "sync_online_timeout": "60s",
                "idle_timeout": "120s",
                "include_offline_users_on_sync": True,
            }
        }
    )

    def test_they_count(self) -> None:
        """Idle after two minutes; offline a minute after the last sync."""
        self.needs("idle_timeout", "sync_online_timeout")
        self.poll(self.alice, 600)
        self.pass_time(110, 1)
        self.assertEqual("online", self.look()[0])
        self.pass_time(10 + LATE, 1)
        self.assertEqual("unavailable", self.look()[0])
        self.sync(self.bob, set_presence="online")
        self.pass_time(50, 1)
        self.assertEqual("online", self.get(self.bob, self.alice)["presence"])
        self.pass_time(10 + LATE, 1)
        self.assertEqual("offline", self.get(self.bob, self.alice)["presence"])

    def test_first_sync_lists_who_is_offline(self) -> None:
        """Where `include_offline_users_on_sync` says so."""
        self.put(self.alice, "offline", status_msg="gone")
        self.pass_time(1)
        shown, _ = self.sync(self.bob)
        self.assertEqual("gone", shown[ALICE]["status_msg"])


class CompatOwnTimerTests(OwnTimerTests):
    """The same with the module."""

    module: ClassVar[Any] = COMPAT


class RoomTests(PublicTestCase):
    """Who is shown to whom, here and elsewhere."""

    def test_joining_shows_both_ways(self) -> None:
        """The members to the newcomer and the newcomer to the members."""
        carol = self.person("carol")
        self.put(self.alice, "online", status_msg="host")
        self.put(carol, "online", status_msg="guest")
        self.pass_time(1)
        _, carols = self.sync(carol)
        _, bobs = self.sync(self.bob)
        self.join(carol, self.room_id)
        self.pass_time(1)
        shown, _ = self.sync(carol, carols)
        self.assertEqual("host", shown[ALICE]["status_msg"])
        shown, _ = self.sync(self.bob, bobs)
        self.assertEqual("guest", shown["@carol:hs"]["status_msg"])

    def test_server_that_joins_is_told_who_is_there(self) -> None:
        """And nothing of those of whom there is nothing to tell."""
        self.put(self.alice, "online")
        self.pass_time(1)
        heard = self.hear()
        self.inject_join(self.room_id, DAVE)
        self.pass_time(5)
        self.assertEqual({("far", ALICE, "online")}, set(heard))

    def test_servers_in_a_room_are_told_who_comes(self) -> None:
        """All of them."""
        carol = self.person("carol")
        self.inject_join(self.room_id, DAVE)
        self.inject_join(self.room_id, "@erin:elsewhere")
        self.put(carol, "online")
        self.pass_time(5)
        heard = self.hear()
        self.join(carol, self.room_id)
        self.pass_time(5)
        expected = {(server, "@carol:hs", "online") for server in ("far", "elsewhere")}
        self.assertLessEqual(expected, set(heard))

    def test_other_servers_are_told_of_changes_and_reminded(self) -> None:
        """At once, and of who is there every 25 minutes."""
        self.inject_join(self.room_id, DAVE)
        heard = self.hear()
        self.poll(self.alice, 3600)
        self.pass_time(10, 1)
        self.assertIn(("far", ALICE, "online"), heard)
        self.pass_time(400, 2)
        self.assertIn(("far", ALICE, "unavailable"), heard)
        del heard[:]
        self.pass_time(27 * 60, 2)
        self.assertIn(("far", ALICE, "unavailable"), heard)

    def test_what_other_servers_tell_is_shown_until_they_fall_silent(self) -> None:
        """For half an hour."""
        self.inject_join(self.room_id, DAVE)
        _, token = self.sync(self.bob)
        said = {"user_id": DAVE, "presence": "online", "status_msg": "far away"}
        foreign = {"user_id": "@x:elsewhere", "presence": "online"}
        self.edu({"push": [said, foreign]})
        shown, _ = self.sync(self.bob, token)
        self.assertEqual("far away", shown[DAVE]["status_msg"])
        self.pass_time(29 * 60, 2)
        self.assertEqual("online", self.get(DAVE, self.bob)["presence"])
        self.pass_time(60 + LATE, 1)
        self.assertEqual("offline", self.get(DAVE, self.bob)["presence"])


class CompatRoomTests(RoomTests):
    """The same with the module."""

    module: ClassVar[Any] = COMPAT


class ExcludedRoomTests(InProcessTestCase):
    """`exclude_rooms_from_presence`."""

    module: ClassVar[Any] = None

    def test_sharing_an_excluded_room_shows_nothing(self) -> None:
        """Neither to people here nor to other servers."""
        self.needs("exclude_rooms_from_presence")
        alice, bob = self.person("alice"), self.person("bob")
        room_id = self.room(alice, bob)
        self.inject_join(room_id, DAVE)
        # A room has its name only once it is there.
        self.sections = {"exclude_rooms_from_presence": [room_id]}  # type: ignore[misc]  # of this test alone
        self.stop()
        self.start()
        heard = self.hear()
        _, token = self.sync(bob)
        self.put(alice, "online")
        self.pass_time(10)
        shown, _ = self.sync(bob, token)
        self.assertNotIn(ALICE, shown)
        self.assertEqual(403, self.ask("GET", f"v3/{alice.path}", None, bob).code)
        self.assertEqual([], heard)


class CompatExcludedRoomTests(ExcludedRoomTests):
    """The same with the module."""

    module: ClassVar[Any] = COMPAT


class LimitTests(PublicTestCase):
    """`rc_presence`, as Synapse ships it."""

    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"rc_presence": {"per_user": {"per_second": 0.1, "burst_count": 1}}}
    )

    def test_status_above_the_limit_is_refused_and_not_applied(self) -> None:
        """Then or later."""
        self.put(self.alice, "online")
        path = f"v3/{self.alice.path}"
        answer = self.ask("PUT", path, {"presence": "unavailable"}, self.alice)
        self.assertEqual(429, answer.code)
        self.assertEqual("M_LIMIT_EXCEEDED", answer.json["errcode"])
        self.pass_time(11, 1)
        self.assertEqual("online", self.look()[0])
        self.put(self.alice, "unavailable")
        self.assertEqual("unavailable", self.look()[0])

    def test_sync_above_the_limit_says_nothing(self) -> None:
        """It is answered, and leaves its user as they were."""
        _, token = self.sync(self.alice, set_presence="unavailable")
        self.sync(self.alice, token, set_presence="online")
        self.assertEqual("unavailable", self.look()[0])


class CompatLimitTests(LimitTests):
    """The same with the module."""

    module: ClassVar[Any] = COMPAT


class DisabledTests(InProcessTestCase):
    """`presence.enabled: false`."""

    module: ClassVar[Any] = None
    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"presence": {"enabled": False}}
    )

    def test_everybody_is_offline(self) -> None:
        """A status is taken and forgotten."""
        alice, bob = self.person("alice"), self.person("bob")
        self.put(alice, "online")
        self.assertEqual({"presence": "offline"}, self.get(alice, bob))


class CompatDisabledTests(DisabledTests):
    """The same with the module, which leaves presence to Synapse."""

    module: ClassVar[Any] = COMPAT

    def test_everybody_is_offline(self) -> None:
        """A status is taken and forgotten, and the log says why."""
        super().test_everybody_is_offline()
        (said,) = self.logged_errors()
        self.assertIn("presence.enabled", said)
