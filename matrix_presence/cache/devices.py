"""The devices of everybody, one row each, in columns.

The rows of one user are chained from `Users.first_device`: nearly everybody has one or
two, so walking the chain beats a dictionary in time and by far in memory. Rows of
forgotten devices are used again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from matrix_presence.cache.users import Users
from matrix_presence.rules.devices import Device

_GROWTH = 1024
NO_ROW = -1


class Devices:
    """The columns; `rules.devices.Device` says what each means."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self.ids: list[str] = []
        self.presence = bytearray()
        self.hold = bytearray()
        self.available = bytearray()
        self.last_active_ts = array("q")
        self.last_seen_ts = array("q")
        self.syncing = array("i")
        self.next = array("i")
        #: Tells one use of a row from the next: what holds on to a row keeps it too.
        self.serial = array("I")
        self._free = NO_ROW
        self.count = 0

    def find(self, user: int, device_id: str) -> int:
        """The row of a device of this user, `NO_ROW` if unknown."""
        ids, next_row = self.ids, self.next
        row = self._users.first_device[user]
        while row >= 0 and ids[row] != device_id:
            row = next_row[row]
        return row

    def rows(self, user: int) -> Iterator[int]:
        """The rows of this user; the row just yielded may be forgotten."""
        row = self._users.first_device[user]
        while row >= 0:
            following = self.next[row]
            yield row
            row = following

    def of(self, user: int) -> list[Device]:
        """The devices of this user."""
        found = []
        row = self._users.first_device[user]
        while row >= 0:
            found.append(self.read(row))
            row = self.next[row]
        return found

    def read(self, row: int) -> Device:
        """The device in this row."""
        return Device(
            self.presence[row],
            self.hold[row],
            self.available[row],
            self.last_active_ts[row],
            self.last_seen_ts[row],
            self.syncing[row],
        )

    def write(self, row: int, device: Device) -> None:
        """Put the device into this row."""
        (
            self.presence[row],
            self.hold[row],
            self.available[row],
            self.last_active_ts[row],
            self.last_seen_ts[row],
            self.syncing[row],
        ) = device

    def add(self, user: int, device_id: str, device: Device) -> int:
        """A new row for a device this user did not have."""
        row = self._free
        if row >= 0:
            self._free = self.next[row]
            self.ids[row] = device_id
        else:
            row = len(self.ids)
            if row >= len(self.presence):
                self._grow()
            self.ids.append(device_id)
        self.write(row, device)
        first = self._users.first_device
        self.next[row] = first[user]
        first[user] = row
        self.count += 1
        return row

    def forget(self, user: int, row: int) -> None:
        """Free the row of a device of this user."""
        first = self._users.first_device
        if first[user] == row:
            first[user] = self.next[row]
        else:
            before = first[user]
            while self.next[before] != row:
                before = self.next[before]
            self.next[before] = self.next[row]
        self.ids[row] = ""
        self.serial[row] = (self.serial[row] + 1) & 0xFFFFFFFF
        self.next[row] = self._free
        self._free = row
        self.count -= 1

    def _grow(self) -> None:
        for flags in (self.presence, self.hold, self.available):
            flags += bytes(_GROWTH)
        for times in (self.last_active_ts, self.last_seen_ts):
            times.frombytes(bytes(8 * _GROWTH))
        for links in (self.syncing, self.next, self.serial):
            links.frombytes(bytes(4 * _GROWTH))
