"""The states of presence and how they compare.

Follows the modern module for `online`, `unavailable` and `offline`, the module of
r0.1.0 for `free_for_chat` and its order of availability (B-4), and MSC3026 for busy.
"""

from __future__ import annotations

from enum import IntEnum


class Presence(IntEnum):
    """A state; a greater one wins among the devices of a user (B-5).

    The numbers are stored in the columns of the cache, never on disk or on the wire:
    there the states go by the names in `NAMES`.
    """

    OFFLINE = 0
    UNAVAILABLE = 1
    ONLINE = 2
    FREE_FOR_CHAT = 3
    BUSY = 4


OFFLINE, UNAVAILABLE, ONLINE, FREE_FOR_CHAT, BUSY = Presence

#: Each state on its number: a column holds plain ints, and indexing is far cheaper
#: than calling the enumeration.
PRESENCES = tuple(Presence)

#: Added to a state, to say in one number what others are told: this and that the user
#: is currently active.
CURRENTLY_ACTIVE = 8

#: The value of the `presence` key for each state.
NAMES = ("offline", "unavailable", "online", "free_for_chat", "org.matrix.msc3026.busy")

BY_NAME = {name: PRESENCES[number] for number, name in enumerate(NAMES)}

#: How available a state is, as the second seed orders them. Busy is a kind of online
#: here: it outranks online when devices are summed up, but it is not more available.
AVAILABILITY = (0, 1, 2, 3, 2)

#: States that fade when nothing is done: the server makes them unavailable (B-40,
#: B-49). Busy does not: someone in a call does not touch the keyboard (B-50).
IDLING = (ONLINE, FREE_FOR_CHAT)


def is_proactive(before: int, after: int) -> bool:
    """Whether a client that states `after` shows that somebody is there.

    Raising availability does (B-13, B-14), lowering it never does (B-15). Saying
    online or free for chat once more at the same level does too: it is a status
    that was set (A-29, X-4).
    """
    gain = AVAILABILITY[after] - AVAILABILITY[before]
    return gain > 0 or (gain == 0 and after in IDLING)
