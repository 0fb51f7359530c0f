"""Who is due when: a wheel of bitmaps, one slot for each short stretch of time.

Each user waits in at most one slot. A deadline that moves later is left where it is:
the user comes up early, is looked at and put in again, which costs one look per
time-out instead of one change per activity. A sweep touches only those in the slots
that have passed, however many are known.
"""

from __future__ import annotations

from array import array

from pyroaring import BitMap


class Wheel:
    """Slots of `width` ms. `slot_of` is the users' column that names their slot."""

    def __init__(self, slot_of: array[int], width: int) -> None:
        self._slot_of = slot_of
        self.width = width
        self._slots: dict[int, BitMap] = {}
        #: The first slot that has not been swept.
        self._hand = 0

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def put(self, user: int, deadline: int) -> None:
        """See to it that the user comes up at `deadline` (epoch ms), or before it.

        Comes up within one slot's width after the deadline.
        """
        slot = deadline // self.width + 1
        waits_in = self._slot_of[user]
        if waits_in and waits_in <= slot:
            return
        slot = max(slot, self._hand)
        # The entry in the later slot stays there; `_slot_of` tells that it is stale.
        self._slot_of[user] = slot
        due = self._slots.get(slot)
        if due is None:
            due = self._slots[slot] = BitMap()
        due.add(user)

    def due(self, now: int, most: int) -> list[int]:
        """Take out those whose slots have passed at `now` (epoch ms), `most` at a time.

        Fewer than `most` means that nobody else is due.
        """
        reached = now // self.width
        self._hand = max(self._hand, reached + 1)
        found: list[int] = []
        # Slots are few (one a second of the longest time-out), users are many.
        for slot in sorted(slot for slot in self._slots if slot <= reached):
            waiting = self._slots[slot]
            while waiting and len(found) < most:
                taken = waiting[: most - len(found)]
                waiting -= taken
                for user in taken:
                    if self._slot_of[user] == slot:
                        self._slot_of[user] = 0
                        found.append(user)
            if waiting:
                break
            del self._slots[slot]
        return found
