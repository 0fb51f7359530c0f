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

_GROWTH = 1024
_ZEROS = bytes(8 * _GROWTH)


class Users:
    """The columns. Times are epoch milliseconds, 0 where nothing is known."""

    def __init__(self, server_name: str) -> None:
        self.server_name = server_name
        self.index: dict[str, int] = {}
        self.ids: list[str] = []
        #: Whether the user is one of this server's.
        self.is_local = bytearray()
        #: The presence as the devices add up, a `rules.states.Presence`.
        self.presence = bytearray()
        #: Whether others were last told that the user is currently active.
        self.shown_active = bytearray()
        #: Whether the user is offline because they said so (B-47).
        self.hidden = bytearray()
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
        #: The first row in `cache.devices`, -1 for none.
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
            if user >= len(self.presence):
                self._grow()
            self.ids.append(user_id)
            self.status_msg.append(None)
            self.is_local[user] = server_of(user_id) == self.server_name
        return user

    def _grow(self) -> None:
        # In blocks: a column at a time is cheaper than a user at a time.
        for flags in (self.is_local, self.presence, self.shown_active, self.hidden):
            flags += _ZEROS[:_GROWTH]
        for column in (
            self.last_active_ts,
            self.shown_active_ts,
            self.position,
            self.told_ts,
            self.slot,
        ):
            column.frombytes(_ZEROS)
        self.first_device.extend([-1] * _GROWTH)

    def profile(self, user: int) -> Profile:
        """The global profile as last heard (D-5, D-9)."""
        return self.profiles.get(user, NO_PROFILE)
