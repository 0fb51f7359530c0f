"""What the tests of federation share: a server whose transactions are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from matrix_presence.interfaces import IFederation, Requester
from matrix_presence.testing import MemoryFederation, MemoryPresence
from tests.base import TestCase

ALICE, BOB, REMOTE = "@alice:hs", "@bob:hs", "@remote:there"
ROOM = "!room:hs"

#: Nobody is ever refused a status, nobody idles, and times come in round numbers.
PLAIN: dict[str, Any] = {
    "rc_presence": {"per_user": {"per_second": 1e6, "burst_count": 1_000_000}},
    "idle_timeout": 0,
    "sync_online_timeout": "59m",
    "last_active_granularity": "1d",
}


def advance(clock: Clock, seconds: float, step: float = 0.5) -> None:
    """Let time pass in steps short enough for every timer to be in time."""
    until = clock.seconds() + seconds
    while until - clock.seconds() > 1e-6:
        clock.advance(min(step, until - clock.seconds()))


@implementer(IFederation)
class HeldFederation:
    """Answers when the test says so."""

    def __init__(self) -> None:
        #: By destination: what has not been answered.
        self.open: dict[str, Deferred[None]] = {}
        self.sent: list[str] = []

    def send(self, destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
        """Not answered yet."""
        assert destination not in self.open, "a second transaction is under way"
        self.sent.append(destination)
        done = self.open[destination] = Deferred()
        return done

    def answer(self, destination: str) -> None:
        """The transaction to this destination has arrived."""
        self.open.pop(destination).callback(None)

    def fail(self, destination: str) -> None:
        """It has not."""
        self.open.pop(destination).errback(ConnectionError("no route"))


@implementer(IFederation)
@attrs.frozen
class Link:
    """Does with each transaction what the test says."""

    send: Callable[[str, Sequence[dict[str, Any]]], Deferred[None]]


class FederationTestCase(TestCase):
    """A server, and what it sends."""

    #: The configuration of the server.
    options: dict[str, Any] = {}  # noqa: RUF012  # replaced by subclasses, not changed

    def setUp(self) -> None:
        """Start it."""
        self.federation = MemoryFederation()
        self.syncs: list[Any] = []
        self.server = self.start()

    def start(self, federation: Any = None, **options: Any) -> MemoryPresence:
        """A server with these options, and the link of this test if none is given."""
        link = federation or self.federation
        return MemoryPresence(federation=link, **(PLAIN | self.options | options))

    def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Let so much time pass."""
        advance(self.server.clock, seconds, step)

    def put(self, presence: str, status: str | None = None, user: str = ALICE) -> None:
        """Set a status, and let it be shown."""
        self.successResultOf(self.server.set_status(user, presence, status))
        self.pass_time(0.1)

    def taken(self) -> list[tuple[str, dict[str, dict[str, Any]]]]:
        """Destination and entries by user of what was sent since the last call."""
        sent, self.federation.sent = self.federation.sent, []
        return [
            (
                destination,
                {said["user_id"]: said for said in pushed(edus)},
            )
            for destination, edus in sent
        ]

    def told(self) -> dict[str, dict[str, str]]:
        """By destination: by user the last state that was sent since the last call."""
        states: dict[str, dict[str, str]] = {}
        for destination, entries in self.taken():
            for user_id, said in entries.items():
                states.setdefault(destination, {})[user_id] = said["presence"]
        return states

    def receive(self, *entries: Any, origin: str = "there", **more: Any) -> None:
        """A push of this origin arrives."""
        self.server.service.receiver.edu_received(origin, edu(*entries), **more)

    def seen(self, user_id: str = REMOTE, viewer: str = ALICE) -> dict[str, Any]:
        """What a GET of the status answers."""
        status = self.server.view.status(viewer, user_id)
        assert status is not None
        return status

    def connect(self, user_id: str = ALICE) -> None:
        """A sync of this user that does not end."""
        sync = self.server.sync.connected(Requester(user_id, "DEVICE"), None)
        sync.__enter__()
        # It would end when nobody holds it.
        self.syncs.append(sync)


def edu(*entries: Any) -> dict[str, Any]:
    """The EDU with these entries."""
    return {"edu_type": "m.presence", "content": {"push": list(entries)}}


def said(presence: str = "online", user_id: str = REMOTE, **keys: Any) -> Any:
    """An entry about a user of the other server."""
    return {"user_id": user_id, "presence": presence, **keys}


def pushed(edus: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All entries of a transaction."""
    return [said for edu in edus for said in edu["content"]["push"]]
