"""Stream positions: they grow, whatever happens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from matrix_presence import positions
from matrix_presence.interfaces import IPositions, Profile
from matrix_presence.positions import ReservedPositions
from matrix_presence.testing import MemoryPresence
from tests.base import TestCase
from tests.core.rig import ALICE, AT_ONCE, UNLIMITED

#: A change; the store's troubles; the end of this life; the next interval.
steps = st.lists(
    st.sampled_from(
        ("change", "change", "hold", "release", "fail", "pass", "stop", "crash")
    ),
    max_size=60,
)


class ReservedPositionsTests(TestCase):
    """Handing out what is reserved."""

    def setUp(self) -> None:
        """Blocks of ten, so that tests see the end of one."""
        self.patch(positions, "BLOCK", 10)
        self.positions = ReservedPositions()
        self.positions.begin(100)

    def allocate(self) -> Deferred[int]:
        """The next position."""
        return Deferred.fromCoroutine(self.positions.allocate())

    def test_it_is_what_a_tick_asks_for(self) -> None:
        """It provides the port."""
        verifyObject(IPositions, self.positions)

    def test_nothing_is_handed_out_that_is_not_reserved(self) -> None:
        """A tick waits until the store has reserved more."""
        waiting = self.allocate()
        self.assertNoResult(waiting)
        self.positions.reserved(self.positions.to_reserve())
        self.assertEqual(101, self.successResultOf(waiting))

    def test_positions_follow_one_another(self) -> None:
        """Each is one more than the one before."""
        self.positions.reserved(110)
        got = [self.successResultOf(self.allocate()) for _ in range(10)]
        self.assertEqual(list(range(101, 111)), got)
        self.assertEqual(110, self.positions.current())
        self.assertNoResult(self.allocate())

    def test_more_is_reserved_in_time(self) -> None:
        """When half of a block is gone, the next batch carries more."""
        self.positions.reserved(self.positions.to_reserve())
        self.assertFalse(self.positions.is_short())
        for _ in range(5):
            self.successResultOf(self.allocate())
        self.assertTrue(self.positions.is_short())
        self.assertEqual(115, self.positions.to_reserve())

    def test_a_reservation_is_never_taken_back(self) -> None:
        """An older batch that ends later changes nothing."""
        self.positions.reserved(120)
        self.positions.reserved(110)
        for _ in range(20):
            self.successResultOf(self.allocate())


class LivesTests(TestCase):
    """Positions over several lives of a server."""

    def setUp(self) -> None:
        """Small blocks, so that they are used up."""
        self.patch(positions, "BLOCK", 6)

    @given(steps)
    def test_no_position_is_told_twice(self, ops: list[str]) -> None:
        """Over stops, crashes and a failing store, each change has a higher one."""
        server = MemoryPresence(**UNLIMITED, **AT_ONCE)
        told = server.view.position()
        for number, op in enumerate(ops):
            if op == "change":
                server.handler.profile_changed(ALICE, Profile(str(number)))
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
            position = server.view.position()
            self.assertGreaterEqual(position, told)
            if op == "change" and position == told:
                # Then it waits, and is told when the store reserves more.
                server.store.release()
                server.clock.pump([10] * len(ops))
                position = server.view.position()
                self.assertGreater(position, told)
            told = position
        self.logged_errors()

    def reborn(self, server: MemoryPresence, *, crash: bool) -> MemoryPresence:
        """The next life; an orderly end waits for the store."""
        store = server.store
        if not crash:
            store.release()
            self.successResultOf(server.stop())
        store.crash()
        return MemoryPresence(store=store, **UNLIMITED, **AT_ONCE)

    def test_tokens_go_on_after_a_clean_stop(self) -> None:
        """A client's token is good in the next life, and nothing is told twice."""
        server = MemoryPresence(**UNLIMITED)
        self.successResultOf(server.set_status(ALICE, "online"))
        server.clock.advance(1)
        _, token = server.sync.part(ALICE, None)
        self.successResultOf(server.stop())
        server = MemoryPresence(store=server.store, **UNLIMITED)
        self.assertEqual(([], token), server.sync.part(ALICE, token))
        server.handler.profile_changed(ALICE, Profile("Alice"))
        server.clock.advance(1)
        events, later = server.sync.part(ALICE, token)
        self.assertEqual([ALICE], [event["sender"] for event in events])
        self.assertGreater(later, token)

    def test_a_crash_with_every_position_used_up_is_told(self) -> None:
        """The last position before a crash is none of the next life's."""
        server = MemoryPresence(**UNLIMITED, **AT_ONCE)
        server.store.hold()
        for number in range(20):
            server.handler.profile_changed(ALICE, Profile(str(number)))
        token = server.view.position()
        self.assertEqual(server.store.reserved, token)
        server.store.crash()
        server = MemoryPresence(store=server.store, **UNLIMITED)
        events, later = server.sync.part(ALICE, token)
        self.assertEqual([ALICE], [event["sender"] for event in events])
        self.assertGreater(later, token)
