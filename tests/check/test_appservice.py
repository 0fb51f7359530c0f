"""What homeservers send to an application service."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from matrix_presence.check.appservice import Transactions
from tests.base import TestCase
from tests.web.connection import Connection

EVENT = {"type": "m.presence", "sender": "@a:hs", "content": {}}


class TransactionsTests(TestCase):
    """PUT /_matrix/app/v1/transactions/{txnId}."""

    def setUp(self) -> None:
        """One that has been sent nothing."""
        self.taken: list[dict[str, Any]] = []
        self.connection = Connection(Transactions(self.taken.append), Clock())

    def put(self, body: Any) -> int:
        """The status of the answer to a transaction."""
        path = "/_matrix/app/v1/transactions/1"
        return self.connection.request("PUT", path, body).status

    def test_ephemeral_events_are_taken(self) -> None:
        """Under the stable name, and the one of before."""
        for key in ("ephemeral", "de.sorunome.msc2409.ephemeral"):
            self.assertEqual(200, self.put({"events": [], key: [EVENT]}))
        self.assertEqual([EVENT, EVENT], self.taken)

    def test_what_is_no_event_is_passed_over(self) -> None:
        """A homeserver may send anything."""
        self.assertEqual(200, self.put({"ephemeral": [5, None, "x", [], EVENT]}))
        self.assertEqual([EVENT], self.taken)

    def test_what_is_no_transaction_is_refused(self) -> None:
        """With 400, and no traceback."""
        bodies: list[Any] = [[], None, 5, {"ephemeral": 5}]
        for body in bodies:
            self.assertEqual(400, self.put(body))
        path = "/_matrix/app/v1/transactions/1"
        response = self.connection.request("PUT", path, raw=b"{")
        self.assertEqual((400, "M_BAD_JSON"), (response.status, response.errcode))
