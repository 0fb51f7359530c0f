"""Who waits for news of rooms, and how many are woken at a time."""

from __future__ import annotations

from functools import partial

from twisted.internet.task import Clock

from matrix_presence.homeserver.waiting import A_TURN, Waiting
from tests.base import TestCase


class WaitingTests(TestCase):
    """Polls that note when they are woken."""

    def setUp(self) -> None:
        """As many as are woken in three turns wait, and one more."""
        self.clock = Clock()
        self.waiting = Waiting(self.clock)
        self.woken: list[str] = []
        self.users = [f"@{number}:hs.test" for number in range(3 * A_TURN + 1)]
        for user_id in self.users:
            self.waiting.add(user_id, partial(self.woken.append, user_id))

    def turn(self) -> int:
        """How many are woken in the next turn of the reactor."""
        before = len(self.woken)
        call = self.clock.calls.pop(0)
        call.func(*call.args, **call.kw)
        return len(self.woken) - before

    def test_a_few_are_woken_at_once(self) -> None:
        """Those who wait among the members of a room, however many these are."""
        some = set(self.users[:A_TURN])
        self.waiting.wake_all(some | {f"@other{n}:hs.test" for n in range(1000)})
        self.assertEqual(some, set(self.woken))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_are_woken_in_turns(self) -> None:
        """The reactor has its turn between them, and everybody is woken once."""
        self.waiting.wake_all(set(self.users))
        self.assertEqual(len(self.woken), A_TURN)
        self.assertEqual([self.turn() for _ in range(3)], [A_TURN, A_TURN, 1])
        self.assertEqual(sorted(self.woken), sorted(self.users))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_more_news_meanwhile(self) -> None:
        """Who is still to be woken is not woken twice; a few others do not wait."""
        self.waiting.wake_all(set(self.users))
        left = set(self.users) - set(self.woken)
        self.waiting.wake_all(left)
        self.assertEqual(len(self.woken), A_TURN)
        self.waiting.wake_all({self.woken[0]})
        self.assertEqual(len(self.woken), A_TURN + 1)
        self.clock.advance(0)
        self.assertEqual(len(self.woken), len(self.users) + 1)

    def test_who_leaves_meanwhile_is_not_woken(self) -> None:
        """Nor does it keep the others from being woken."""
        polls = {}
        for user_id in self.users:
            polls[user_id] = wake = partial(self.woken.append, f"again {user_id}")
            self.waiting.add(user_id, wake)
        self.waiting.wake_all(set(self.users))
        late = next(one for one in self.users if one not in self.woken)
        self.waiting.remove(late, polls[late])
        self.clock.advance(0)
        self.assertNotIn(f"again {late}", self.woken)
        self.assertEqual(len(self.woken), 2 * len(self.users) - 1)

    def test_news_of_one_who_was_woken(self) -> None:
        """What an answer brings about wakes the others in their turns all the same."""
        everybody = set(self.users)
        news = [everybody]

        def answered() -> None:
            while news:
                self.waiting.wake_all(news.pop())

        self.waiting.add(self.users[0], answered)
        self.waiting.wake_all(everybody)
        while self.clock.calls:
            self.assertEqual(len(self.clock.calls), 1)
            self.turn()
        self.assertEqual(everybody, set(self.woken))

    def test_the_end_wakes_everybody(self) -> None:
        """At once, also those who were due, and nothing is left in the reactor."""
        self.waiting.wake_all(set(self.users))
        del self.woken[:]
        self.waiting.stop()
        self.assertEqual(sorted(self.woken), sorted(self.users))
        self.assertEqual(self.clock.getDelayedCalls(), [])
