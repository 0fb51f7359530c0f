"""Ticks: what is shown together, and when."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from matrix_presence.config import parse
from matrix_presence.interfaces import IPositions, Profile
from matrix_presence.service import PresenceService
from matrix_presence.testing import MemoryHomeserver, MemoryPresenceStore
from tests.base import TestCase
from tests.core.rig import ALICE, BOB, CAROL, ROOM, CoreTestCase


class TickTests(CoreTestCase):
    """Gathering changes."""

    def test_changes_of_one_tick_share_a_position(self) -> None:
        """All that changes within fifty milliseconds is shown together (A-87)."""
        position = self.server.view.position()
        for user_id in (ALICE, BOB, CAROL):
            self.put("online", user_id=user_id)
            self.server.clock.advance(0.01)
        self.assertEqual(position, self.server.view.position())
        self.server.clock.advance(0.05)
        self.assertEqual(position + 1, self.server.view.position())
        self.assertEqual({ALICE, BOB}, set(self.read()))

    def test_a_tick_comes_after_the_first_change(self) -> None:
        """Further changes do not put it off."""
        position = self.server.view.position()
        for number in range(6):
            self.put("online", str(number))
            self.server.clock.advance(0.01)
        self.assertEqual(position + 1, self.server.view.position())

    def test_a_quiet_server_does_not_tick(self) -> None:
        """Where nothing changes no position is used."""
        self.pass_time(10)
        position = self.server.view.position()
        self.pass_time(100)
        self.assertEqual(position, self.server.view.position())

    def test_a_join_does_not_wait(self) -> None:
        """It is shown with the next turn of the reactor (A-88)."""
        position = self.server.view.position()
        self.server.handler.joined(ROOM, CAROL)
        self.server.clock.advance(0)
        self.assertEqual(position + 1, self.server.view.position())

    def test_what_is_read_before_a_tick_comes_once_more(self) -> None:
        """A read in between has the old position; the tick's change follows (A-87)."""
        self.put("online")
        self.assertIsNone(self.read().get(ALICE))
        self.assertIsNotNone(self.news())
        self.assertIsNone(self.news())

    def test_those_who_time_out_together_are_shown_in_parts(self) -> None:
        """As after a restart: no tick is so large that it holds the reactor (B-53)."""
        began = self.server.handler.sync_began
        ended = self.server.handler.sync_ended
        for number in range(6000):
            sync = began(f"@user{number}:hs", "PHONE", None)
            assert sync is not None
            ended(sync)
        self.server.clock.advance(0.1)
        sizes: list[int] = []
        ticked = self.server.service.ticks.observers
        ticked.append(lambda tick: sizes.append(len(tick.urgent | tick.casual)))
        self.server.clock.advance(32)
        for _ in range(200):
            self.server.clock.advance(0.01)
        self.assertEqual(6000, sum(sizes))
        self.assertLess(max(sizes), 3000)

    def test_many_changes_wake_all_who_wait(self) -> None:
        """A tick with hundreds of changes reaches everybody, in slices."""
        everybody = [f"@user{number}:hs" for number in range(400)]
        self.server.room(ROOM, *everybody)
        self.pass_time(1)
        position = self.server.view.position()
        polls = [
            self.server.poll(user_id, position, "offline") for user_id in everybody
        ]
        for user_id in everybody:
            self.put("online", user_id=user_id)
        self.pass_time(1)
        self.assertEqual(position + 1, self.server.view.position())
        self.assertEqual([], [poll.viewer for poll in polls if not poll.woken])
        for poll in polls:
            events, _ = poll.close()
            self.assertEqual(400, len(events))

    def test_a_farewell_is_told_once_to_who_waits(self) -> None:
        """The token that a woken client gets is past the farewell (D-40, A-87)."""
        poll = self.server.poll(BOB, self.tokens[BOB], "offline")
        woken: list[int] = []

        def look(_: None) -> None:
            events, position = self.server.sync.part(BOB, self.tokens[BOB])
            self.assertEqual([ALICE], [event["sender"] for event in events])
            woken.append(position)

        self.server.sync.wait(BOB, self.tokens[BOB]).addCallback(look)
        self.server.handler.deactivated(ALICE)
        self.pass_time(0.1)
        poll.close()
        events, _ = self.server.sync.part(BOB, woken[0])
        self.assertEqual([], events)


@implementer(IPositions)
class Elsewhere:
    """Positions that somebody else hands out, late or not at all."""

    def __init__(self) -> None:
        self.last = 0
        self.waiting: list[Deferred[int]] = []

    def current(self) -> int:
        """The last one."""
        return self.last

    async def allocate(self) -> int:
        """The next one, when the test says so."""
        waiting: Deferred[int] = Deferred()
        self.waiting.append(waiting)
        self.last = await waiting
        return self.last


class ElsewhereTests(TestCase):
    """Positions that are not ours."""

    def setUp(self) -> None:
        """A service with somebody else's positions."""
        self.clock = Clock()
        self.clock.advance(1_790_000_000)
        self.positions = Elsewhere()
        self.service = PresenceService(
            self.clock,
            MemoryHomeserver(),
            MemoryPresenceStore(),
            parse({}),
            self.positions,
        )
        self.service.startService()

    def change(self, name: str) -> None:
        """Alice has another name."""
        self.service.handler.profile_changed(ALICE, Profile(name))
        self.clock.advance(0.05)

    def names(self, since: int | None) -> list[str]:
        """The names that a sync since then shows."""
        events, _ = self.service.sync.part(ALICE, since)
        return [event["content"]["displayname"] for event in events]

    def test_a_tick_waits_for_its_position(self) -> None:
        """What changes meanwhile is shown with it, at one position."""
        self.change("one")
        self.change("two")
        self.assertEqual(0, self.service.view.position())
        self.assertEqual(1, len(self.positions.waiting))
        self.positions.waiting.pop().callback(17)
        self.assertEqual(17, self.service.view.position())
        self.assertEqual(["two"], self.names(0))
        self.assertEqual([], self.names(17))

    def test_a_tick_that_gets_none_comes_again(self) -> None:
        """Nothing that changed is lost, though nothing else changes."""
        self.change("one")
        self.positions.waiting.pop().errback(OSError("no answer"))
        self.assertEqual(1, len(self.logged_errors()))
        self.clock.pump([0.5] * 10)
        self.positions.waiting.pop().callback(17)
        self.assertEqual(["one"], self.names(0))
