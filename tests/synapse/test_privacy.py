"""Who is told what: large rooms, rooms that are still partial, other servers."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from types import MappingProxyType
from typing import Any, ClassVar

from tests.synapse.in_process import InProcessTestCase

ALICE, DAVE, ERIN = "@alice:hs", "@dave:far", "@erin:elsewhere"


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
