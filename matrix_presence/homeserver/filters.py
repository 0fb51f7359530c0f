"""The /sync filters that clients have stored, by number."""

from __future__ import annotations

from typing import Any

import orjson

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.commits import written
from matrix_presence.storage.connection import Cursor, Statement
from matrix_presence.storage.database import Database

Filter = dict[str, Any]


class Filters:
    """Each user's filters; the same filter is stored once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: The definitions by user, as canonical text, in the order of their numbers.
        self._users: dict[str, list[bytes]] = {}

    def read(self, cursor: Cursor) -> None:
        """Take over what is stored."""
        cursor.execute("SELECT user_id, filter_id, definition FROM account_filters")
        for user_id, _, definition in sorted(
            cursor.fetchall(), key=lambda row: int(row[1])
        ):
            self._users.setdefault(user_id, []).append(definition.encode())

    def get(self, user_id: str, filter_id: str) -> Filter | None:
        """The filter of this number; None when there is none."""
        filters = self._users.get(user_id, [])
        if not (filter_id.isascii() and filter_id.isdigit()):
            return None
        if len(filter_id) > 9 or int(filter_id) >= len(filters):
            return None
        definition: Filter = orjson.loads(filters[int(filter_id)])
        return definition

    async def add(self, user_id: str, definition: Filter) -> str:
        """The number of this filter, stored if it is new.

        Raises:
            Forbidden: the user has more filters than any client needs.
            NotStored: it could not be written down.
        """
        text = orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)
        filters = self._users.setdefault(user_id, [])
        if text in filters:
            return str(filters.index(text))
        if len(filters) >= _MOST:
            raise Forbidden("You have stored too many filters")
        filters.append(text)
        filter_id = str(len(filters) - 1)
        await written(self._database, (_STORE, (user_id, filter_id, text.decode())))
        return filter_id

    def forget(self, user_id: str) -> Statement:
        """Drop all of this user's; answers the statement that does it on disk."""
        self._users.pop(user_id, None)
        return "DELETE FROM account_filters WHERE user_id = ?", (user_id,)


#: Different filters of one user; they are never deleted.
_MOST = 1000

_STORE = """
INSERT INTO account_filters (user_id, filter_id, definition) VALUES (?, ?, ?)
"""
