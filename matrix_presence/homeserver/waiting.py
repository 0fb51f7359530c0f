"""Who waits for news in a long poll, and how they are woken.

A wake-up costs as much as there are people both concerned and waiting, however large
the room or the number of waiting clients.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from itertools import islice

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: Users woken in one turn of the reactor. Each then gets an answer, which takes a few
#: tenths of a millisecond.
A_TURN = 32

Wake = Callable[[], None]


class Waiting:
    """The long polls of each user, and those that watch one room only.

    The key of a poll is the id of either: no user id is a room id.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._polls: dict[str, list[Wake]] = {}
        #: Those whose turn to be woken is still to come, in its order.
        self._due: dict[str, None] = {}
        self._timer: IDelayedCall | None = None
        #: Nobody is to wait any more.
        self.stopped = False

    def add(self, key: str, wake: Wake) -> None:
        """Call `wake` whenever there is news for this user or room, until removed."""
        self._polls.setdefault(key, []).append(wake)

    def remove(self, key: str, wake: Wake) -> None:
        """Call it no more."""
        polls = self._polls[key]
        polls.remove(wake)
        if not polls:
            del self._polls[key]

    def wake(self, key: str) -> None:
        """There is news for this user, or in this room."""
        for wake in tuple(self._polls.get(key, ())):
            wake()

    def wake_all(self, user_ids: Set[str]) -> None:
        """There is news for all of these; some are woken at once, the rest soon."""
        # The intersection walks over the smaller of the two.
        concerned = self._polls.keys() & user_ids
        if len(concerned) <= A_TURN:
            for user_id in concerned:
                self.wake(user_id)
        else:
            self._due |= dict.fromkeys(concerned)
            if self._timer is None:
                self._wake_some()

    def _wake_some(self) -> None:
        self._timer = None
        some = tuple(islice(self._due, A_TURN))
        for user_id in some:
            del self._due[user_id]
        # Who is answered may ask for what wakes others, before this returns.
        for user_id in some:
            self.wake(user_id)
        if self._due and self._timer is None:
            self._timer = self._clock.callLater(0, self._wake_some)

    def stop(self) -> None:
        """Wake everybody: the server ends, and whoever waits is to be answered."""
        self.stopped = True
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for key in tuple(self._polls):
            self.wake(key)

    def __len__(self) -> int:
        """For how many users and rooms there are polls that wait."""
        return len(self._polls)
