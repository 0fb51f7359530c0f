"""Long polls: who is woken when."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from matrix_presence.testing import MemoryPoll
from matrix_presence.wire.filters import parse_presence_filter
from tests.core.rig import ALICE, AT_ONCE, BOB, CAROL, ROOM, UNLIMITED, CoreTestCase


class PollingTestCase(CoreTestCase):
    """Clients that poll on whenever they are woken."""

    def setUp(self) -> None:
        """Nobody polls yet."""
        super().setUp()
        #: By viewer: when they were woken, s.
        self.woken_at: dict[str, list[float]] = {}

    def poll_on(self, viewer: str) -> None:
        """Poll, and poll again each time presence wakes it; never shown as online."""
        self.woken_at.setdefault(viewer, [])
        self._poll(viewer, self.server.view.position())

    def _poll(self, viewer: str, since: int) -> None:
        wait = self.server.sync.wait(viewer, since)
        wait.addCallback(self._wake, viewer, since)

    def _wake(self, _: None, viewer: str, since: int) -> None:
        self.woken_at[viewer].append(self.server.clock.seconds())
        self._poll(viewer, self.server.sync.part(viewer, since)[1])


class WakeTests(CoreTestCase):
    """One poll."""

    def poll(self, viewer: str = BOB) -> MemoryPoll:
        """A poll of somebody who has read everything."""
        return self.server.poll(viewer, self.server.view.position(), "offline")

    def test_a_change_wakes_it(self) -> None:
        """What a room mate does is there with the tick (A-90)."""
        poll = self.poll()
        self.put("online")
        self.assertFalse(poll.woken)
        self.server.clock.advance(0.05)
        self.assertTrue(poll.woken)
        events, position = poll.close()
        self.assertEqual("online", events[ALICE]["presence"])
        self.assertEqual(position, self.server.view.position())

    def test_what_is_already_there_answers_at_once(self) -> None:
        """A poll with an old token does not wait (A-90)."""
        token = self.server.view.position()
        self.put("online")
        self.pass_time(0.1)
        self.assertTrue(self.server.poll(BOB, token, "offline").woken)

    def test_what_cannot_be_seen_wakes_nobody(self) -> None:
        """A stranger's change is no business of this poll (A-90, D-20)."""
        poll = self.poll()
        self.put("online", user_id=CAROL)
        self.pass_time(3)
        self.assertFalse(poll.woken)

    def test_a_filter_keeps_it_asleep(self) -> None:
        """What the filter leaves out wakes nobody (A-90, A-91)."""
        parts: tuple[dict[str, list[str]], ...] = (
            {"not_senders": [ALICE]},
            {"types": []},
            {"senders": [BOB]},
        )
        for presence in parts:
            only = parse_presence_filter({"presence": presence})
            wait = self.server.sync.wait(BOB, self.server.view.position(), only)
            self.put("online", str(presence))
            self.pass_time(3)
            self.assertNoResult(wait)
            wait.cancel()
            self.failureResultOf(wait)

    def test_leaving_the_room_leaves_it_asleep(self) -> None:
        """Who sees nobody any more is not woken (A-95)."""
        poll = self.poll()
        self.server.handler.left(ROOM, BOB)
        self.put("online")
        self.pass_time(3)
        self.assertFalse(poll.woken)

    def test_all_polls_of_a_user_are_woken(self) -> None:
        """Each of their clients hears of a change (A-90)."""
        polls = [self.poll() for _ in range(3)]
        self.put("online")
        self.pass_time(0.1)
        self.assertEqual([True] * 3, [poll.woken for poll in polls])

    def test_a_poll_that_is_given_up_is_forgotten(self) -> None:
        """A client that goes leaves nothing behind."""
        waiting = self.server.service.waiting
        polls = [self.poll() for _ in range(3)]
        self.assertEqual(3, len(waiting))
        for poll in polls:
            poll.close()
        self.assertEqual(0, len(waiting))
        self.assertFalse(waiting.users)

    def test_one_that_ends_the_others_does_no_harm(self) -> None:
        """Whoever is woken may give up the polls beside it."""
        position = self.server.view.position()
        waits = [self.server.sync.wait(BOB, position) for _ in range(2)]

        def give_up(_: None) -> None:
            for wait in waits:
                wait.cancel()

        for wait in waits:
            wait.addCallback(give_up)
            wait.addErrback(lambda _: None)
        other = self.poll(ALICE)
        self.put("online")
        self.pass_time(0.1)
        self.assertTrue(other.woken)
        self.assertEqual(0, len(self.server.service.waiting))


