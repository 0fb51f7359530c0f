"""Who waits for news in a long poll, and how they are woken.

A wake-up costs as much as there are people both concerned and waiting, however large
the room or the number of waiting clients.
"""

from __future__ import annotations

from collections.abc import Callable, Set

Wake = Callable[[], None]


class Waiting:
    """The long polls of each user."""

    def __init__(self) -> None:
        self._polls: dict[str, list[Wake]] = {}

    def add(self, user_id: str, wake: Wake) -> None:
        """Call `wake` whenever there is news for this user, until removed."""
        self._polls.setdefault(user_id, []).append(wake)

    def remove(self, user_id: str, wake: Wake) -> None:
        """Call it no more."""
        polls = self._polls[user_id]
        polls.remove(wake)
        if not polls:
            del self._polls[user_id]

    def wake(self, user_id: str) -> None:
        """There is news for this user."""
        for wake in tuple(self._polls.get(user_id, ())):
            wake()

    def wake_all(self, user_ids: Set[str]) -> None:
        """There is news for all of these."""
        # The intersection walks over the smaller of the two.
        for user_id in self._polls.keys() & user_ids:
            self.wake(user_id)

    def __len__(self) -> int:
        """How many users wait."""
        return len(self._polls)
