"""What the things that clients say and do mean, where servers differ."""

from __future__ import annotations

import attrs


@attrs.frozen
class Semantics:
    """As the options have it; each default is what the specification asks for."""

    #: Whether who sets offline, or syncs as such, hides what they do (B-47).
    hides: bool = True
    #: Whether whatever is stated is activity if it leaves the user online or busy, and
    #: not only what makes them more available (B-13 to B-15, B-18).
    statements_are_activity: bool = False
    #: Whether a sync of one device of a busy user makes that device busy too, so that
    #: each of them has to end it.
    busy_spreads: bool = False
    #: Whether activity of somebody unavailable brings back busy if they were busy
    #: before (B-49), and not online.
    busy_comes_back: bool = True


#: What the specification asks for.
SPECIFIED = Semantics()
