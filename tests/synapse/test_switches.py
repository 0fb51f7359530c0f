"""Deviations from stock presence that are switched off, one option each."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, ClassVar

from matrix_presence.synapse import metrics
from tests.synapse.in_process import InProcessTestCase


class SwitchTestCase(InProcessTestCase):
    """Alice and Bob share a room, and Alice has just been online."""

    def setUp(self) -> None:
        """Make them."""
        super().setUp()
        self.alice, self.bob = self.person("alice"), self.person("bob")
        self.room_id = self.room(self.alice, self.bob)

    def look(self) -> str:
        """Alice's presence, as Bob sees it."""
        return str(self.get(self.alice, self.bob)["presence"])

    def slide(self) -> None:
        """A sliding sync of Alice's."""
        path = "unstable/org.matrix.simplified_msc3575/sync?timeout=0"
        self.done("POST", path, {"conn_id": "one", "lists": {}}, self.alice)

    def leave_hiding(self) -> str:
        """How Alice stands who has set offline and goes on syncing."""
        self.put(self.alice, "offline")
        self.sync(self.alice)
        return self.look()


class SwitchedOffTests(SwitchTestCase):
    """Each of them alone is as Synapse has it."""

    module: ClassVar[Any] = MappingProxyType(
        {
            "all_messages_are_activity": False,
            "logout_ends_presence": False,
            "sliding_sync_connects": False,
            "hiding_outlasts_syncs": False,
            "keep_status_when_omitted": False,
            "metrics": False,
        }
    )

    def test_only_plain_messages_are_activity(self) -> None:
        """`all_messages_are_activity`."""
        self.put(self.alice, "unavailable")
        self.send(self.alice, self.room_id, "m.room.encrypted")
        self.assertEqual("unavailable", self.look())
        self.send(self.alice, self.room_id, "m.room.message")
        self.assertEqual("online", self.look())

    def test_logout_takes_its_time(self) -> None:
        """`logout_ends_presence`."""
        self.put(self.alice, "online")
        self.done("POST", "v3/logout", {}, self.alice)
        self.pass_time(1)
        self.assertEqual("online", self.look())
        self.pass_time(32, 1)
        self.assertEqual("offline", self.look())

    def test_sliding_sync_does_not_connect(self) -> None:
        """`sliding_sync_connects`."""
        self.slide()
        self.assertEqual("offline", self.look())

    def test_next_sync_reveals(self) -> None:
        """`hiding_outlasts_syncs`."""
        self.assertEqual("online", self.leave_hiding())

    def test_message_that_is_left_out_is_gone(self) -> None:
        """`keep_status_when_omitted`."""
        self.put(self.alice, "online", status_msg="gone")
        self.put(self.alice, "unavailable")
        self.assertNotIn("status_msg", self.get(self.alice, self.bob))

    def test_there_are_no_metrics_of_ours(self) -> None:
        """`metrics`."""
        measured = metrics._collector.parts.get("hs")
        self.assertIsNot(self.presence.parts, measured)


class SwitchedOnTests(SwitchTestCase):
    """The same by default, where no other test shows it on a whole Synapse."""

    def test_sliding_sync_connects(self) -> None:
        """`sliding_sync_connects`, for as long as any sync does."""
        self.slide()
        self.assertEqual("online", self.look())
        self.pass_time(33, 1)
        self.assertEqual("offline", self.look())

    def test_syncs_do_not_reveal(self) -> None:
        """`hiding_outlasts_syncs`, until one says online in so many words."""
        self.assertEqual("offline", self.leave_hiding())
        self.sync(self.alice, set_presence="online")
        self.assertEqual("online", self.look())
