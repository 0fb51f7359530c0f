"""What a new life makes of the one before."""

from __future__ import annotations

from tests.core.rig import (
    ALICE,
    BOB,
    BUSY,
    LATE,
    CoreTestCase,
)


class RestartTests(CoreTestCase):
    """What a new life makes of the one before."""

    def test_who_was_there_is_still(self) -> None:
        """States are kept; one has the usual time to come back (B-53)."""
        for crash in (False, True):
            self.put("online", "hello")
            self.restart(crash=crash)
            self.assertEqual("online", self.presence())
            self.assertEqual("hello", self.status()["status_msg"])
            self.pass_time(25)
            self.sync(ALICE)
            self.pass_time(20)
            self.assertEqual("online", self.presence())

    def test_who_does_not_come_back_goes(self) -> None:
        """After the time of a contact they are offline (B-53)."""
        for crash in (False, True):
            self.put("online", "hello")
            self.restart(crash=crash)
            self.pass_time(30 + LATE)
            self.assertEqual("offline", self.presence())
            self.assertEqual("hello", self.status()["status_msg"])

    def test_an_open_poll_is_not_open_any_more(self) -> None:
        """What was connected when the server was killed is not (B-53)."""
        held = self.connected(ALICE)
        held.__enter__()
        self.pass_time(15)  # Written by now.
        self.restart(crash=True)
        self.assertEqual("online", self.presence())
        self.pass_time(30 + LATE)
        self.assertEqual("offline", self.presence())

    def test_coming_back_is_no_activity(self) -> None:
        """Nor does a restart count as one (B-18, B-53)."""
        self.sync(ALICE)
        self.pass_time(15)
        self.restart(away=5)
        self.sync(ALICE)
        self.assertEqual(20_000, self.ago())

    def test_a_long_stop_idles(self) -> None:
        """Whoever was last active long before is unavailable (B-40, B-53)."""
        self.sync(ALICE)
        self.restart(away=600)
        with self.connected(ALICE):
            self.pass_time(LATE)
            self.assertEqual("unavailable", self.presence())

    def test_busy_is_kept(self) -> None:
        """Busy has its hour anew (B-50, B-53)."""
        self.put(BUSY)
        self.restart()
        self.pass_time(600)
        self.assertEqual(BUSY, self.presence())

    def test_what_others_were_told_is_corrected(self) -> None:
        """Bob, with a token from before, hears that Alice has gone (B-53)."""
        for crash in (False, True):
            self.put("online")
            self.pass_time(0.1)
            self.assertEqual("online", self.read()[ALICE]["presence"])
            self.restart(crash=crash)
            self.pass_time(30 + LATE)
            self.assertEqual("offline", self.read()[ALICE]["presence"])
            self.assertNotIn(ALICE, self.read())

    def test_nobody_else_is_made_up(self) -> None:
        """Who was offline is so in the next life (B-53)."""
        self.sync(ALICE)
        self.pass_time(60)
        self.restart()
        self.assertEqual("offline", self.presence())
        self.assertEqual("offline", self.presence(BOB))
