"""Writing down what has changed in memory, before the client is told.

Memory is what the homeserver works with; the database is where it comes from at the
next start. Every answer of 200 waits here for its commit.
"""

from __future__ import annotations

import logging

from twisted.internet.defer import CancelledError

from matrix_presence.errors import NotStored
from matrix_presence.storage.connection import Statement
from matrix_presence.storage.database import Database

logger = logging.getLogger(__name__)


async def written(database: Database, *statements: Statement) -> None:
    """Wait until these are committed, all or none.

    A client that leaves meanwhile cancels the wait, not the write.

    Raises:
        NotStored: they were not.
    """
    if not statements:
        return
    try:
        await database.write_many(statements)
    except CancelledError:
        raise
    except Exception as reason:
        logger.exception("A change of an account could not be stored")
        raise NotStored("The change could not be stored") from reason
