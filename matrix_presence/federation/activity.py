"""Mere activity of our users, of which other servers hear only if it lasts.

Somebody who writes now and then is currently active, and is not, and is again, many
times in an hour, and nobody elsewhere needs to know each time. A change of activity is
held until it has not changed for a while (`activity_window`). If by then it is what
other servers were told anyway, there is nothing to tell.

A server that is told of a user meanwhile, for another reason, is told what holds then.
Of those that thereby know something else than the others it is remembered which they
are.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from pyroaring import BitMap

from matrix_presence.cache.users import Users
from matrix_presence.cache.wheel import Wheel

#: ms of a slot of the wheel.
_SLOT = 1000

_NOBODY = BitMap()


class HeldActivity:
    """Who is held, until when, and what others were told of them.

    Args:
        patience: ms for which activity must not change before others hear of it.
    """

    def __init__(self, users: Users, patience: int) -> None:
        self._users = users
        self._patience = patience
        #: By user: what all servers were told last, or are about to be told.
        self._active = bytearray()
        self._active_ts = array("q")
        #: By user who is held: until when (epoch ms), unless it changes again.
        self._until = array("q")
        self._slots = array("q")
        self._wheel = Wheel(self._slots, _SLOT)
        self.held = BitMap()
        #: By user who is held: the servers that were told something else.
        self._exposed: dict[int, BitMap] = {}

    def told(self, users: BitMap) -> None:
        """All servers that may know of these are told of them as they are now."""
        self._grow()
        shown, shown_ts = self._users.is_shown_active, self._users.shown_active_ts
        for user in users:
            self._active[user] = shown(user)
            self._active_ts[user] = shown_ts[user]
            self._exposed.pop(user, None)
        self.held -= users

    def hold(self, users: BitMap, now: int) -> None:
        """The activity of these has changed at `now` (epoch ms)."""
        self._grow()
        self.held |= users
        until = now + self._patience
        for user in users:
            self._until[user] = until
            self._wheel.put(user, until)

    def read(self, destination: int, users: BitMap) -> None:
        """This destination is told of these as they are now."""
        if not self.held:
            return
        for user in users & self.held:
            if self._active[user] != self._users.is_shown_active(user):
                self._exposed.setdefault(user, BitMap()).add(destination)

    def due(self, now: int, most: int) -> Iterator[tuple[int, BitMap | None]]:
        """Of whom somebody has to be told after all, at `now` (epoch ms).

        At most `most` users are looked at; the others are due a second later.

        Yields:
            The user, and who is to be told; None for all servers that may know.
        """
        for user in self._wheel.due(now, most):
            if user not in self.held:
                continue
            if self._until[user] > now:
                self._wheel.put(user, self._until[user])
                continue
            self.held.discard(user)
            exposed = self._exposed.pop(user, _NOBODY)
            if self._has_changed(user):
                yield user, None
            elif exposed:
                yield user, exposed

    def _has_changed(self, user: int) -> bool:
        active = self._users.is_shown_active(user)
        if active != self._active[user]:
            return True
        # While somebody is currently active, when they last were is nobody's question.
        newer = self._users.shown_active_ts[user] > self._active_ts[user]
        return not active and newer

    def _grow(self) -> None:
        lacking = len(self._users) - len(self._active)
        if lacking > 0:
            lacking += lacking // 2
            self._active += bytes(lacking)
            for column in (self._active_ts, self._until, self._slots):
                column.frombytes(bytes(8 * lacking))
