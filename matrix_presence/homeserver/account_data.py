"""What clients keep on the server for themselves, globally and for each room.

Source: client-server API, "Client Config". Push rules, tags, ignored users and the
read marker are account data too; only their meaning lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from matrix_presence.homeserver.commits import written
from matrix_presence.homeserver.listeners import Listeners, tell
from matrix_presence.homeserver.positions import Positions
from matrix_presence.homeserver.push_rules import PUSH_RULES, default_rules
from matrix_presence.ids import is_user_id
from matrix_presence.storage.connection import Cursor, Statement
from matrix_presence.storage.database import Database

IGNORED_USERS = "m.ignored_user_list"
TAGS = "m.tag"
#: The key of what belongs to no room.
_GLOBAL = ""

Content = dict[str, Any]
Event = dict[str, Any]


@attrs.define(eq=False)
class _Kept:
    """All account data of one user."""

    #: Content and position by room id (or `_GLOBAL`) and type.
    rooms: dict[str, dict[str, tuple[Content, int]]] = attrs.Factory(dict)
    #: The newest position in it.
    newest: int = 0
    ignored: frozenset[str] = frozenset()

    def put(self, room_id: str, type_: str, content: Content, position: int) -> None:
        self.rooms.setdefault(room_id, {})[type_] = (content, position)
        self.newest = max(self.newest, position)
        if room_id == _GLOBAL and type_ == IGNORED_USERS:
            self.ignored = _ignored_in(content)


class AccountData:
    """The account data of all local users."""

    def __init__(
        self, database: Database, positions: Positions, listeners: Listeners
    ) -> None:
        self._database = database
        self._positions = positions
        self._listeners = listeners
        self._users: dict[str, _Kept] = {}

    def read(self, cursor: Cursor) -> None:
        """Take over what is stored."""
        cursor.execute(
            "SELECT user_id, room_id, type, content, position FROM account_data"
        )
        for user_id, room_id, type_, content, position in cursor.fetchall():
            kept = self._users.setdefault(user_id, _Kept())
            kept.put(room_id, type_, orjson.loads(content), position)
            self._positions.seen(position)

    def get(self, user_id: str, type_: str, room_id: str = _GLOBAL) -> Content | None:
        """The content of this type; None where there never was one."""
        kept = self._users.get(user_id, _NOTHING)
        entry = kept.rooms.get(room_id, {}).get(type_)
        return entry[0] if entry else None

    def ignored(self, user_id: str) -> frozenset[str]:
        """The users whom this user ignores."""
        return self._users.get(user_id, _NOTHING).ignored

    def all_ignored(self) -> Mapping[str, frozenset[str]]:
        """Whom each user ignores who ignores somebody."""
        return {
            user_id: kept.ignored
            for user_id, kept in self._users.items()
            if kept.ignored
        }

    async def put(
        self, user_id: str, type_: str, content: Content, room_id: str = _GLOBAL
    ) -> None:
        """Keep this content in place of what there was.

        Raises:
            NotStored: it could not be written down.
        """
        kept = self._users.setdefault(user_id, _Kept())
        ignored = kept.ignored
        position = self._positions.next()
        kept.put(room_id, type_, content, position)
        if kept.ignored != ignored:
            tell(self._listeners.ignores, user_id, kept.ignored)
        tell(self._listeners.something_for, user_id)
        row = (user_id, room_id, type_, orjson.dumps(content).decode(), position)
        await written(self._database, (_STORE, row))

    def since(
        self, user_id: str, since: int | None
    ) -> tuple[list[Event], dict[str, list[Event]]]:
        """The account data after this position, global and by room.

        Args:
            since: None for all of it; the default push rules are part of that.
        """
        kept = self._users.get(user_id, _NOTHING)
        if since is not None and kept.newest <= since:
            return [], {}
        everywhere = {
            room_id: events
            for room_id, entries in kept.rooms.items()
            if (events := _events_after(entries, since or 0))
        }
        globally = everywhere.pop(_GLOBAL, [])
        if since is None and not any(one["type"] == PUSH_RULES for one in globally):
            rules = {"global": default_rules(user_id)}
            globally.append({"type": PUSH_RULES, "content": rules})
        return globally, everywhere

    def forget(self, user_id: str) -> Statement:
        """Drop everything of this user; answers the statement that does it on disk."""
        kept = self._users.pop(user_id, None)
        if kept and kept.ignored:
            tell(self._listeners.ignores, user_id, frozenset())
        return "DELETE FROM account_data WHERE user_id = ?", (user_id,)


_NOTHING = _Kept()

_STORE = """
INSERT INTO account_data (user_id, room_id, type, content, position)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (user_id, room_id, type) DO UPDATE SET
    content = excluded.content, position = excluded.position
"""


def _events_after(
    entries: Mapping[str, tuple[Content, int]], since: int
) -> list[Event]:
    return [
        {"type": type_, "content": content}
        for type_, (content, position) in entries.items()
        if position > since
    ]


def _ignored_in(content: Content) -> frozenset[str]:
    """The users in an `m.ignored_user_list`; what else is in it counts for nothing."""
    users = content.get("ignored_users")
    if not isinstance(users, dict):
        return frozenset()
    return frozenset(user_id for user_id in users if is_user_id(user_id))
