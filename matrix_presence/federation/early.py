"""Keeps what other servers say of users too early: before it is known who they are.

A server tells of its users as soon as it knows of a join. By then the one that joined
may not know the members of the room: it has not got the answer to its join yet, or, by
a faster join, only gets to know them some time after it (MSC3706). The other server
does not say it again, so without this they would be taken for offline until something
about them changes.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import NamedTuple

from matrix_presence.ids import server_of
from matrix_presence.wire.edu import Update

#: Users of whom something is kept: some MB. Of one server at most a quarter, lest it
#: push out what the others have said.
_MOST, _SHARE = 20_000, 5_000
#: Users forgotten in one go, because what was said of them holds no longer.
_AT_ONCE = 100
#: Each so many characters of text count as one user more.
_PAGE = 512


class Heard(NamedTuple):
    """What was said, and when, epoch ms."""

    update: Update
    heard_ts: int
    cost: int


class Early:
    """The newest of each user, for as long as it would hold if they were known (C-9).

    Args:
        lifetime: ms.
    """

    def __init__(self, lifetime: int, most: int = _MOST, share: int = _SHARE) -> None:
        self._lifetime = lifetime
        self._most = most
        self._share = share
        #: By user id, the oldest first. A plain dict is slow to find its first where
        #: many before it are gone.
        self._heard: OrderedDict[str, Heard] = OrderedDict()
        #: By server: how much is kept of its users.
        self._costs: Counter[str] = Counter()
        self._cost = 0

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._heard

    def keep(self, update: Update, now: int) -> None:
        """This was said of somebody of no interest so far."""
        user_id = update.user_id
        self.forget(user_id)
        self._expire(now)
        server, cost = server_of(user_id), _cost_of(update)
        if self._costs[server] + cost > self._share:
            return
        while self._cost + cost > self._most:
            self.forget(next(iter(self._heard)))
        self._heard[user_id] = Heard(update, now, cost)
        self._charge(server, cost)

    def forget(self, user_id: str) -> Heard | None:
        """Keep nothing of this user any longer; what was kept."""
        heard = self._heard.pop(user_id, None)
        if heard is not None:
            self._charge(server_of(user_id), -heard.cost)
        return heard

    def take(self, user_id: str, now: int) -> Heard | None:
        """What was said of a user who is of interest now, if it still holds."""
        self._expire(now)
        heard = self.forget(user_id)
        return heard if heard is not None and self._holds(heard, now) else None

    def _charge(self, server: str, cost: int) -> None:
        self._cost += cost
        self._costs[server] += cost
        if not self._costs[server]:
            del self._costs[server]

    def _expire(self, now: int) -> None:
        # More than can have come meanwhile, and not all in one go.
        for _ in range(_AT_ONCE):
            oldest = next(iter(self._heard.items()), None)
            if oldest is None or self._holds(oldest[1], now):
                return
            self.forget(oldest[0])

    def _holds(self, heard: Heard, now: int) -> bool:
        return now - heard.heard_ts < self._lifetime


def _cost_of(update: Update) -> int:
    texts = (update.status_msg, *update.profile.values())
    return 1 + sum(len(text) for text in texts if text) // _PAGE
