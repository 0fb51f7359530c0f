"""What goes out to other servers where nobody has a presence list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed

from matrix_presence.interfaces import Profile
from matrix_presence.testing import MemoryPresence
from matrix_presence.wire.edu import Edus
from matrix_presence.wire.lists import list_edu
from tests.federation.rig import ALICE as USER
from tests.federation.rig import REMOTE, ROOM, FederationTestCase, Link, advance
from tests.federation.test_lists import change

STATES = (
    ("online", "hi"),
    ("unavailable", None),
    ("offline", None),
    ("online", "back"),
)
HEAD, TAIL = b'[{"content":{"push":[{', b'}]},"edu_type":"m.presence"}]'
#: What `session` led to before there were lists: seconds since its beginning,
#: destination, and what stood between `HEAD` and `TAIL` in the EDUs' canonical JSON.
BEFORE = [
    (
        0.5,
        "there",
        b'"currently_active":true,"last_active_ago":500,'
        b'"presence":"online","status_msg":"hi","user_id":"@alice:hs"',
    ),
    (
        60.5,
        "there",
        b'"last_active_ago":60500,"presence":"unavailable","user_id":"@alice:hs"',
    ),
    (
        120.5,
        "there",
        b'"last_active_ago":120500,"presence":"offline","user_id":"@alice:hs"',
    ),
    (
        180.5,
        "there",
        b'"currently_active":true,"last_active_ago":500,'
        b'"presence":"online","status_msg":"back","user_id":"@alice:hs"',
    ),
    (
        240.5,
        "there",
        b'"avatar_url":"mxc://hs/alice","currently_active":true,'
        b'"displayname":"Alice","last_active_ago":60500,'
        b'"presence":"online","status_msg":"back","user_id":"@alice:hs"',
    ),
    (
        300.5,
        "there",
        b'"currently_active":true,"last_active_ago":500,'
        b'"presence":"online","user_id":"@bob:hs"',
    ),
    (
        300.5,
        "elsewhere",
        b'"currently_active":true,"last_active_ago":500,'
        b'"presence":"online","user_id":"@bob:hs"',
    ),
    (
        360.5,
        "there",
        b'"last_active_ago":60500,"presence":"unavailable",'
        b'"status_msg":"gone","user_id":"@bob:hs"',
    ),
]


class NoListsTests(FederationTestCase):
    """Servers on which nobody has a list."""

    def session(self, use: Any = None) -> list[tuple[float, str, bytes]]:
        """Some minutes with states, a name, a join and a leave.

        Args:
            use: is called with the server at the beginning.
        """
        sent: list[tuple[float, str, bytes]] = []

        def send(destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
            assert isinstance(edus, Edus)
            at = round(server.clock.seconds() - began, 1)
            sent.append((at, destination, edus.canonical))
            return succeed(None)

        server = self.start(Link(send))
        if use is not None:
            use(server)
        began = server.clock.seconds()
        server.room(ROOM, USER, "@bob:hs", REMOTE)
        for presence, status_msg in STATES:
            server.set_status(USER, presence, status_msg)
            advance(server.clock, 60)
        server.handler.profile_changed(USER, Profile("Alice", "mxc://hs/alice"))
        advance(server.clock, 60)
        server.room("!other:hs", "@bob:hs", "@x:elsewhere")
        server.set_status("@bob:hs", "online", None)
        advance(server.clock, 60)
        server.handler.left("!other:hs", "@x:elsewhere")
        server.set_status("@bob:hs", "unavailable", "gone")
        advance(server.clock, 60)
        return sent

    def expected(self) -> list[tuple[float, str, bytes]]:
        """What the session led to before there were lists."""
        return [(at, name, HEAD + said + TAIL) for at, name, said in BEFORE]

    def test_what_goes_out_is_what_it_was(self) -> None:
        """Byte for byte, and at the same time, as before there were lists (X-3)."""
        self.assertEqual(self.session(), self.expected())

    def test_lists_of_users_of_this_server_send_nothing(self) -> None:
        """Nor do invites that other servers send and nobody accepts (X-3, C-22)."""

        def use(server: MemoryPresence) -> None:
            for user_id in (USER, "@bob:hs", "@alone:hs"):
                server.homeserver.add_user(user_id)
            change(server, "@alone:hs", invite=[USER, "@nobody:hs", "@alone:hs"])
            change(server, USER, accept=["@alone:hs"])
            invite = list_edu("m.presence_invite", "@x:elsewhere", USER)
            server.service.receiver.edu_received("elsewhere", invite)

        # Two at the same time may go in another order.
        self.assertEqual(sorted(self.session(use)), sorted(self.expected()))

    def transactions(self, **options: Any) -> list[tuple[str, bytes]]:
        """Destination and canonical JSON of all that goes out in a busy hour."""
        sent: list[tuple[str, bytes]] = []

        def send(destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
            # Composed once for all destinations, not put together anew.
            assert isinstance(edus, Edus)
            sent.append((destination, edus.canonical))
            return succeed(None)

        server = self.start(Link(send), **options)
        server.room(ROOM, USER, "@bob:hs", REMOTE)
        server.room("!other:hs", "@bob:hs", "@x:elsewhere")
        for number in range(4):
            for user_id in (USER, "@bob:hs", "@alone:hs"):
                state = ("online", "unavailable", "offline", "free_for_chat")[number]
                server.set_status(user_id, state, f"{number}")
                advance(server.clock, 7)
            server.handler.left("!other:hs", "@x:elsewhere")
            advance(server.clock, 900, 5)
        return sent

    def test_nothing_that_goes_out_is_different(self) -> None:
        """Byte for byte it is what goes out where lists are switched off (X-3)."""
        with_lists = self.transactions()
        self.assertEqual(with_lists, self.transactions(presence_lists=False))
        self.assertGreater(len(with_lists), 4)
