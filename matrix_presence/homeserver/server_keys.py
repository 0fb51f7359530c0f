"""The keys of other servers, in the database."""

from __future__ import annotations

import json
from typing import Any

import attrs

from matrix_presence.storage.connection import Cursor
from matrix_presence.storage.database import Database

#: ms after which a document is deleted that was not fetched again. By then it is long
#: over, and good only for checking what its server signed before that.
_KEPT = 90 * 24 * 3_600_000
#: ms between two looks for such documents.
_DAY = 24 * 3_600_000


@attrs.define
class StoredKeys:
    """What a `KeyRing` fetched, for after a restart."""

    database: Database
    #: When it was last looked for what is old, epoch ms.
    _pruned_ts: int = attrs.field(init=False, default=0)

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
        if fetched_ts - self._pruned_ts >= _DAY:
            self._pruned_ts = fetched_ts
            await self.database.write(
                "DELETE FROM server_keys WHERE fetched_ts < ?", (fetched_ts - _KEPT,)
            )
