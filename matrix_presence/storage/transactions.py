"""Transactions, as the writer thread carries them out.

Opens the connection when it is first needed, and again when it was lost. Runs only
in the writer thread; knows nothing of the reactor or of Deferreds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from matrix_presence.storage.connection import (
    CannotOpen,
    Connect,
    Connection,
    Cursor,
    InDoubt,
    Unit,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Transactions:
    """One connection and what is done with it."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        #: None before the first transaction and after a lost connection.
        self._connection: Connection | None = None

    def run(self, work: Callable[[Cursor], T]) -> T:
        """What `work` answers, after what it wrote has been committed.

        When the connection is lost before the commit, nothing was stored, and `work`
        is called once more on a new one.

        Raises:
            CannotOpen: there is no database to talk to.
            InDoubt: the connection was lost during the commit.
            Exception: whatever `work` raised; nothing of it was stored.
        """
        connection = self._opened()
        try:
            return _transaction(connection, work)
        except InDoubt:
            self._forget(connection)
            raise
        except Exception:
            if not connection.lost:
                raise
            logger.warning("The database connection was lost; opening a new one")
            self._forget(connection)
        connection = self._opened()
        try:
            return _transaction(connection, work)
        finally:
            if connection.lost:
                self._forget(connection)

    def store(self, units: Sequence[Unit]) -> list[Exception | None]:
        """Store all these units in one transaction; why each was not, if it was not.

        An empty answer is the usual one: everything is stored. Only when something
        failed does each unit get a savepoint of its own, in a second transaction.

        Raises:
            Exception: nothing at all was stored.
        """
        statements = [statement for unit in units for statement in unit]
        try:
            self.run(lambda cursor: cursor.execute_all(statements))
        except (CannotOpen, InDoubt):
            raise
        except Exception:
            if len(units) == 1:
                raise
            return self.run(partial(_store_apart, units))
        return []

    def close(self) -> None:
        """Release the connection; another `run` would open a new one."""
        if self._connection is not None:
            self._forget(self._connection)

    def _opened(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _forget(self, connection: Connection) -> None:
        self._connection = None
        connection.close()


def _transaction(connection: Connection, work: Callable[[Cursor], T]) -> T:
    try:
        connection.begin()
        result = work(connection.cursor)
    except BaseException:
        connection.rollback()
        raise
    try:
        connection.commit()
    except Exception as error:
        if connection.lost:
            raise InDoubt(
                "The connection was lost during a commit; it may or may not be stored"
            ) from error
        connection.rollback()
        raise
    return result


def _store_apart(units: Sequence[Unit], cursor: Cursor) -> list[Exception | None]:
    """Store every unit that can be stored; for each why it was not, or None."""
    failures: list[Exception | None] = []
    for unit in units:
        failure: Exception | None = None
        cursor.execute("SAVEPOINT unit")
        try:
            cursor.execute_all(unit)
        except Exception as error:
            failure = error
            try:
                cursor.execute("ROLLBACK TO SAVEPOINT unit")
            except Exception:
                # Not this statement but the whole transaction is lost: say why.
                raise failure from None
        cursor.execute("RELEASE SAVEPOINT unit")
        failures.append(failure)
    return failures
