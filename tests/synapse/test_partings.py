"""What those see of one another who share no room any more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from tests.synapse.in_process import InProcessTestCase, shown_in

ALICE, BOB, DAVE = "@alice:hs", "@bob:hs", "@dave:far"
OFFLINE = {"presence": "offline"}


class PartingTestCase(InProcessTestCase):
    """Alice and Bob share a room, and both are online."""

    def setUp(self) -> None:
        """Make them."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room_id = self.room(self.alice, self.bob)
        for person in (self.alice, self.bob):
            self.put(person, "online", status_msg="here")
        self.pass_time(2)
        self.tokens = {
            person: self.sync(person, set_presence="offline")[1]
            for person in (self.alice, self.bob)
        }


class PartingTests(PartingTestCase):
    """Leaving the last shared room ends what is seen."""

    def test_both_are_shown_the_other_as_offline_once(self) -> None:
        """And as nothing else, although both are online to others."""
        self.leave(self.alice, self.room_id)
        for person, other in ((self.alice, BOB), (self.bob, ALICE)):
            shown, token = self.sync(person, self.tokens[person])
            self.assertEqual(OFFLINE, shown[other])
            shown, _ = self.sync(person, token)
            self.assertNotIn(other, shown)
        self.assertEqual("online", self.get(self.alice, self.alice)["presence"])

    def test_whoever_waits_is_woken_for_it(self) -> None:
        """A kick is a leave too; the poll may have ended by the event before."""
        path = self.sync_path(
            self.tokens[self.bob],
            timeout=30,
            filter='{"room": {"rooms": []}}',
            set_presence="offline",
        )
        poll = self.asking("GET", path, None, self.bob)
        self.assertFalse(poll.is_answered)
        kick = {"user_id": BOB}
        self.done("POST", f"v3/rooms/{self.room_id}/kick", kick, self.alice)
        self.pass_time(5)
        self.assertEqual(OFFLINE, shown_in(poll.answer().json)[ALICE])

    def test_who_shares_another_room_goes_on_being_seen(self) -> None:
        """And is shown nothing new."""
        self.room(self.alice, self.bob)
        _, token = self.sync(self.bob, self.tokens[self.bob], set_presence="offline")
        self.leave(self.alice, self.room_id)
        shown, _ = self.sync(self.bob, token, set_presence="offline")
        self.assertNotIn(ALICE, shown)

    def test_who_has_come_back_is_shown_as_they_are(self) -> None:
        """To those who did not look in between."""
        self.leave(self.alice, self.room_id)
        self.join(self.alice, self.room_id)
        self.pass_time(2)
        shown, _ = self.sync(self.bob, self.tokens[self.bob], set_presence="offline")
        self.assertEqual("here", shown[ALICE]["status_msg"])

    def test_nothing_is_written_for_it(self) -> None:
        """The rows stay as they are; only the position moves."""
        rows = "SELECT user_id, stream_id FROM presence_stream ORDER BY user_id"
        execute = self.store.db_pool.execute
        before = self.run_now(execute("rows", rows))
        self.leave(self.alice, self.room_id)
        self.assertEqual(before, self.run_now(execute("rows", rows)))

    def test_servers_that_may_not_know_any_more_are_told(self) -> None:
        """When the last of theirs leaves, and when one of ours does."""
        self.inject_join(self.room_id, DAVE)
        self.pass_time(10)
        heard = self.hear()
        self.leave(self.alice, self.room_id)
        self.pass_time(1)
        self.assertEqual([("far", ALICE, "offline")], heard)
        del heard[:]
        self.run_now(self._inject_member(self.room_id, DAVE, "leave"))
        self.pass_time(1)
        self.assertEqual([("far", BOB, "offline")], heard)

    def test_servers_of_a_large_room_are_told_at_once(self) -> None:
        """By one call to Synapse's sender, however many they are."""
        self.inject_join(self.room_id, DAVE)
        self.inject_join(self.room_id, "@erin:further")
        self.pass_time(10)
        calls: list[set[str]] = []

        async def send(states: Any, destinations: Any) -> None:
            calls.append(set(destinations))

        sender: Any = self.homeserver.get_federation_sender()
        sender.send_presence_to_destinations = send
        self.leave(self.alice, self.room_id)
        self.pass_time(1)
        self.assertEqual([{"far", "further"}], calls)


class NoPartingTests(PartingTestCase):
    """With `leaving_ends_presence` switched off."""

    module: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"leaving_ends_presence": False}
    )

    def test_everybody_keeps_what_they_saw(self) -> None:
        """As Synapse has it."""
        self.leave(self.alice, self.room_id)
        shown, _ = self.sync(self.bob, self.tokens[self.bob], set_presence="offline")
        self.assertNotIn(ALICE, shown)
