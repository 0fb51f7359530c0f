"""The service: starting, stopping, and what is left behind."""

from __future__ import annotations

import gc

from twisted.application.service import IService
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from matrix_presence.config import parse
from matrix_presence.interfaces import UserRow
from matrix_presence.service import PresenceService
from matrix_presence.testing import MemoryHomeserver, MemoryPresenceStore
from tests.base import TestCase
from tests.core.rig import ALICE, BOB, ROOM, CoreTestCase

EPOCH_MS = 1_790_000_000_000


def row(user_id: str, presence: str = "online") -> UserRow:
    """A stored user without a device."""
    return UserRow(user_id, presence, "hello", EPOCH_MS, False, 1)


class StartTests(TestCase):
    """Starting with what an earlier life left."""

    def setUp(self) -> None:
        """A service that has not started."""
        self.clock = Clock()
        self.clock.advance(EPOCH_MS / 1000)
        self.store = MemoryPresenceStore()
        self.service = PresenceService(
            self.clock, MemoryHomeserver(), self.store, parse({})
        )

    def test_it_is_a_service(self) -> None:
        """A homeserver adds it to its own."""
        verifyObject(IService, self.service)

    def test_it_says_when_it_is_ready(self) -> None:
        """Not before everything is restored."""
        self.store.hold()
        self.service.startService()
        ready = self.service.when_ready()
        self.assertNoResult(ready)
        self.store.release()
        self.successResultOf(ready)
        self.successResultOf(self.service.when_ready())

    def test_it_restores_in_slices(self) -> None:
        """The reactor gets its turn between some hundreds of users (B-53)."""
        users = [f"@user{number:04}:hs" for number in range(1234)]
        self.store.users = {user_id: row(user_id) for user_id in users}
        self.service.startService()
        ready = self.service.when_ready()
        self.assertNoResult(ready)
        self.clock.pump([0] * 5)
        self.successResultOf(ready)
        self.assertEqual(set(users), set(self.service.cache.users.ids))

    def test_those_restored_without_a_device_go(self) -> None:
        """Nobody stays online of whom nothing else is known (B-53)."""
        self.store.users = {ALICE: row(ALICE)}
        self.service.startService()
        self.clock.pump([1] * 40)
        status = self.service.view.status(ALICE, ALICE)
        assert status is not None
        self.assertEqual("offline", status["presence"])
        self.assertEqual("hello", status["status_msg"])

    def test_a_state_of_a_later_version_is_offline(self) -> None:
        """A stored word that this version does not know stops nobody (B-53)."""
        self.store.users = {ALICE: row(ALICE, "sleepwalking"), BOB: row(BOB)}
        self.service.startService()
        status = self.service.view.status(ALICE, ALICE)
        assert status is not None
        self.assertEqual("offline", status["presence"])

    def test_a_store_that_cannot_be_opened_is_told(self) -> None:
        """Whoever waits for the start learns why it failed."""
        self.store.fail_next(OSError("no such file"))
        self.service.startService()
        self.failureResultOf(self.service.when_ready(), OSError)
        self.successResultOf(self.service.stopService())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_a_stop_during_the_start_ends_it(self) -> None:
        """Nothing goes on behind the back of a host that changed its mind."""
        users = [f"@user{number:04}:hs" for number in range(1234)]
        self.store.users = {user_id: row(user_id) for user_id in users}
        self.service.startService()
        ready = self.service.when_ready()
        self.successResultOf(self.service.stopService())
        self.failureResultOf(ready)
        self.clock.pump([0] * 9)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertFalse(self.store.clean)


class StopTests(CoreTestCase):
    """An orderly end."""

    def stop(self) -> None:
        """Stop; nothing is planned any more."""
        self.successResultOf(self.server.stop())
        self.assertEqual([], self.server.clock.getDelayedCalls())

    def test_nothing_is_left_planned(self) -> None:
        """No delayed call outlives the service, in the midst of whatever."""
        self.put("online")
        self.server.room("!new:hs", ALICE, BOB)
        poll = self.server.poll(BOB, self.tokens[BOB])
        self.put("unavailable")
        self.stop()
        poll.close()
        self.assertEqual([], self.server.clock.getDelayedCalls())

    def test_a_poll_in_its_window_leaves_nothing(self) -> None:
        """The timer that would have woken it is cancelled."""
        poll = self.server.poll(BOB, self.tokens[BOB])
        for text in ("one", "two", "three"):
            self.put("online", text)
            self.pass_time(0.1)
        self.stop()
        poll.close()

    def test_a_large_tick_leaves_nothing(self) -> None:
        """The end may come while those who wait are still looked for."""
        everybody = [f"@user{number}:hs" for number in range(300)]
        self.server.room(ROOM, *everybody)
        self.pass_time(1)
        polls = [self.server.poll(u, self.server.view.position()) for u in everybody]
        for user_id in everybody:
            self.put("online", user_id=user_id)
        self.stop()
        for poll in polls:
            poll.close()
        gc.collect()
        self.assertEqual([], self.flushLoggedErrors())

    def test_those_who_wait_are_let_go(self) -> None:
        """Open polls return when the server goes down."""
        poll = self.server.poll(BOB, self.tokens[BOB])
        self.stop()
        self.assertTrue(poll.woken)

    def test_what_was_pending_is_shown_first(self) -> None:
        """The last change has a position, from which the next life goes on."""
        position = self.server.view.position()
        self.put("online", "last words")
        self.stop()
        self.assertEqual(position + 1, self.server.view.position())
        self.assertEqual(position + 1, self.server.store.reserved)

    def test_what_comes_after_the_end_plans_nothing(self) -> None:
        """A request that is still under way does no harm."""
        self.stop()
        self.server.handler.active(ALICE, "DEVICE")
        self.sync(ALICE, "unavailable")
        self.server.room("!late:hs", ALICE, BOB)
        poll = self.server.poll(BOB, self.tokens[BOB])
        poll.close()
        self.assertEqual([], self.server.clock.getDelayedCalls())

    def test_a_stop_waits_for_the_disk(self) -> None:
        """It is over when everything is written."""
        self.sync(ALICE)
        self.server.store.hold()
        stopped = self.server.stop()
        self.assertNoResult(stopped)
        self.server.store.release()
        self.successResultOf(stopped)
        self.assertTrue(self.server.store.clean)
        self.assertIn(ALICE, self.server.store.users)

    def test_a_stop_waits_for_a_write_under_way(self) -> None:
        """Who was promised an answer gets one first."""
        self.server.store.hold()
        one = self.server.set_status(ALICE, "online", "one")
        other = self.server.set_status(BOB, "online", "two")
        stopped = self.server.stop()
        self.assertNoResult(stopped)
        self.server.store.release()
        for done in (one, other, stopped):
            self.successResultOf(done)
        self.assertEqual("two", self.server.store.users[BOB].status_msg)
        self.assertTrue(self.server.store.clean)

    def test_a_second_stop_does_nothing(self) -> None:
        """Stopping what is stopped is no mistake."""
        self.stop()
