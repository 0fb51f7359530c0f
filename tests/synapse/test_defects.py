"""What is wrong in the presence that comes with Synapse, and right in ours.

The rows are those of the specification's list of defects, B1 to B12. What is asked and
answered goes through Synapse's own servlets.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from synapse.types import create_requester

from tests.synapse.in_process import InProcessTestCase, Person

ALICE, DAVE = "@alice:hs", "@dave:far"
BUSY = "org.matrix.msc3026.busy"
#: As Synapse ships it.
DEFAULT_LIMIT = {"per_user": {"per_second": 0.1, "burst_count": 1}}


class DefectTestCase(InProcessTestCase):
    """Alice and Bob share a room; Bob looks and does not show himself."""

    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"experimental_features": {"msc3026_enabled": True}}
    )

    def setUp(self) -> None:
        """Make them."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room_id = self.room(self.alice, self.bob)
        _, self.token = self.sync(self.bob, set_presence="offline")

    def news(self) -> dict[str, Any] | None:
        """What Bob is told of Alice since he looked last; None for nothing."""
        shown, self.token = self.sync(self.bob, self.token, set_presence="offline")
        content = shown.get(ALICE)
        assert content is None or isinstance(content, dict)
        return content

    def seen(self) -> dict[str, Any]:
        """What Bob sees of Alice right now."""
        return self.get(self.alice, self.bob)


