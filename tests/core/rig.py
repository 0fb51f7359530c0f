"""What the tests of the core share: a server on virtual time and its clients."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from twisted.internet.task import Clock

from matrix_presence.errors import LimitExceeded
from matrix_presence.interfaces import Requester
from matrix_presence.testing import MemoryPresence
from tests.base import TestCase

ALICE, BOB, CAROL = "@alice:hs", "@bob:hs", "@carol:hs"
BUSY = "org.matrix.msc3026.busy"
ROOM = "!room:hs"

#: Every change is shown and delivered at once, whatever it costs.
AT_ONCE: dict[str, Any] = {
    "tick": 0,
    "client_window": 0,
    "client_wakeups_per_second": 0,
}
#: Nobody is ever refused a status.
UNLIMITED: dict[str, Any] = {
    "rc_presence": {"per_user": {"per_second": 1e6, "burst_count": 1_000_000}}
}
#: One change, and one more each ten seconds.
STRICT: dict[str, Any] = {
    "rc_presence": {"per_user": {"per_second": 0.1, "burst_count": 1}}
}
#: Seconds by which a time-out may be late: a slot of the wheel, a sweep and a tick.
LATE = 2.1


class CoreTestCase(TestCase):
    """Alice and Bob share a room of one server; Bob looks at Alice."""

    #: The configuration of the server.
    OPTIONS: ClassVar[Mapping[str, Any]] = UNLIMITED

    def setUp(self) -> None:
        """Start the server."""
        self.begin()

    def begin(self, **options: Any) -> None:
        """A server that the two have just joined; `options` beside `OPTIONS`."""
        self.options = {**self.OPTIONS, **options}
        self.server = MemoryPresence(**self.options)
        self.server.room(ROOM, ALICE, BOB)
        self.pass_time(1)
        #: By viewer: the position of their last incremental read.
        self.tokens: dict[str, int] = {}
        self.read(BOB)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in steps short enough for every timer to be in time."""
        clock = self.server.clock
        until = clock.seconds() + seconds
        while until - clock.seconds() > 1e-6:
            clock.advance(min(0.25, until - clock.seconds()))

    def connected(
        self, user_id: str, set_presence: str | None = None, device_id: str = "DEVICE"
    ) -> AbstractContextManager[None]:
        """Held while a sync is open."""
        requester = Requester(user_id, device_id)
        return self.server.sync.connected(requester, set_presence)

    def sync(
        self, user_id: str, set_presence: str | None = None, device_id: str = "DEVICE"
    ) -> None:
        """A sync that returns at once."""
        with self.connected(user_id, set_presence, device_id):
            pass

    def poll_for(
        self,
        seconds: float,
        user_id: str = ALICE,
        set_presence: str | None = None,
        device_id: str = "DEVICE",
    ) -> None:
        """One poll after the other, ten seconds each, with no pause between them."""
        while seconds > 0:
            with self.connected(user_id, set_presence, device_id):
                self.pass_time(min(10, seconds))
            seconds -= 10

    def put(
        self,
        presence: str,
        status_msg: str | None = None,
        user_id: str = ALICE,
        device_id: str = "DEVICE",
    ) -> None:
        """Set a status; it is on disk when this returns."""
        server = self.server
        self.successResultOf(
            server.set_status(user_id, presence, status_msg, device_id)
        )

    def put_refused(
        self, presence: str, status_msg: str | None = None, user_id: str = ALICE
    ) -> None:
        """Set a status that a limit holds back."""
        with self.assertRaises(LimitExceeded):
            self.server.set_status(user_id, presence, status_msg)

    def status(self, user_id: str = ALICE, viewer: str = BOB) -> dict[str, Any]:
        """What a GET of the status answers."""
        status = self.server.view.status(viewer, user_id)
        assert status is not None, f"{viewer} may not see {user_id}"
        return status

    def presence(self, user_id: str = ALICE, viewer: str = BOB) -> str:
        """The presence in the status."""
        presence: str = self.status(user_id, viewer)["presence"]
        return presence

    def ago(self, user_id: str = ALICE) -> int:
        """`last_active_ago` as the user themself sees it, ms."""
        ago: int = self.status(user_id, user_id)["last_active_ago"]
        return ago

    def read(self, viewer: str = BOB) -> dict[str, dict[str, Any]]:
        """An incremental read: by user, what is new since the one before."""
        events, position = self.server.sync.part(viewer, self.tokens.get(viewer))
        self.tokens[viewer] = position
        return {event["sender"]: event["content"] for event in events}

    def news(self, viewer: str = BOB, about: str = ALICE) -> dict[str, Any] | None:
        """What an incremental read after the next tick says of a user, if anything."""
        self.pass_time(0.1)
        return self.read(viewer).get(about)

    def restart(self, *, crash: bool = False, away: float = 0) -> None:
        """End this life, orderly or not, and begin the next after `away` seconds."""
        rooms = self.server.handler.cache.rooms
        ids = self.server.handler.cache.users.ids
        members = {
            room_id: [ids[user] for user in rooms.members_of((room,))]
            for room_id, room in rooms.index.items()
        }
        if crash:
            self.server.store.crash()
        else:
            self.successResultOf(self.server.stop())
        # Its own clock: what the former life had planned will not happen.
        clock = Clock()
        clock.advance(self.server.clock.seconds() + away)
        self.server = MemoryPresence(
            store=self.server.store, clock=clock, **self.options
        )
        for room_id, user_ids in members.items():
            self.server.handler.restore_room(room_id, user_ids)
