"""Where the DNS says that a server is (steps 3.3, 3.4, 4 and 5 of its resolution)."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.interfaces import IResolver
from twisted.names.dns import SRV, Record_SRV
from twisted.names.error import DomainError

logger = logging.getLogger(__name__)

#: Seconds until a query is sent again, and then given up.
_TIME_OUTS = (2, 5)
#: The names of the service, the one that counts first.
_SERVICES = ("_matrix-fed._tcp", "_matrix._tcp")
#: Places that are tried.
_MOST = 8

Place = tuple[str, int]
"""A host or an IP address, and a port."""


@attrs.frozen
class ServiceRecords:
    """Asks a resolver of `twisted.names`.

    Args:
        chance: a number from 0 up to 1, another each time.
    """

    resolver: IResolver
    chance: Callable[[], float] = random.random

    async def places(self, host: str) -> tuple[Place, ...]:
        """Where the service of this host is, in the order in which to try; or empty."""
        for service in _SERVICES:
            places = await self._places(f"{service}.{host}")
            if places:
                return places
        return ()

    async def _places(self, name: str) -> tuple[Place, ...]:
        try:
            # Twisted types each of the three lists as one record.
            found: Any = await self.resolver.lookupService(name, _TIME_OUTS)
        except DomainError:
            return ()
        except Exception as reason:
            # No answer is not the answer that there is nothing, but all we have.
            logger.debug("No answer for %s: %s", name, reason)
            return ()
        records = [answer.payload for answer in found[0] if answer.type == SRV]
        return tuple(
            (_text(record), record.port)
            for record in sorted(records, key=self._rank)[:_MOST]
            # A lone dot says that there is no such service.
            if _text(record) and record.port
        )

    def _rank(self, record: Record_SRV) -> tuple[int, float]:
        """By priority, and by chance in proportion to the weight (RFC 2782)."""
        # The largest of these powers is each record's with the chance of its weight.
        weight = max(record.weight, 0.01)
        return record.priority, -(self.chance() ** (1 / weight))


def _text(record: Record_SRV) -> str:
    return bytes(record.target.name).decode("ascii", "replace").rstrip(".")