class DefectTests(DefectTestCase):
    """Those that have nothing to do with rate limits."""

    def test_b1_long_polls_with_pauses_do_not_flap(self) -> None:
        """Polls of a minute, a second between them: nobody sees an offline (B1)."""
        _, token = self.sync(self.alice)
        seen, ends = set(), self.reactor.seconds() + 12 * 60
        while self.reactor.seconds() < ends:
            path = self.sync_path(token, timeout=60)
            poll = self.asking("GET", path, None, self.alice)
            while not poll.is_answered:
                self.pass_time(1, 1)
            token = poll.answer().json["next_batch"]
            self.pass_time(1)
            seen.add(self.seen()["presence"])
            news = self.news()
            if news is not None:
                seen.add(news["presence"])
        # Idle after a while: polling is no activity.
        self.assertEqual({"online", "unavailable"}, seen)

    def test_b4_busy_ends_with_the_device_that_said_it(self) -> None:
        """A sync of another device does not make that one busy too (B4)."""
        other = self.person("alice", "OTHER")
        self.put(self.alice, BUSY)
        self.sync(other)
        self.assertEqual(BUSY, self.seen()["presence"])
        self.put(self.alice, "online")
        self.assertEqual("online", self.seen()["presence"])

    def test_b5_who_hides_shows_nobody_when_they_act(self) -> None:
        """Messages and private receipts of somebody hidden are no news (B5)."""
        self.put(self.alice, "online")
        self.put(self.alice, "offline")
        self.pass_time(120, 1)
        self.news()
        heard = self.hear()
        self.send(self.alice, self.room_id, "m.room.message")
        self.done(
            "POST",
            f"v3/rooms/{self.room_id}/receipt/m.read.private/{self.last_event()}",
            {},
            self.alice,
        )
        self.pass_time(2)
        self.assertIsNone(self.news())
        self.assertEqual([], heard)
        self.assertNotIn("last_active_ago", self.seen())

    def last_event(self) -> str:
        """The newest event in the room."""
        path = f"v3/rooms/{self.room_id}/messages?dir=b&limit=1"
        event_id = self.done("GET", path, None, self.alice)["chunk"][0]["event_id"]
        return str(event_id)

    def test_b5_messages_of_bridged_users_are_no_news(self) -> None:
        """What a bridge says for its users costs no fan-out (B5)."""
        self.patch(self.store, "get_if_app_services_interested_in_user", lambda _: True)
        before = self.presence.parts.ticks.shown
        for _ in range(3):
            self.send(self.alice, self.room_id, "m.room.message")
            self.pass_time(90, 1)
        self.assertEqual(before, self.presence.parts.ticks.shown)

    def test_b6_devices_that_are_gone_are_forgotten(self) -> None:
        """Nothing is left of them, and asking for users leaves nothing either (B6)."""
        cache = self.presence.parts.cache
        devices: list[Person] = [
            self.person("alice", f"DEVICE{number}") for number in range(20)
        ]
        for device in devices:
            self.sync(device)
        self.assertLessEqual(20, cache.devices.count)
        self.pass_time(60, 1)
        self.assertEqual(1, cache.devices.count)  # Bob's wish to be hidden.
        known = len(cache.users)
        for number in range(20):
            self.state(f"@stranger{number}:hs")
        self.assertEqual(known, len(cache.users))

    def test_b7_status_without_a_message_keeps_the_message(self) -> None:
        """Clients that go idle by themselves erase nothing (B7)."""
        self.put(self.alice, "online", status_msg="on holiday")
        self.put(self.alice, "unavailable")
        self.assertEqual("on holiday", self.seen()["status_msg"])

    def test_b9_status_message_has_a_limit(self) -> None:
        """In bytes; the longest that is allowed goes through whole (B9)."""
        path, body = f"v3/{self.alice.path}", {"presence": "online"}
        longest = "ä" * 512
        answer = self.ask(
            "PUT", path, {**body, "status_msg": longest + "x"}, self.alice
        )
        self.assertEqual(413, answer.code)
        self.put(self.alice, "online", status_msg=longest)
        self.assertEqual(longest, self.seen()["status_msg"])

    def test_b10_logging_out_ends_the_presence_of_a_device(self) -> None:
        """At once, and busy too (B10)."""
        self.put(self.alice, BUSY)
        self.assertEqual(BUSY, self.seen()["presence"])
        self.done("POST", "v3/logout", {}, self.alice)
        self.pass_time(0.5)
        self.assertEqual("offline", self.seen()["presence"])

    def test_b10_device_that_is_deleted_is_gone(self) -> None:
        """The other devices of its user stay (B10)."""
        other = self.person("alice", "OTHER")
        self.put(self.alice, BUSY)
        self.put(other, "unavailable")
        devices = self.homeserver.get_device_handler()
        self.run_now(devices.delete_devices(ALICE, ["DEVICE"]))
        self.pass_time(0.5)
        self.assertEqual("unavailable", self.seen()["presence"])

    def test_b10_deactivated_account_is_offline(self) -> None:
        """At once, and those who saw it are told (B10)."""
        self.put(self.alice, "online", status_msg="bye")
        self.pass_time(2)
        self.news()
        handler = self.homeserver.get_deactivate_account_handler()
        requester = create_requester(ALICE)
        self.run_now(handler.deactivate_account(ALICE, False, requester))
        self.pass_time(1)
        self.assertEqual({"presence": "offline"}, self.news())

    def test_b11_encrypted_messages_are_activity(self) -> None:
        """And reactions: they make somebody idle come back (B11)."""
        for event_type in ("m.room.encrypted", "m.reaction", "m.sticker"):
            self.put(self.alice, "unavailable")
            self.pass_time(1)
            self.send(self.alice, self.room_id, event_type)
            seen = self.seen()
            self.assertEqual("online", seen["presence"], event_type)
            self.assertTrue(seen["currently_active"])


