"""The presence store in memory, and what tests can tell it to do."""

from __future__ import annotations

import attrs

from matrix_presence.interfaces import Batch, StoreHead
from matrix_presence.storage.memory import MemoryPresenceStore
from tests.base import TestCase
from tests.storage.store_tests import ALICE, BOB, PresenceStoreTests


class MemoryStoreTests(PresenceStoreTests, TestCase):
    """The port, in memory; a restart is the same object opened again."""

    def setUp(self) -> None:
        self.memory = MemoryPresenceStore()
        super().setUp()

    def start(self) -> MemoryPresenceStore:
        """The next life of the same store."""
        return self.memory


class CommandTests(TestCase):
    """Failing, refusing, waiting and crashing on demand."""

    def setUp(self) -> None:
        self.store = MemoryPresenceStore()
        self.successResultOf(self.store.open())

    async def test_the_next_write_fails(self) -> None:
        """`fail_next` fails as many writes as it was told, and stores none of them."""
        self.store.fail_next(OSError("disk full"), times=2)
        for _ in range(2):
            self.failureResultOf(self.store.write(Batch([ALICE], reserved=5)), OSError)
        self.assertEqual(self.store.users, {})
        self.assertEqual(self.store.reserved, 0)
        await self.store.write(Batch([ALICE]))
        self.assertEqual(self.store.users, {ALICE.user_id: ALICE})

    async def test_a_refused_user_is_left_out(self) -> None:
        """`refuse` leaves out one user's rows until `accept`."""
        self.store.refuse(ALICE.user_id)
        self.assertEqual(
            set(await self.store.write(Batch([ALICE, BOB]))), {ALICE.user_id}
        )
        self.assertEqual(list(self.store.users), [BOB.user_id])
        self.store.accept(ALICE.user_id)
        self.assertEqual(set(await self.store.write(Batch([ALICE]))), set())

    async def test_held_writes_are_committed_on_release(self) -> None:
        """Between `hold` and `release` nothing is stored and nobody is answered."""
        self.store.hold()
        later = attrs.evolve(ALICE, position=8)
        writes = [self.store.write(Batch([each])) for each in (ALICE, later)]
        self.assertEqual(self.store.held, 2)
        for done in writes:
            self.assertNoResult(done)
        self.assertEqual(self.store.users, {})
        self.store.release()
        for done in writes:
            self.successResultOf(done)
        self.assertEqual(self.store.users, {ALICE.user_id: later})
        self.assertEqual(len(self.store.committed), 2)

    async def test_a_crash_forgets_what_was_held(self) -> None:
        """What had not been committed is gone, and the next start is told."""
        await self.store.write(Batch([BOB], reserved=3))
        self.store.hold()
        lost = self.store.write(Batch([ALICE], reserved=9))
        self.store.crash()
        self.assertEqual(await self.store.open(), StoreHead(reserved=3, clean=False))
        self.assertEqual(await self.store.load("", 10), [BOB])
        self.assertNoResult(lost)

    async def test_a_crash_undoes_no_orderly_end(self) -> None:
        """A store that was closed in order stays so, whatever happens then."""
        await self.store.close(0)
        self.store.crash()
        self.assertTrue((await self.store.open()).clean)

    async def test_it_can_begin_with_users(self) -> None:
        """A test may start from stored users without writing them."""
        store = MemoryPresenceStore([BOB, ALICE])
        self.assertEqual(await store.load("", 10), [ALICE, BOB])
