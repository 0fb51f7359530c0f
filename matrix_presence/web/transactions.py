"""`PUT /_matrix/federation/v1/send/{txnId}`: what other servers bring.

However often the same transaction comes, it is taken once and answered the same.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from matrix_presence.cache.sharing import Sharing
from matrix_presence.errors import BadJson
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.encoding import encoded
from matrix_presence.web.routes import Router
from matrix_presence.web.signed import SignedRequests

logger = logging.getLogger(__name__)

#: What one transaction may bring (C-40).
MOST_PDUS = 50
MOST_EDUS = 100
#: Origins of which answers are remembered, and how many of each. An origin waits for
#: an answer before it sends the next one (C-42).
_ORIGINS = 5000
_ANSWERS = 4

EduReceived = Callable[[str, object, int | None], None]
"""Takes the origin, the EDU, and when it was sent (epoch ms)."""

PdusReceived = Callable[[str, list[Any]], Awaitable[dict[str, dict[str, Any]]]]
"""Takes the origin and its PDUs; by event id `{}`, or `{"error"}` (C-41)."""


class TransactionEndpoint:
    """Takes transactions apart."""

    def __init__(
        self,
        signed: SignedRequests,
        edu_received: EduReceived,
        pdus_received: PdusReceived,
    ) -> None:
        self._signed = signed
        self._edu_received = edu_received
        self._pdus_received = pdus_received
        self._under_way: Sharing[tuple[str, str], bytes] = Sharing()
        #: By origin, those heard of last at the end: its last answers by id.
        self._answers: OrderedDict[str, OrderedDict[str, bytes]] = OrderedDict()

    def add_to(self, router: Router) -> None:
        """Serve it; some old servers put a slash after the id (C-44)."""
        for path in ("send/{txn_id}", "send/{txn_id}/"):
            router.add("PUT", f"_matrix/federation/v1/{path}", self.send)

    async def send(self, call: Call) -> Answer:
        """What became of each PDU (C-41)."""
        origin, content = await self._signed.read(call)
        txn_id = call.params["txn_id"]
        answers = self._answers.get(origin)
        answer = answers.get(txn_id) if answers else None
        if answer is None:
            answer = await self._under_way.share(
                (origin, txn_id), lambda: self._take(origin, txn_id, content)
            )
        return answer

    async def _take(self, origin: str, txn_id: str, content: dict[str, Any]) -> bytes:
        pdus = _list(content, "pdus", MOST_PDUS)
        # Servers of old do without, although they should not.
        edus = _list({"edus": []} | content, "edus", MOST_EDUS)
        sent_ts = content.get("origin_server_ts")
        results = await self._pdus_received(origin, pdus) if pdus else {}
        # After the PDUs: one of them may bring in the room that makes an EDU matter.
        for edu in edus:
            try:
                self._edu_received(
                    origin, edu, sent_ts if type(sent_ts) is int else None
                )
            except Exception:  # No EDU fails a transaction (C-4).
                logger.exception("An EDU could not be taken")
        answer = encoded({"pdus": results})
        self._remember(origin, txn_id, answer)
        return answer

    def _remember(self, origin: str, txn_id: str, answer: bytes) -> None:
        answers = self._answers.setdefault(origin, OrderedDict())
        answers[txn_id] = answer
        if len(answers) > _ANSWERS:
            answers.popitem(last=False)
        self._answers.move_to_end(origin)
        if len(self._answers) > _ORIGINS:
            self._answers.popitem(last=False)


def _list(content: dict[str, Any], key: str, most: int) -> list[Any]:
    """A list of the transaction.

    Raises:
        BadJson: it is no list, or longer than it may be (C-43).
    """
    found = content.get(key)
    if not isinstance(found, list):
        raise BadJson(f"{key} must be a list")
    if len(found) > most:
        raise BadJson(f"A transaction has at most {most} {key}")
    return found
