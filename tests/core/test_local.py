"""Presence between users of the same server can be switched off."""

from __future__ import annotations

from typing import Any

from matrix_presence.config import parse
from tests.core.rig import ALICE, BOB, ROOM, CoreTestCase

REMOTE = "@remote:there"


class LocalTests(CoreTestCase):
    """Alice and Bob share a room with a user of another server."""

    def setUp(self) -> None:
        """Users of this server do not see each other."""
        self.begin(local=False)

    def begin(self, **options: Any) -> None:
        """The remote user is there too."""
        super().begin(**options)
        self.server.room(ROOM, REMOTE)
        self.put("online", "hello", user_id=ALICE)
        entry = {"user_id": REMOTE, "presence": "online"}
        edu = {"edu_type": "m.presence", "content": {"push": [entry]}}
        self.server.service.receiver.edu_received("there", edu)
        self.pass_time(1)

    def toggle(self, shows: bool) -> None:
        """Switch it while the server runs."""
        self.server.service.reconfigure(parse({"local": shows}))

    def test_they_do_not_see_each_other(self) -> None:
        """Neither by asking nor in a sync, but themselves and users of elsewhere."""
        self.assertIsNone(self.server.view.status(BOB, ALICE))
        self.assertIsNotNone(self.server.view.status(ALICE, ALICE))
        self.assertEqual({REMOTE}, set(self.read(BOB)) - {BOB})
        self.assertEqual({ALICE, REMOTE}, set(self.server.seen(ALICE)))

    def test_nobody_is_woken_by_what_they_do_not_see(self) -> None:
        """A change of Alice is nothing to Bob, who waits."""
        # A sync of Bob's is news to Bob himself.
        with self.connected(BOB):
            self.pass_time(5)
            poll = self.server.poll(BOB, self.server.view.position())
        self.put("unavailable", user_id=ALICE)
        self.pass_time(5)
        self.assertFalse(poll.woken)
        poll.close()

    def test_what_was_hidden_is_shown_when_it_is_switched_on(self) -> None:
        """With the next sync that has anything to tell, whatever its token says."""
        self.read(BOB)
        self.toggle(True)
        self.put("online", "back", user_id=ALICE)
        self.pass_time(1)
        self.assertEqual("back", self.read(BOB)[ALICE]["status_msg"])
        self.toggle(False)
        self.assertIsNone(self.server.view.status(BOB, ALICE))