class HarmTests(DefectTestCase):
    """Those that harm a server or others than who causes them."""

    def test_b3_what_no_store_can_hold_is_refused_at_the_door(self) -> None:
        """NUL, half a character, no text, too much: from clients (B3)."""
        path = f"v3/{self.alice.path}"
        for message in (b'"\\u0000"', b'"\\ud800"', b"5", b"null", b'["x"]'):
            body = b'{"presence": "online", "status_msg": %b}' % message
            answer = self.ask("PUT", path, body, self.alice)
            self.assertEqual(400, answer.code, message)
        self.assertEqual("offline", self.seen()["presence"])

    def test_b3_what_no_store_can_hold_harms_no_other_user(self) -> None:
        """From other servers such an entry is passed over, alone (B3)."""
        self.inject_join(self.room_id, DAVE)
        self.inject_join(self.room_id, "@erin:far")
        push = [
            {"user_id": DAVE, "presence": "online", "status_msg": "\0"},
            {"user_id": DAVE, "presence": "online", "status_msg": "\ud800"},
            {"user_id": DAVE, "presence": "online", "status_msg": {"a": 1}},
            {"user_id": "@erin:far", "presence": "online", "status_msg": "fine"},
        ]
        self.edu({"push": push})
        self.assertEqual("fine", self.get("@erin:far", self.bob)["status_msg"])
        self.assertEqual({"presence": "offline"}, self.get(DAVE, self.bob))

    def test_b8_no_edu_fails_and_each_entry_stands_alone(self) -> None:
        """Whatever is wrong in it, what is right in it is taken (B8)."""
        self.inject_join(self.room_id, DAVE)
        for content in (
            {"push": 5},
            {"push": [5, None, "x"]},
            {"push": {"a": 1}},
            {"presence": {"a": 1}},
            {},
        ):
            self.edu(content)
        good = {"user_id": DAVE, "presence": "unavailable", "last_active_ago": 5}
        bad: list[dict[str, Any]] = [
            {"user_id": "dave"},
            {"user_id": 5},
            {"presence": 5},
            {"presence": {"a": 1}},
            {"last_active_ago": "5"},
            {"last_active_ago": 1e30},
            {"currently_active": "yes"},
        ]
        worse = [{**good, "presence": "online", **one} for one in bad]
        self.edu({"push": [*worse[:4], good, *worse[4:]]})
        self.assertEqual("unavailable", self.get(DAVE, self.bob)["presence"])

    def test_b8_users_nobody_may_see_are_not_taken(self) -> None:
        """A server cannot fill our memory with its users (B8)."""
        self.inject_join(self.room_id, DAVE)
        known = len(self.presence.parts.cache.users)
        for origin in ("far", "elsewhere"):
            push = [
                {"user_id": f"@stranger{number}:{origin}", "presence": "online"}
                for number in range(200)
            ]
            self.edu({"push": push}, origin=origin)
        self.assertEqual(known, len(self.presence.parts.cache.users))


class CompatHarmTests(HarmTests):
    """With `compat` they are put right all the same."""

    module: ClassVar[Mapping[str, Any]] = MappingProxyType({"compat": True})


class LimitedTests(DefectTestCase):
    """With the rate limit that Synapse ships."""

    sections: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"rc_presence": DEFAULT_LIMIT}
    )

    def test_b2_syncs_beyond_the_limit_count_as_connected(self) -> None:
        """Those that follow fast upon one another too, of two devices (B2)."""
        other = self.person("alice", "OTHER")
        tokens = {person: self.sync(person)[1] for person in (self.alice, other)}
        seen = set()
        for _ in range(5):
            for person in (self.alice, other):
                path = self.sync_path(tokens[person], timeout=27)
                poll = self.asking("GET", path, None, person)
                self.pass_time(1)
                # Something ends the poll soon, and the next begins at once.
                self.send(self.bob, self.room_id, "m.room.message")
                tokens[person] = poll.answer().json["next_batch"]
                path = self.sync_path(tokens[person], timeout=27)
                poll = self.asking("GET", path, None, person)
                self.pass_time(28, 1)
                tokens[person] = poll.answer().json["next_batch"]
                seen.add(self.seen()["presence"])
        self.assertNotIn("offline", seen)

    def test_b12_what_the_limit_refuses_comes_later(self) -> None:
        """An app opened and closed within the limit ends offline (B12)."""
        self.put(self.alice, "online")
        path = f"v3/{self.alice.path}"
        answer = self.ask("PUT", path, {"presence": "offline"}, self.alice)
        self.assertEqual("M_LIMIT_EXCEEDED", answer.json["errcode"])
        self.assertLessEqual(answer.json["retry_after_ms"], 10_000)
        self.sync(self.alice)
        self.assertEqual("online", self.seen()["presence"])
        self.pass_time(12)
        self.assertEqual("offline", self.seen()["presence"])
        self.assertNotIn("last_active_ago", self.seen())
