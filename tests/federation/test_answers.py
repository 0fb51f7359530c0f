"""Bodies of answers: how much of them is read, and how the reading ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from matrix_presence.federation.answers import TooLong, read_body
from tests.base import TestCase


class Aborted(StringTransport):
    """Knows how it ended."""

    aborted = False

    def abortConnection(self) -> None:
        """At once."""
        self.aborted = True


class Proxy:
    """What Twisted's client gives a body for a transport."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer

    def loseConnection(self) -> None:
        """Politely."""
        raise AssertionError("it could wait for ever")


class ReadBodyTests(TestCase):
    """A body of at most ten bytes."""

    def setUp(self) -> None:
        """It has begun."""
        self.transport = Aborted()
        self.read: Deferred[bytes] = read_body(self, 10)  # type: ignore[arg-type]

    def deliverBody(self, protocol: Any) -> None:
        """As a response does."""
        self.body = protocol
        protocol.makeConnection(Proxy(self.transport))

    def end(self, reason: type[Exception] = ResponseDone) -> None:
        """There is no more."""
        self.body.connectionLost(Failure(reason()))

    def test_it_is_read_to_its_end(self) -> None:
        """In however many parts it comes."""
        for part in (b"12345", b"67890"):
            self.body.dataReceived(part)
        self.assertNoResult(self.read)
        self.end()
        self.assertEqual(b"1234567890", self.successResultOf(self.read))
        self.assertFalse(self.transport.aborted)

    def test_the_end_of_the_connection_may_be_its_end(self) -> None:
        """Where nobody said how long it is."""
        self.body.dataReceived(b"12345")
        self.end(PotentialDataLoss)
        self.assertEqual(b"12345", self.successResultOf(self.read))

    def test_a_body_that_breaks_off_is_none(self) -> None:
        """What is missing could change what it says."""
        self.body.dataReceived(b"12345")
        self.end(ConnectionLost)
        self.failureResultOf(self.read, ConnectionLost)

    def test_no_more_than_agreed_is_read(self) -> None:
        """The connection is closed at once, and what still comes is dropped."""
        for _ in range(3):
            self.body.dataReceived(b"12345678")
        self.failureResultOf(self.read, TooLong)
        self.assertTrue(self.transport.aborted)
        self.end(ConnectionLost)

    def test_whoever_gives_up_closes_the_connection(self) -> None:
        """A server may send a byte a minute for as long as it likes."""
        self.body.dataReceived(b"1")
        self.read.cancel()
        self.failureResultOf(self.read, CancelledError)
        self.assertTrue(self.transport.aborted)
        self.end(ConnectionLost)
