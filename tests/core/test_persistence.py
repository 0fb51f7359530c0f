"""What is on disk when, and what becomes of a store that fails."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.errors import NotStored
from matrix_presence.interfaces import Profile
from matrix_presence.persistence import Persistence
from matrix_presence.storage.memory import MemoryPresenceStore
from matrix_presence.testing import MemoryPresence
from tests.base import TestCase
from tests.core.rig import ALICE, AT_ONCE, BOB, CAROL, UNLIMITED, CoreTestCase

MANY = [f"@user{number:03}:hs" for number in range(50)]


class DurableTests(CoreTestCase):
    """What a person set."""

    def set_status(self, user_id: str, status_msg: str) -> Deferred[None]:
        """A status that may still be on its way to the disk."""
        return self.server.set_status(user_id, "online", status_msg)

    def stored(self, user_id: str = ALICE) -> str | None:
        """The status that is on disk."""
        row = self.server.store.users.get(user_id)
        return row.status_msg if row else None

    def test_it_is_on_disk_before_the_answer(self) -> None:
        """A status is acknowledged when it is committed, not before."""
        self.server.store.hold()
        done = self.set_status(ALICE, "hello")
        self.assertNoResult(done)
        self.assertIsNone(self.stored())
        self.server.store.release()
        self.successResultOf(done)
        self.assertEqual("hello", self.stored())

    def test_it_is_seen_before_it_is_on_disk(self) -> None:
        """Others do not wait for the disk."""
        self.server.store.hold()
        done = self.set_status(ALICE, "hello")
        news = self.news()
        assert news is not None
        self.assertEqual("hello", news["status_msg"])
        self.server.store.release()
        self.successResultOf(done)

    def test_those_who_come_meanwhile_share_a_commit(self) -> None:
        """While one batch commits, the next gathers: fifty PUTs are two batches."""
        before = len(self.server.store.committed)
        self.server.store.hold()
        every = [self.set_status(user_id, "hello") for user_id in MANY]
        self.server.store.release()
        for done in every:
            self.successResultOf(done)
        batches = self.server.store.committed[before:]
        self.assertEqual([1, 49], [len(batch.users) for batch in batches])

    def test_one_user_is_written_as_they_are_then(self) -> None:
        """Three statuses in one commit are one row, the newest, and three answers."""
        self.server.store.hold()
        first = self.set_status(BOB, "first")
        every = [self.set_status(ALICE, text) for text in ("one", "two", "three")]
        self.server.store.release()
        for done in (first, *every):
            self.successResultOf(done)
        batch = self.server.store.committed[-1]
        self.assertEqual(["three"], [row.status_msg for row in batch.users])

    def test_a_status_set_while_its_user_is_written_is_written_again(self) -> None:
        """An answer is never given for a row that was composed before (A-27)."""
        self.server.store.hold()
        self.set_status(ALICE, "old")
        done = self.set_status(ALICE, "new")
        self.server.store.release()
        self.successResultOf(done)
        self.assertEqual("new", self.stored())

    def test_a_store_that_fails_acknowledges_nothing(self) -> None:
        """All of the batch are refused, and nothing of it is stored."""
        self.server.store.hold()
        self.server.store.fail_next(OSError("disk full"), 2)
        every = [self.set_status(user_id, "hello") for user_id in (ALICE, BOB, CAROL)]
        self.server.store.release()
        for done in every:
            self.failureResultOf(done, NotStored)
        self.assertIsNone(self.stored())
        self.assertEqual(2, len(self.logged_errors()))

    def test_what_could_not_be_stored_is_stored_later(self) -> None:
        """It is kept in memory, and written when the store is well again."""
        self.server.store.fail_next(OSError("disk full"))
        self.failureResultOf(self.set_status(ALICE, "hello"), NotStored)
        self.logged_errors()
        self.assertEqual("hello", self.status()["status_msg"])
        self.pass_time(10)
        self.assertEqual("hello", self.stored())

    def test_the_next_is_not_held_up_by_a_failure(self) -> None:
        """Who waits for the next batch is answered by the next batch."""
        self.server.store.hold()
        self.server.store.fail_next(OSError("disk full"))
        one, other = self.set_status(ALICE, "hello"), self.set_status(BOB, "hello")
        self.server.store.release()
        self.failureResultOf(one, NotStored)
        self.successResultOf(other)
        self.logged_errors()

    def test_one_row_that_is_refused_fails_alone(self) -> None:
        """Its neighbours in the same batch are stored and acknowledged."""
        self.server.store.refuse(BOB)
        self.server.store.hold()
        first = self.set_status(CAROL, "first")
        every = {u: self.set_status(u, "hello") for u in (ALICE, BOB, CAROL)}
        self.server.store.release()
        self.successResultOf(first)
        self.failureResultOf(every[BOB], NotStored)
        self.successResultOf(every[ALICE])
        self.successResultOf(every[CAROL])
        self.assertEqual("hello", self.stored(ALICE))
        self.assertIsNone(self.stored(BOB))

    def test_a_refused_row_is_tried_again(self) -> None:
        """When the store takes it, it is there, though nobody asked anew."""
        self.server.store.refuse(ALICE)
        self.failureResultOf(self.set_status(ALICE, "hello"), NotStored)
        self.pass_time(30)
        self.assertIsNone(self.stored())
        self.server.store.accept(ALICE)
        self.pass_time(10)
        self.assertEqual("hello", self.stored())

    def test_a_stop_with_a_refused_row_is_not_clean(self) -> None:
        """What others were told is not on disk, so the next life has to tell anew."""
        self.pass_time(0.1)
        self.read()
        self.server.store.refuse(ALICE)
        self.failureResultOf(self.set_status(ALICE, "hello"), NotStored)
        self.assertIsNotNone(self.news())
        self.restart()
        self.assertEqual("offline", self.read()[ALICE]["presence"])


class TurnsTests(TestCase):
    """What is set in one moment, where a reactor has turns."""

    def setUp(self) -> None:
        """A batch waits for up to four turns."""
        self.clock = Clock()
        self.cache = PresenceCache("hs")
        self.store = MemoryPresenceStore()
        self.persistence = Persistence(
            self.clock, self.cache, self.store, None, 10_000, turns=4
        )

    def set_status(self, user_id: str) -> Deferred[None]:
        """Fires when it is on disk."""
        return self.persistence.durable(self.cache.users.intern(user_id))

    def batches(self) -> list[int]:
        """How many users each commit had."""
        return [len(batch.users) for batch in self.store.committed]

    def test_they_share_a_commit(self) -> None:
        """Fifty PUTs of one turn are one batch, and all are answered."""
        every = [self.set_status(user_id) for user_id in MANY]
        self.assertEqual([], self.batches())
        self.clock.advance(0)
        for done in every:
            self.successResultOf(done)
        self.assertEqual([50], self.batches())

    def test_a_turn_that_brings_more_is_waited_for(self) -> None:
        """It leaves after the first that brought nothing."""
        self.clock.callLater(0, self.set_status, BOB)
        self.set_status(ALICE)
        self.clock.advance(0)
        self.assertEqual([2], self.batches())

    def test_a_busy_reactor_does_not_keep_them(self) -> None:
        """After four turns they go, although each has brought another."""
        left = MANY[:10]

        def another() -> None:
            self.set_status(left.pop())
            if left:
                self.clock.callLater(0, another)

        self.clock.callLater(0, another)
        done = self.set_status(ALICE)
        self.clock.advance(0)
        self.successResultOf(done)
        self.assertEqual((5, 11), (self.batches()[0], sum(self.batches())))

    def test_a_commit_is_followed_by_a_turn(self) -> None:
        """Those who have just been answered may come again with those who wait."""
        self.store.hold()
        self.set_status(ALICE)
        self.clock.advance(0)
        self.set_status(BOB)
        self.store.release()
        self.clock.callLater(0, self.set_status, ALICE)
        self.clock.advance(0)
        self.assertEqual([1, 2], self.batches())

    def test_an_end_loses_nothing(self) -> None:
        """Who flushes while statuses gather waits for them."""
        done = self.set_status(ALICE)
        flushed = Deferred.fromCoroutine(self.persistence.flush())
        self.assertNoResult(flushed)
        self.clock.advance(0)
        self.successResultOf(done)
        self.assertTrue(self.successResultOf(flushed))
        self.assertIn(ALICE, self.store.users)


class DerivedTests(CoreTestCase):
    """What the server worked out."""

    def test_it_is_written_by_and_by(self) -> None:
        """Coming online by a sync is on disk within ten seconds."""
        self.sync(ALICE)
        self.assertNotIn(ALICE, self.server.store.users)
        self.pass_time(10)
        self.assertEqual("online", self.server.store.users[ALICE].presence)

    def test_it_is_written_at_the_end(self) -> None:
        """An orderly stop leaves nothing behind."""
        self.sync(ALICE)
        self.server.handler.profile_changed(BOB, Profile("Bob"))
        self.successResultOf(self.server.stop())
        self.assertEqual("online", self.server.store.users[ALICE].presence)
        self.assertEqual("Bob", self.server.store.users[BOB].displayname)
        self.assertTrue(self.server.store.clean)

    def test_activity_that_changes_nothing_is_written_too(self) -> None:
        """The exact last activity is on disk within ten seconds (B-10)."""
        with self.connected(ALICE):
            self.pass_time(20)
            self.server.handler.active(ALICE, "DEVICE")
            active_ts = self.server.handler.now()
            self.pass_time(10)
        self.assertEqual(active_ts, self.server.store.users[ALICE].last_active_ts)

    def test_quiet_is_not_written(self) -> None:
        """Where nothing happens, nothing is written."""
        self.pass_time(20)
        rows = self.server.service.persistence.rows
        self.pass_time(100)
        self.assertEqual(rows, self.server.service.persistence.rows)

    def test_polls_that_go_on_are_not_written(self) -> None:
        """Who polls, and does nothing else, comes up all the time to no effect."""
        for _ in range(4):
            with self.connected(ALICE):
                self.pass_time(30)
        before = len(self.server.store.committed)
        for _ in range(4):
            with self.connected(ALICE):
                self.pass_time(30)
        self.assertEqual(before, len(self.server.store.committed))

    def test_thousands_are_written_in_slices(self) -> None:
        """No batch is so large that composing it holds the reactor."""
        everybody = [f"@user{number}:hs" for number in range(2345)]
        for user_id in everybody:
            self.sync(user_id)
        self.pass_time(10)
        batches = self.server.store.committed
        self.assertEqual(0, len(set(everybody) - set(self.server.store.users)))
        self.assertLessEqual(max(len(batch.users) for batch in batches), 500)

    def test_a_failed_write_is_repeated(self) -> None:
        """What a store in trouble did not take, it gets with the next interval."""
        self.sync(ALICE)
        self.server.store.fail_next(OSError("disk full"))
        self.pass_time(10)
        self.assertEqual(1, len(self.logged_errors()))
        self.pass_time(10)
        self.assertEqual("online", self.server.store.users[ALICE].presence)

    def test_a_stop_with_a_broken_store_is_not_clean(self) -> None:
        """The stop ends all the same, and says what it left."""
        self.sync(ALICE)
        self.server.store.fail_next(OSError("disk full"), 9)
        self.successResultOf(self.server.stop())
        self.assertFalse(self.server.store.clean)
        self.assertNotEqual([], self.logged_errors())

    def test_forgotten_users_are_erased(self) -> None:
        """Of a deactivated account nothing is kept (D-40)."""
        self.put("online", "hello")
        self.server.handler.deactivated(ALICE)
        self.pass_time(10)
        self.assertNotIn(ALICE, self.server.store.users)


#: A status by one of two users; the store's troubles; the end of this life.
steps = st.lists(
    st.one_of(
        st.sampled_from((ALICE, BOB)),
        st.sampled_from(("hold", "release", "fail", "pass", "stop", "crash")),
    ),
    max_size=40,
)


class CrashTests(CoreTestCase):
    """Killed at any moment."""

    @given(steps)
    def test_no_acknowledged_status_is_lost(self, ops: list[str]) -> None:
        """After any end, each user has what was last acknowledged, or a later one."""
        server = MemoryPresence(**UNLIMITED, **AT_ONCE)
        written = dict[str, list[str | None]]({ALICE: [None], BOB: [None]})
        for number, op in enumerate(ops):
            if op in written:
                text = str(number)
                written[op].append(text)
                done = server.set_status(op, "online", text)
                done.addCallbacks(
                    self.acknowledged, lambda _: None, (written[op], text)
                )
            elif op == "hold":
                server.store.hold()
            elif op == "release":
                server.store.release()
            elif op == "fail":
                server.store.fail_next(OSError("disk full"))
            elif op == "pass":
                server.clock.advance(10)
            else:
                server = self.reborn(server, crash=op == "crash")
                self.check(server, written)
        server = self.reborn(server, crash=True)
        self.check(server, written)
        self.logged_errors()

    def acknowledged(self, _: None, written: list[str | None], text: str) -> None:
        """Nothing older than this may come back."""
        if text in written:
            del written[: written.index(text)]

    def reborn(self, server: MemoryPresence, *, crash: bool) -> MemoryPresence:
        """The next life."""
        store = server.store
        if not crash:
            store.release()
            self.successResultOf(server.stop())
        store.crash()
        return MemoryPresence(store=store, **UNLIMITED, **AT_ONCE)

    def check(
        self, server: MemoryPresence, written: dict[str, list[str | None]]
    ) -> None:
        """What the new life knows is what was acknowledged, or set after that."""
        for user_id, texts in written.items():
            status = server.view.status(user_id, user_id)
            assert status is not None
            self.assertIn(status.get("status_msg"), texts)
            texts[:] = [status.get("status_msg")]
