"""Everybody known, one column per fact.

A user is a dense index, handed out on first sight and never persisted: sets of users
are bitmaps of these. Each fact is a column over them, which is a third of the memory
of an object per user and lets a sweep touch one fact of many users. Only the handler
writes here; what the facts mean for others is decided in `rules`.
"""

from __future__ import annotations

from array import array

from matrix_presence.ids import server_of
from matrix_presence.rules.profiles import NO_PROFILE, Profile
from matrix_presence.rules.states import CURRENTLY_ACTIVE

_GROWTH = 1024
_ZEROS = bytes(8 * _GROWTH)

# What is in `Users.flags`, from the lowest bit. In one column, because whoever reads
# presence asks for all of it, and each column is another miss of the cache.
#: The presence as the devices add up, a `rules.states.Presence`.
PRESENCE = 0b111
#: Whether others were last told that the user is currently active.
SHOWN_ACTIVE = CURRENTLY_ACTIVE
#: Whether the user is offline because they said so (B-47).
HIDDEN = 1 << 4
#: What others were told.
TOLD = PRESENCE | SHOWN_ACTIVE


class Users:
    """The columns. Times are epoch milliseconds, 0 where nothing is known."""

    def __init__(self, server_name: str) -> None:
        self.server_name = server_name
        self.index: dict[str, int] = {}
        self.ids: list[str] = []
        #: Whether the user is one of this server's.
        self.is_local = bytearray()
        #: Presence, whether shown as active, and whether hidden.
        self.flags = bytearray()
        #: The last pro-active event.
        self.last_active_ts = array("q")
        #: The last activity that others were told of.
        self.shown_active_ts = array("q")
        #: The stream position of the last visible change.
        self.position = array("q")
        #: When another server last told us of this user; 0 for local users.
        self.told_ts = array("q")
        #: The wheel's slot this user waits in, 0 for none.
        self.slot = array("q")
        #: The first row in `cache.devices`, 0 for none.
        self.first_device = array("i")
        self.status_msg: list[str | None] = []
        #: Only of those who have one.
        self.profiles: dict[int, Profile] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, user_id: str) -> int | None:
        """The index of a user, None if never seen."""
        return self.index.get(user_id)

    def intern(self, user_id: str) -> int:
        """The index of a user, known from here on. The id has been checked."""
        user = self.index.get(user_id)
        if user is None:
            user = self.index[user_id] = len(self.ids)
            if user >= len(self.flags):
                self._grow()
            self.ids.append(user_id)
            self.status_msg.append(None)
            self.is_local[user] = server_of(user_id) == self.server_name
        return user

    def _grow(self) -> None:
        # In blocks: a column at a time is cheaper than a user at a time.
        for flags in (self.is_local, self.flags):
            flags += _ZEROS[:_GROWTH]
        for column in (
            self.last_active_ts,
            self.shown_active_ts,
            self.position,
            self.told_ts,
            self.slot,
        ):
            column.frombytes(_ZEROS)
        self.first_device.frombytes(_ZEROS[: 4 * _GROWTH])

    def presence(self, user: int) -> int:
        """The presence as the devices add up."""
        return self.flags[user] & PRESENCE

    def is_shown_active(self, user: int) -> bool:
        """Whether others were last told that the user is currently active."""
        return self.flags[user] & SHOWN_ACTIVE != 0

    def is_hidden(self, user: int) -> bool:
        """Whether the user is offline because they said so (B-47)."""
        return self.flags[user] & HIDDEN != 0

    def show(self, user: int, presence: int, active: bool | int) -> None:
        """Others are told this from now on."""
        told = presence | SHOWN_ACTIVE if active else presence
        self.flags[user] = self.flags[user] & ~TOLD | told

    def hide(self, user: int) -> None:
        """The user is offline because they said so."""
        self.flags[user] |= HIDDEN

    def profile(self, user: int) -> Profile:
        """The global profile as last heard (D-5, D-9)."""
        return self.profiles.get(user, NO_PROFILE)