class WindowTests(PollingTestCase):
    """How often one client is woken."""

    def test_a_poller_is_woken_once_a_second_at_most(self) -> None:
        """However fast others change, presence alone wakes it no oftener."""
        self.poll_on(BOB)
        for number in range(200):
            self.put("online", str(number))
            self.pass_time(0.05)
        stamps = self.woken_at[BOB]
        gaps = [after - before for before, after in pairwise(stamps)]
        self.assertGreaterEqual(min(gaps), 1)
        self.assertGreaterEqual(len(stamps), 9)

    def test_the_first_change_after_quiet_is_instant(self) -> None:
        """A window holds back only who was woken within it."""
        self.poll_on(BOB)
        for round_ in range(1, 4):
            self.pass_time(5)
            self.put("online", str(round_))
            self.server.clock.advance(0.05)
            self.assertEqual(round_, len(self.woken_at[BOB]))

    def test_the_last_change_is_never_held_back_for_good(self) -> None:
        """What came within the window is there when it ends."""
        self.poll_on(BOB)
        self.put("online", "first")
        self.pass_time(0.2)
        self.put("online", "second")
        self.pass_time(0.5)
        self.assertEqual(1, len(self.woken_at[BOB]))
        self.pass_time(0.6)
        self.assertEqual(2, len(self.woken_at[BOB]))

    def test_a_sync_for_another_reason_takes_it_along(self) -> None:
        """Who looks within the window sees the latest, and is not woken for it."""
        self.put("online", "first")
        self.pass_time(0.1)
        poll = self.server.poll(BOB, self.server.view.position(), "offline")
        self.put("online", "second")
        self.pass_time(0.1)
        events, token = poll.close()
        self.assertEqual("second", events[ALICE]["status_msg"])
        poll = self.server.poll(BOB, token, "offline")
        self.pass_time(3)
        self.assertFalse(poll.woken)


class AtOnceTests(PollingTestCase):
    """Windows of 0."""

    OPTIONS: ClassVar[Mapping[str, Any]] = {**UNLIMITED, **AT_ONCE}

    def test_each_change_wakes_at_once(self) -> None:
        """A hundred changes are a hundred answers, with no time in between."""
        self.poll_on(BOB)
        for number in range(100):
            self.put("online", str(number))
            self.assertEqual(number + 1, len(self.woken_at[BOB]))


class BudgetTests(PollingTestCase):
    """How many clients are woken over all."""

    OPTIONS: ClassVar[Mapping[str, Any]] = {
        **UNLIMITED,
        "client_wakeups_per_second": 10,
        "client_window": 0,
    }
    EVERYBODY = tuple(f"@user{number:02}:hs" for number in range(100))

    def setUp(self) -> None:
        """A hundred room mates poll."""
        super().setUp()
        self.server.room(ROOM, *self.EVERYBODY)
        self.pass_time(15)
        for viewer in self.EVERYBODY:
            self.poll_on(viewer)

    def wakings(self) -> int:
        """How often anybody was woken."""
        return sum(map(len, self.woken_at.values()))

    def test_the_budget_is_kept(self) -> None:
        """Ten at once and ten a second, however much changes."""
        for second in range(1, 20):
            self.put("online", str(second))
            self.pass_time(1)
            self.assertLessEqual(self.wakings(), 10 + 10 * second)

    def test_everybody_is_woken_for_one_change(self) -> None:
        """A hundred are through within ten seconds."""
        self.put("online")
        self.pass_time(10)
        self.assertEqual({1}, {len(at) for at in self.woken_at.values()})

    def test_everybody_is_woken_in_turn(self) -> None:
        """Under changes without end, nobody waits for more than two rounds."""
        for number in range(600):
            self.put("online", str(number))
            self.pass_time(0.1)
        counts = {viewer: len(at) for viewer, at in self.woken_at.items()}
        self.assertGreaterEqual(min(counts.values()), 4, counts)
        now = self.server.clock.seconds()
        waited = {viewer: now - at[-1] for viewer, at in self.woken_at.items()}
        self.assertLessEqual(max(waited.values()), 20)

    def test_those_who_have_waited_longest_come_first(self) -> None:
        """Who was passed over in the first round is woken in the next."""
        self.put("online", "first")
        self.pass_time(0.1)
        first = {viewer for viewer, at in self.woken_at.items() if at}
        self.assertEqual(10, len(first))
        self.put("online", "second")
        self.pass_time(8.5)
        again = {viewer for viewer in first if len(self.woken_at[viewer]) > 1}
        self.assertEqual(set(), again)
        self.pass_time(3)
        self.assertEqual([], [v for v, at in self.woken_at.items() if not at])
