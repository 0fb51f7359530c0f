"""What those who embed us find in `matrix_presence.testing`."""

from __future__ import annotations

from matrix_presence.testing import MemoryPresence
from tests.core.rig import CoreTestCase


class ExampleTests(CoreTestCase):
    """The example in `matrix_presence.testing`."""

    def test_a_room_mate_is_seen_online(self) -> None:
        """It does what it says."""
        presence = MemoryPresence()
        presence.room("!r:hs", "@a:hs", "@b:hs")
        self.successResultOf(presence.set_status("@a:hs", "online", "hello"))
        presence.clock.advance(1)
        self.assertEqual("hello", presence.seen("@b:hs")["@a:hs"]["status_msg"])
