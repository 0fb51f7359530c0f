"""Puts EDUs and PDUs into transactions (C-40, C-42)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from matrix_presence.cache.turns import Turns
from matrix_presence.federation.client import AnswerLost, FederationClient
from matrix_presence.federation.edu_types import EduTypes
from matrix_presence.interfaces import IFederation, PresenceUnwanted
from matrix_presence.wire.canonical import canonical
from matrix_presence.wire.edu import EDU_TYPE, Edus

#: Seconds until a transaction is sent again whose answer was lost: most often the
#: server has closed a connection on which nothing had happened for long.
_PAUSE = 0.5
_NOTHING = b"[]"


@implementer(IFederation)
class FederationLink:
    """Reaches other servers over HTTP.

    Whoever sends, a server has one transaction at a time: the next one goes out when
    the one before is answered or given up (C-42).

    Args:
        edu_types: whether they want presence; None to send it without asking.
    """

    def __init__(
        self,
        client: FederationClient,
        clock: IReactorTime,
        edu_types: EduTypes | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._edu_types = edu_types
        self._origin = canonical(client.own.server_name)
        # Transactions of the life before had other ids (C-43).
        self._began = int(clock.seconds() * 1000)
        self._numbers = itertools.count()
        self._turns: Turns[str] = Turns()
        #: Told the name of a server that has taken a transaction: it lives.
        self.answered: Callable[[str], None] = lambda name: None

    def send(self, destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
        """Send one transaction with these EDUs."""
        return Deferred.fromCoroutine(self._send_edus(destination, edus))

    async def send_pdus(self, destination: str, pdus: bytes) -> dict[str, Any]:
        """Send one transaction with these PDUs, canonical JSON of a list.

        Returns:
            What became of each, by event id (C-41).

        Raises:
            FederationError: nothing is known to have arrived.
        """
        answer = await self._send(destination, _NOTHING, pdus)
        results = answer.get("pdus")
        return results if isinstance(results, dict) else {}

    async def _send_edus(
        self, destination: str, edus: Sequence[dict[str, Any]]
    ) -> None:
        edu_types = self._edu_types
        if edu_types is not None and not edu_types.is_sure(destination):
            if any(edu["edu_type"] == EDU_TYPE for edu in edus):
                until = await edu_types.unwanted_until(destination)
                if until:
                    raise PresenceUnwanted(until)
        # Most transactions of a moment have the same EDUs, which are encoded already.
        said = edus.canonical if isinstance(edus, Edus) else canonical(list(edus))
        await self._send(destination, said, _NOTHING)

    async def _send(self, destination: str, edus: bytes, pdus: bytes) -> dict[str, Any]:
        async with self._turns.turn(destination):
            sent_ts = int(self._clock.seconds() * 1000)
            content = b'{"edus":%b,"origin":%b,"origin_server_ts":%d,"pdus":%b}' % (
                edus,
                self._origin,
                sent_ts,
                pdus,
            )
            txn_id = f"{self._began}-{next(self._numbers)}"
            path = f"/_matrix/federation/v1/send/{txn_id}"
            try:
                answer = await self._client.put(destination, path, content)
            except AnswerLost:
                # The same id: a server that has got it already does nothing (C-42).
                await deferLater(self._clock, _PAUSE)
                answer = await self._client.put(destination, path, content)
        self.answered(destination)
        return answer
