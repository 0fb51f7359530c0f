"""What the server keeps for its users and hands out by /sync.

Account data, to-device messages and changes of devices have positions in one stream,
so that a since token needs one number for them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from matrix_presence.homeserver.account_data import AccountData
from matrix_presence.homeserver.device_keys import DeviceKeys
from matrix_presence.homeserver.filters import Filters
from matrix_presence.homeserver.inbox import Inbox
from matrix_presence.homeserver.listeners import Listeners
from matrix_presence.homeserver.positions import Positions
from matrix_presence.homeserver.push_rules import PUSH_RULES, RuleSet, default_rules
from matrix_presence.storage.connection import Cursor
from matrix_presence.storage.database import Database

Event = dict[str, Any]


class AccountStreams:
    """The streams of all local users."""

    def __init__(self, database: Database, clock: IReactorTime) -> None:
        self.listeners = Listeners()
        self._positions = Positions(clock)
        streamed = (database, self._positions, self.listeners)
        self.data = AccountData(*streamed)
        self.inbox = Inbox(*streamed)
        self.keys = DeviceKeys(*streamed)
        self.filters = Filters(database)

    def read_streams(self, cursor: Cursor) -> None:
        """Take over what is stored."""
        for part in (self.data, self.inbox, self.keys, self.filters):
            part.read(cursor)

    @property
    def position(self) -> int:
        """The newest position of account data, to-device messages and device lists."""
        return self._positions.current

    def sync_account_data(
        self, user_id: str, since: int | None
    ) -> tuple[list[Event], dict[str, list[Event]]]:
        """See `AccountData.since`."""
        return self.data.since(user_id, since)

    def to_device(
        self, user_id: str, device_id: str | None, since: int | None
    ) -> tuple[list[Event], int]:
        """See `Inbox.after`; a requester without a device has no inbox."""
        if device_id is None:
            return [], self.position
        return self.inbox.after(user_id, device_id, since or 0)

    def otk_counts(self, user_id: str, device_id: str) -> dict[str, int]:
        """How many one-time keys this device has left, by algorithm."""
        return self.keys.counts(user_id, device_id)

    def unused_fallback_types(self, user_id: str, device_id: str) -> list[str]:
        """The algorithms for which this device has an unused fallback key."""
        return self.keys.unused_fallbacks(user_id, device_id)

    def device_lists_changed(self, since: int, user_ids: Iterable[str]) -> list[str]:
        """Those of these users whose devices changed after this position."""
        return self.keys.changed_since(since, user_ids)

    def filter(self, user_id: str, filter_id: str) -> dict[str, Any] | None:
        """The /sync filter that this user stored under this id."""
        return self.filters.get(user_id, filter_id)

    def ignored(self, user_id: str) -> frozenset[str]:
        """The users whom this one ignores."""
        return self.data.ignored(user_id)

    def room_account_data(
        self, user_id: str, room_id: str, type_: str
    ) -> dict[str, Any] | None:
        """The account data of this type for this room."""
        return self.data.get(user_id, type_, room_id)

    async def set_room_account_data(
        self, user_id: str, room_id: str, type_: str, content: dict[str, Any]
    ) -> None:
        """Keep this account data for this room."""
        await self.data.put(user_id, type_, content, room_id)

    def push_rules(self, user_id: str) -> RuleSet:
        """The push rules of this user."""
        content = self.data.get(user_id, PUSH_RULES)
        return content["global"] if content else default_rules(user_id)
