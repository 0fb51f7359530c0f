"""What has changed since a position: visible changes, and joins.

One entry a tick, holding *who* changed; the state is read when it is shown. Entries are
merged as they age, so a year of ticks is some two hundred bitmaps and nothing is ever
too old to answer. Merging blurs when within the merged stretch a user changed; the
users' `position` column, which is exact, tells.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable

import attrs
from pyroaring import BitMap

#: How many entries of one size there may be before two of them become one of the next.
#: What a merged entry blurs stays below an eighth of the distance to it.
_ENTRIES_PER_SIZE = 8


@attrs.define
class _Entry:
    first: int
    last: int
    users: BitMap
    ticks: int = 1


class ChangeLog:
    """Who changed after which position; `position_of` is the users' exact column."""

    def __init__(self, position_of: array[int]) -> None:
        self._position_of = position_of
        #: The oldest and largest first.
        self._entries: list[_Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, position: int, users: BitMap) -> None:
        """These users changed at this position, the highest so far."""
        self.restore(position, position, users)

    def restore(self, first: int, last: int, users: BitMap) -> None:
        """These users changed from one position to another, all higher than before.

        When exactly is in their column.
        """
        self._entries.append(_Entry(first, last, users))
        self._merge()

    def _merge(self) -> None:
        entries = self._entries
        end, ticks = len(entries), 1
        while True:
            start = end
            while start and entries[start - 1].ticks == ticks:
                start -= 1
            if end - start <= _ENTRIES_PER_SIZE:
                return
            older, newer = entries[start : start + 2]
            entries[start : start + 2] = [
                _Entry(older.first, newer.last, older.users | newer.users, 2 * ticks)
            ]
            end, ticks = start + 1, 2 * ticks

    def since(self, position: int, among: BitMap) -> BitMap:
        """Which of `among` changed after `position`."""
        found = BitMap()
        for entry in reversed(self._entries):
            if entry.last <= position:
                break
            changed = entry.users & among
            if entry.first <= position:
                position_of = self._position_of
                changed = BitMap([u for u in changed if position_of[u] > position])
            found |= changed
        return found


class JoinLog:
    """Who joined which room after which position, for as far back as it is kept."""

    def __init__(self, keep: int = 100_000) -> None:
        self._keep = keep
        self._order: deque[tuple[int, int]] = deque()
        #: By room: positions and users, the oldest first.
        self._by_room: dict[int, deque[tuple[int, int]]] = {}
        #: The position of the last join.
        self.last = 0
        #: Joins after this position are all known.
        self.complete_since = 0

    def append(self, position: int, joins: Iterable[tuple[int, int]]) -> None:
        """These `(room, user)` pairs joined at this position."""
        for room, user in joins:
            self._by_room.setdefault(room, deque()).append((position, user))
            self._order.append((position, room))
            self.last = position
        while len(self._order) > self._keep:
            self.complete_since, room = self._order.popleft()
            self._by_room[room].popleft()
            if not self._by_room[room]:
                del self._by_room[room]

    def since(self, position: int, rooms: Iterable[int]) -> list[tuple[int, int]]:
        """The `(room, user)` pairs that joined any of `rooms` after `position`."""
        found = []
        for room in rooms:
            for joined_at, user in reversed(self._by_room.get(room, ())):
                if joined_at <= position:
                    break
                found.append((room, user))
        return found
