"""What is kept of destinations over a restart, and put back when they are met again.

Rooms may be restored after presence is, so a destination may be met any time later.
Until then its row waits. One that is not met within an hour shares nothing with us any
more, and its row is deleted (it would come back to nothing).
"""

from __future__ import annotations

from collections.abc import Sequence

from pyroaring import BitMap

from matrix_presence.cache.backoff import Backoff, Failing
from matrix_presence.cache.outbox import Outbox
from matrix_presence.cache.servers import Servers
from matrix_presence.federation.admission import Admission
from matrix_presence.federation.pings import Pings
from matrix_presence.interfaces import DestinationRow

#: ms for which the row of a destination waits that is not met.
_PATIENCE = 3_600_000

_NOBODY = BitMap()


class KeptDestinations:
    """Between the rows of a store and what `Destinations` knows."""

    def __init__(
        self,
        servers: Servers,
        outbox: Outbox,
        backoff: Backoff,
        pings: Pings,
        admission: Admission,
    ) -> None:
        self._servers = servers
        self._outbox = outbox
        self._backoff = backoff
        self._pings = pings
        self._admission = admission
        #: Destinations whose row is perhaps not what the store has.
        self.changed = BitMap()
        #: By name, rows of the life before whose destinations were not met yet.
        self._waiting: dict[str, DestinationRow] = {}
        self._waiting_since = 0
        #: The names that have a row in the store, or are about to.
        self._stored: set[str] = set()
        #: Whether all that was owed at the end of the life before is in the rows.
        self._is_complete = False

    def restored(
        self, rows: Sequence[DestinationRow], now: int, *, is_complete: bool
    ) -> None:
        """These rows were in the store at the start.

        Args:
            now: epoch ms.
            is_complete: whoever is not in them was owed nothing.
        """
        self._waiting = {row.server_name: row for row in rows}
        self._waiting_since = now
        self._stored = set(self._waiting)
        self._is_complete = is_complete

    def met(self, destination: int, now: int) -> None:
        """This destination was not known before."""
        row = self._waiting.pop(self._servers.names[destination], None)
        if self._is_complete:
            if row is None or not row.owed:
                self._pings.knows(destination)
            else:
                self._pings.has_missed_something(destination, now)
        is_admitted = self._admission.meet(destination)
        if row is not None:
            self.changed.add(destination)
            if is_admitted:
                self._put_back(destination, row, now)

    def _put_back(self, destination: int, row: DestinationRow, now: int) -> None:
        if row.unwanted_until > now:
            self._admission.unwanted(destination, row.unwanted_until)
            self._pings.begin_anew(destination, row.unwanted_until)
        if row.failures:
            how = Failing(row.failures, row.failing_since, row.retry_ts)
            retry_ts = self._backoff.restore(destination, how, now)
            # Not before its ping, which is what it is told when it is back.
            when = max(retry_ts, self._pings.next_ts(destination))
            self._outbox.failed(destination, _NOBODY)
            self._pings.wheel.put(destination, when)

    def rows(self, now: int, *, is_end: bool) -> list[DestinationRow]:
        """What has become different since the last call.

        Args:
            now: epoch ms.
            is_end: whether nothing is sent from now on.
        """
        index, outbox = self._servers.index, self._outbox
        if is_end:
            known = [index[name] for name in self._stored if name in index]
            self.changed |= outbox.pending | outbox.under_way | BitMap(known)
            self.changed |= self._pings.unmet()
        rows = [self._row(destination, is_end) for destination in self.changed]
        self.changed.clear()
        if self._waiting and now - self._waiting_since >= _PATIENCE:
            rows += [DestinationRow(name) for name in self._waiting]
            self._waiting.clear()
        # Of most that have changed there is nothing to be kept, and never was.
        rows = [
            row for row in rows if not row.is_plain or row.server_name in self._stored
        ]
        for row in rows:
            if row.is_plain:
                self._stored.discard(row.server_name)
            else:
                self._stored.add(row.server_name)
        return rows

    def _row(self, destination: int, is_end: bool) -> DestinationRow:
        outbox, how = self._outbox, self._backoff.of(destination)
        owes = (
            destination in outbox.pending
            or destination in outbox.under_way
            or self._pings.owes_everybody(destination)
        )
        return DestinationRow(
            self._servers.names[destination],
            how.failures,
            how.since,
            how.retry_ts,
            # While it goes on, only those that fail are owed anything for long.
            owes and (is_end or how.failures > 0),
            self._admission.unwanted_until(destination),
        )
