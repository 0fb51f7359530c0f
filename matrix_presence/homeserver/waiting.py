"""Who waits for news in a long poll, and how they are woken.

A wake-up costs as much as there are people both concerned and waiting, however large
the room or the number of waiting clients.
"""

from __future__ import annotations

from collections.abc import Callable, Set

Wake = Callable[[], None]


class Waiting:
    """The long polls of each user, and those that watch one room only.

    The key of a poll is the id of either: no user id is a room id.
    """

    def __init__(self) -> None:
        self._polls: dict[str, list[Wake]] = {}
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
        """There is news for all of these."""
        # The intersection walks over the smaller of the two.
        for user_id in self._polls.keys() & user_ids:
            self.wake(user_id)

    def stop(self) -> None:
        """Wake everybody: the server ends, and whoever waits is to be answered."""
        self.stopped = True
        for key in tuple(self._polls):
            self.wake(key)

    def __len__(self) -> int:
        """For how many users and rooms there are polls that wait."""
        return len(self._polls)
