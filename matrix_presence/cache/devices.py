"""The devices of everybody, one row each.

The rows of one user are chained from `Users.first_device`: nearly everybody has one or
two, so walking the chain beats a dictionary in time and by far in memory. Rows of
forgotten devices are used again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from matrix_presence.cache.users import Users
from matrix_presence.rules.devices import Device, device_of
from matrix_presence.rules.states import ONLINE, Presence

_ZEROS = bytes(8 * 4 * 1024)
#: The row of nobody: what is found for a device that is not known, and the end of each
#: chain. It can be read like any other, and says of itself nothing at all.
NO_ROW = 0

# What is where in a row: the state comes first.
LAST_ACTIVE, LAST_SEEN, _NEXT = 1, 2, 3
#: How many facts a row has.
FACTS = 4

# What is in the state, from the lowest bit: nearly every sync and message asks for all
# of it.
_PRESENCE = 0b111
_AVAILABLE, _AVAILABLE_AT = 0b111, 3
_HOLD, _HOLD_AT = 0b11, 6
#: The presence where no hold sets it apart.
STATED = _HOLD << _HOLD_AT | _PRESENCE
#: A sync that states nothing, or online, would change nothing: worked out when the row
#: is written, so that a sync has one bit to look at.
GOES_ON = 1 << 8
#: A pro-active event would change nothing but the time of the last, if its user is
#: shown as active. Not if it is free for chat: the user may be so by another device
#: that is merely online, and this one idle.
STAYS = 1 << 9
#: The device is not the user's any more; open syncs still hold on to the row.
FORGOTTEN = 1 << 10
#: It is seen to that the user comes up in the wheel before a time-out that begins now
#: could end. With no sync open and without this a state is less than it: one comparison
#: tells.
COMES_UP = 1 << 11
_SYNCING_AT = 12
#: One open sync. All that is above counts them: with one, a state is not less.
A_SYNC = 1 << _SYNCING_AT

#: By presence: what follows from it for a device that no hold sets apart.
_FOLLOWS = tuple(
    (GOES_ON if presence >= ONLINE else 0) | (STAYS if presence == ONLINE else 0)
    for presence in Presence
)
#: In the place of an id where there is no device. Not an id: "" is one (A-30).
_NOBODYS = "\0"


class Devices:
    """The rows; `rules.devices.Device` says what each fact means."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self.ids: list[str] = [_NOBODYS]
        #: All facts of a row side by side, in one line of the processor's cache. The
        #: number of a row is that of its first fact, which is its state.
        self.facts = array("q", [_HOLD << _HOLD_AT, 0, 0, NO_ROW])
        self._free = NO_ROW
        self.count = 0

    def find(self, user: int, device_id: str) -> int:
        """The row of a device of this user, `NO_ROW` if unknown.

        The row keeps the very string it was asked for last: those who come again with
        it need not compare.
        """
        ids, facts = self.ids, self.facts
        row = self._users.first_device[user]
        while row:
            if ids[row // FACTS] == device_id:
                ids[row // FACTS] = device_id
                return row
            row = facts[row + _NEXT]
        return NO_ROW

    def id_of(self, row: int) -> str:
        """The id of the device in this row."""
        return self.ids[row // FACTS]

    def rows(self, user: int) -> Iterator[int]:
        """The rows of this user; the row just yielded may be forgotten."""
        row = self._users.first_device[user]
        while row:
            following = self.facts[row + _NEXT]
            yield row
            row = following

    def of(self, user: int) -> list[Device]:
        """The devices of this user."""
        found = []
        row = self._users.first_device[user]
        while row:
            found.append(self.read(row))
            row = self.facts[row + _NEXT]
        return found

    def read(self, row: int) -> Device:
        """The device in this row."""
        state, last_active_ts, last_seen_ts, _ = self.facts[row : row + FACTS]
        return device_of(
            (
                state & _PRESENCE,
                state >> _HOLD_AT & _HOLD,
                state >> _AVAILABLE_AT & _AVAILABLE,
                last_active_ts,
                last_seen_ts,
                state >> _SYNCING_AT,
            )
        )

    def write(self, row: int, device: Device) -> None:
        """Put the device into this row."""
        presence, hold, available, last_active_ts, last_seen_ts, syncing = device
        facts = self.facts
        facts[row] = (
            syncing << _SYNCING_AT
            | (0 if hold else _FOLLOWS[presence])
            | hold << _HOLD_AT
            | available << _AVAILABLE_AT
            | presence
        )
        facts[row + LAST_ACTIVE] = last_active_ts
        facts[row + LAST_SEEN] = last_seen_ts

    def is_only(self, user: int, row: int) -> bool:
        """Whether the device in this row is all that the user has."""
        return (
            self._users.first_device[user] == row and self.facts[row + _NEXT] == NO_ROW
        )

    def only(self, user: int) -> Device | None:
        """The only device of this user, None if there are more, or none."""
        row = self._users.first_device[user]
        return None if not row or self.facts[row + _NEXT] else self.read(row)

    def came_up(self, user: int) -> None:
        """The wheel has brought the user up: it may not do so again by itself."""
        row = self._users.first_device[user]
        while row:
            self.facts[row] &= ~COMES_UP
            row = self.facts[row + _NEXT]

    def syncs_ended(self, user: int) -> int:
        """Some time ago, syncs of this user have ended: see which devices have left.

        One with a sync open has not, and when that ends it has to be seen to anew that
        the user comes up.

        Returns:
            When the first of those that have left was seen last, epoch ms; 0 for none.
        """
        facts, found = self.facts, 0
        row = self._users.first_device[user]
        while row:
            state = facts[row]
            if state >= A_SYNC:
                facts[row] = state & ~COMES_UP
            elif state & COMES_UP or not state & _HOLD << _HOLD_AT:
                seen = facts[row + LAST_SEEN]
                found = min(found, seen) if found else seen
            row = facts[row + _NEXT]
        return found

    def add(self, user: int, device_id: str, device: Device) -> int:
        """A new row for a device this user did not have."""
        row = self._free
        if row:
            self._free = self.facts[row + _NEXT]
            self.ids[row // FACTS] = device_id
        else:
            row = len(self.ids) * FACTS
            if row >= len(self.facts):
                self.facts.frombytes(_ZEROS)
            self.ids.append(device_id)
        self.write(row, device)
        first = self._users.first_device
        self.facts[row + _NEXT] = first[user]
        first[user] = row
        self.count += 1
        return row

    def forget(self, user: int, row: int) -> None:
        """The device is no more. Its row is free once no sync holds on to it."""
        first, facts = self._users.first_device, self.facts
        following = facts[row + _NEXT]
        if first[user] == row:
            first[user] = following
        else:
            before = first[user]
            while facts[before + _NEXT] != row:
                before = facts[before + _NEXT]
            facts[before + _NEXT] = following
        self.ids[row // FACTS] = _NOBODYS
        self.count -= 1
        if facts[row] >= A_SYNC:
            facts[row] = facts[row] & -A_SYNC | FORGOTTEN
        else:
            self.free(row)

    def free(self, row: int) -> None:
        """A row that nobody holds on to may be another device's."""
        self.facts[row] = 0
        self.facts[row + _NEXT] = self._free
        self._free = row
