"""Whose data this is: the ids of users and rooms hold the server's name for ever."""

from __future__ import annotations

from matrix_presence.options import ConfigError
from matrix_presence.storage.connection import Cursor
from matrix_presence.storage.database import Database


async def claim(database: Database, server_name: str) -> None:
    """Note that this is the data of this server.

    Raises:
        ConfigError: it is that of another.
    """

    def work(cursor: Cursor) -> str:
        cursor.execute("SELECT server_name FROM identity")
        found = cursor.fetchone()
        if found is None:
            cursor.execute(
                "INSERT INTO identity (id, server_name) VALUES (1, ?)", (server_name,)
            )
            return server_name
        return str(found[0])

    owner = await database.run(work)
    if owner != server_name:
        raise ConfigError(
            f"the data there is of the server {owner!r}, not {server_name!r}: "
            f"give --server-name {owner}, or another --data"
        )
