"""The keys of other servers, in the database."""

from __future__ import annotations

import json
from typing import Any

import attrs

from matrix_presence.storage.connection import Cursor
from matrix_presence.storage.database import Database


@attrs.frozen
class StoredKeys:
    """What a `KeyRing` fetched, for after a restart."""

    database: Database

    async def load(self, server_name: str) -> tuple[object, int] | None:
        """The document of this server, and when it was fetched (epoch ms)."""

        def select(txn: Cursor) -> Any:
            txn.execute(
                "SELECT document, fetched_ts FROM server_keys WHERE server_name = ?",
                (server_name,),
            )
            return txn.fetchone()

        row = await self.database.run(select)
        return None if row is None else (json.loads(row[0]), row[1])

    async def save(
        self, server_name: str, document: dict[str, Any], fetched_ts: int
    ) -> None:
        """Keep this document in place of the one before."""
        await self.database.write(
            "INSERT INTO server_keys (server_name, document, fetched_ts) "
            "VALUES (?, ?, ?) ON CONFLICT (server_name) DO UPDATE SET "
            "document = excluded.document, fetched_ts = excluded.fetched_ts",
            (server_name, json.dumps(document), fetched_ts),
        )
