"""How Synapse takes what it has to tell to other servers.

Each change goes to every server that shares a room. They are woken one after another,
at most fifty a second (`federation_rr_transactions_per_room_per_second`), and then get
all that waits for them: of each user the newest, fifty users in a transaction. The
first is woken at once, and does not get what is told of others in the same moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

#: Seconds between two servers that are woken.
_SPREAD = 0.02
#: Users in one EDU, of which a transaction has one.
_MOST = 50


class SynapseSending:
    """Counts.

    Args:
        servers_of: by user, the numbers of the servers that are told of them.
        is_up: whether a server answers at a time; while it does not, nothing is sent.
    """

    def __init__(
        self, servers_of: Sequence[list[int]], is_up: Callable[[int, float], bool]
    ) -> None:
        self._servers_of = servers_of
        self._is_up = is_up
        #: By server: when it is woken next, and who has been told of with that.
        self._woken_at: dict[int, float] = {}
        self._waiting: dict[int, set[int]] = defaultdict(set)
        self._free_at = 0.0
        self.entries = 0
        self.transactions = 0

    def tell(self, user: int, at: float) -> None:
        """All who share a room with the user are told how they stand, at so many s."""
        for server in self._servers_of[user]:
            if not self._is_up(server, at):
                continue
            if self._woken_at.get(server, -1.0) <= at:
                self._woken_at[server] = wakes_at = max(at, self._free_at)
                self._free_at = wakes_at + _SPREAD
                self._waiting[server] = set()
            waiting = self._waiting[server]
            if user not in waiting:
                self.transactions += len(waiting) % _MOST == 0
                waiting.add(user)
                self.entries += 1
