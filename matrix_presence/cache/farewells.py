"""Last words: who is still to be told that a user is gone.

What somebody sees follows from memberships at the time of looking. A user who vanishes
for good (deactivated, revoked) is out of sight before anybody looks, so whom to tell is
remembered here (D-40).
"""

from __future__ import annotations

from collections import deque

from pyroaring import BitMap


class FarewellLog:
    """The last `keep` farewells."""

    def __init__(self, keep: int = 1000) -> None:
        #: Position, who is gone, who saw them. The oldest first.
        self._entries: deque[tuple[int, int, BitMap]] = deque(maxlen=keep)

    def append(self, position: int, gone: int, viewers: BitMap) -> None:
        """`gone` was taken from the sight of `viewers` at this position."""
        self._entries.append((position, gone, viewers))

    def since(self, position: int, viewer: int) -> BitMap:
        """Whose farewells this viewer has not had."""
        found = BitMap()
        for said_at, gone, viewers in reversed(self._entries):
            if said_at <= position:
                break
            if viewer in viewers:
                found.add(gone)
        return found
