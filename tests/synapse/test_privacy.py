"""Who is told what: large rooms, rooms that are still partial, other servers."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from types import MappingProxyType
from typing import Any, ClassVar

from synapse.handlers.presence import format_user_presence_state

from tests.synapse.in_process import InProcessTestCase

ALICE, BOB = "@alice:hs", "@bob:hs"
DAVE, ERIN = "@dave:far", "@erin:elsewhere"


class LargeRoomTests(InProcessTestCase):
    """`max_room_members`."""

    module: ClassVar[Mapping[str, Any]] = MappingProxyType({"max_room_members": 2})

    def test_sharing_a_large_room_shows_nothing(self) -> None:
        """Neither here nor elsewhere; once it is small again it does."""
        alice, bob = self.person("alice"), self.person("bob")
        room_id = self.room(alice, bob)
        self.put(alice, "online")
        self.assertEqual("online", self.get(alice, bob)["presence"])
        heard = self.hear()
        self.inject_join(room_id, DAVE)
        self.put(alice, "unavailable")
        self.pass_time(10)
        answer = self.ask("GET", f"v3/{alice.path}", None, bob)
        self.assertEqual(403, answer.code)
        self.assertEqual([], heard)
        self.run_now(self._inject_member(room_id, DAVE, "leave"))
        self.pass_time(1)
        self.assertEqual("unavailable", self.get(alice, bob)["presence"])


class PartialRoomTests(InProcessTestCase):
    """A room whose members Synapse does not know all of yet."""

    def test_members_that_come_to_be_known_are_seen(self) -> None:
        """As soon as the state is complete, though nobody has joined."""
        alice, bob = self.person("alice"), self.person("bob")
        room_id = self.room(alice, bob)
        self.stop()
        # As long as it is partial Synapse's table lacks members.
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute(
                "DELETE FROM current_state_events WHERE state_key = ?", (ALICE,)
            )
        self.start()
        self.put(alice, "online")
        self.assertEqual(403, self.ask("GET", f"v3/{alice.path}", None, bob).code)
        # What Synapse does when it has learned the rest.
        state = self.homeserver.get_state_handler()
        self.run_now(state.update_current_state(room_id))
        self.homeserver.get_notifier().notify_replication()
        self.pass_time(1)
        self.assertEqual("online", self.get(alice, bob)["presence"])

    def test_what_was_said_before_counts(self) -> None:
        """Other servers tell of their users once, when they learn of a join."""
        alice = self.person("alice")
        room_id = self.room(alice)
        said = {"user_id": DAVE, "presence": "online", "status_msg": "here"}
        self.edu({"push": [said]})
        path = f"v3/presence/{DAVE}/status"
        self.assertEqual(403, self.ask("GET", path, None, alice).code)
        self.assertEqual([], self.rows_of(DAVE))
        self.inject_join(room_id, DAVE)
        self.assertEqual("here", self.get(DAVE, alice)["status_msg"])
        self.assertEqual([("online", "here")], self.rows_of(DAVE))

    def rows_of(self, user_id: str) -> list[Any]:
        """What is stored."""
        sql = "SELECT state, status_msg FROM presence_stream WHERE user_id = ?"
        found = self.run_now(self.store.db_pool.execute("rows", sql, user_id))
        return list(found)


class PeerTests(InProcessTestCase):
    """`exchange_not_with`."""

    module: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"exchange_not_with": ["far"]}
    )

    def setUp(self) -> None:
        """Alice is in a room with users of two other servers."""
        super().setUp()
        self.alice = self.person("alice")
        room_id = self.room(self.alice)
        for user_id in (DAVE, ERIN):
            self.inject_join(room_id, user_id)
        self.pass_time(10)
        self.heard = self.hear()

    def test_only_the_others_are_told(self) -> None:
        """Whoever sends: a module is no exception."""
        self.put(self.alice, "online")
        self.pass_time(10)
        self.run_now(self.api.send_local_online_presence_to([DAVE, ERIN]))
        self.assertEqual({("elsewhere", ALICE, "online")}, set(self.heard))

    def test_only_what_the_others_tell_is_taken(self) -> None:
        """Users of the one that is left out stay offline."""
        for user_id, origin in ((DAVE, "far"), (ERIN, "elsewhere")):
            self.edu(
                {"push": [{"user_id": user_id, "presence": "online"}]}, origin=origin
            )
        self.assertEqual("offline", self.get(DAVE, self.alice)["presence"])
        self.assertEqual("online", self.get(ERIN, self.alice)["presence"])


class OnlyPeerTests(PeerTests):
    """The same with `exchange_only_with`."""

    module: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"exchange_only_with": ["elsewhere"]}
    )


class HidingTests(InProcessTestCase):
    """When somebody was last here who has set offline."""

    def setUp(self) -> None:
        """Alice and Bob, and a user of another server, share a room; Alice hides."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room_id = self.room(self.alice, self.bob)
        self.inject_join(self.room_id, DAVE)
        self.put(self.alice, "online")
        self.pass_time(10)
        sender: Any = self.homeserver.get_federation_sender()
        self.told: list[Any] = []

        async def send(states: Any, destinations: Any) -> None:
            if "far" in destinations:
                self.told += states

        sender.send_presence_to_destinations = send
        self.put(self.alice, "offline")
        self.pass_time(20)
        self.send(self.alice, self.room_id, "m.room.message")
        self.pass_time(10)

    def test_others_are_not_shown_it(self) -> None:
        """Neither by GET nor by sync (B-51)."""
        self.assertEqual({"presence": "offline"}, self.get(self.alice, self.bob))
        self.put(self.alice, "offline", status_msg="still away")
        self.pass_time(3)
        shown, _ = self.sync(self.bob, full_state="true", set_presence="offline")
        self.assertNotIn("last_active_ago", shown.get(ALICE, {}))

    def test_they_see_it_themself(self) -> None:
        """It does not begin anew by what they do while they hide (B-15, B-47)."""
        seen = self.get(self.alice, self.alice)
        self.assertLess(40_000, seen["last_active_ago"])

    def test_other_servers_are_told_what_they_knew(self) -> None:
        """An EDU without it would not fit its schema; it tells nothing new (C-5)."""
        # It may be said again, and says the same.
        (state,) = {state for state in self.told if state.user_id == ALICE}
        content = format_user_presence_state(state, int(self.reactor.seconds() * 1000))
        self.assertEqual({"presence", "user_id", "last_active_ago"}, content.keys())
        self.assertLess(40_000, content["last_active_ago"])

    def test_other_servers_are_told_of_who_was_never_active_too(self) -> None:
        """As long ago as there is (C-5)."""
        del self.told[:]
        self.put(self.bob, "offline", status_msg="never here")
        self.pass_time(10)
        told = {one.last_active_ts for one in self.told if one.user_id == BOB}
        self.assertEqual({1}, told)
