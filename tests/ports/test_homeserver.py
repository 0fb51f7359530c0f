"""`IHomeserver`: in memory, and of the embedded homeserver."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.web.test.requesthelper import DummyRequest
from zope.interface.verify import verifyObject

from matrix_presence.errors import MissingToken, UnknownToken
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.app import PresenceHost
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.passwords import Passwords
from matrix_presence.interfaces import NO_PROFILE, IHomeserver, Profile
from matrix_presence.storage.database import Database
from matrix_presence.testing import MemoryHomeserver
from tests.base import TestCase
from tests.homeserver.accounts import CHEAP, at_once

ALICE = "@alice:hs.test"


class _Request(DummyRequest):
    """A request with these headers and arguments, as `twisted.web` would give it."""

    def __init__(self, header: bytes | None = None, query: bytes | None = None) -> None:
        super().__init__([b"_matrix", b"client", b"r0"])
        self.path = b"/_matrix/client/r0/x"
        self.args = {} if query is None else {b"access_token": [query]}
        if header is not None:
            self.requestHeaders.setRawHeaders(b"authorization", [header])


class HomeserverPort:
    """What presence relies on: Alice has one device and this token."""

    homeserver: Any
    token: str

    def test_it_keeps_the_port(self: Any) -> None:
        """It has what the interface names."""
        verifyObject(IHomeserver, self.homeserver)
        self.assertEqual(self.homeserver.server_name, "hs.test")

    async def test_a_token_tells_who_asks(self: Any) -> None:
        """In the header or in the query: the user and the device (A-9, A-10)."""
        token = self.token.encode()
        for request in (_Request(header=b"Bearer " + token), _Request(query=token)):
            requester = await self.homeserver.authenticate(request)
            self.assertEqual(requester.user_id, ALICE)
            self.assertEqual(requester.device_id, "PHONE")
            self.assertFalse(requester.is_guest)

    async def test_no_token_and_a_wrong_one_are_told_apart(self: Any) -> None:
        """Each has its own refusal, whatever the bytes (A-11)."""
        with self.assertRaises(MissingToken):
            await self.homeserver.authenticate(_Request())
        for wrong in (b"nonsense", b"\xff\xfe"):
            with self.assertRaises(UnknownToken):
                await self.homeserver.authenticate(_Request(b"Bearer " + wrong))

    def test_it_knows_its_own_users(self: Any) -> None:
        """Nobody else's, and nobody who is not there."""
        self.assertTrue(self.homeserver.is_local_user(ALICE))
        for other in ("@nobody:hs.test", "@alice:elsewhere.test", "alice", ""):
            self.assertFalse(self.homeserver.is_local_user(other))

    def test_a_profile_can_always_be_asked_for(self: Any) -> None:
        """It is empty where nothing is known."""
        self.assertIsInstance(self.homeserver.profile(ALICE), Profile)
        self.assertEqual(self.homeserver.profile("@nobody:hs.test"), NO_PROFILE)


class MemoryHomeserverTests(HomeserverPort, TestCase):
    """The one for tests."""

    def setUp(self) -> None:
        """A homeserver with Alice."""
        self.homeserver = MemoryHomeserver("hs.test")
        self.token = self.homeserver.add_user(ALICE, "PHONE")


class EmbeddedHomeserverTests(HomeserverPort, TestCase):
    """The one that `matrix-presence serve` runs."""

    def setUp(self) -> None:
        """A homeserver with Alice."""
        database = Database.immediate()
        migrated = database.migrate("homeserver", "matrix_presence.homeserver")
        self.successResultOf(migrated)

        async def made() -> Accounts:
            accounts = await Accounts.load(
                database, "hs.test", Clock(), Passwords(at_once, CHEAP)
            )
            account = await accounts.register("alice", "wonderland")
            _, self.token = await accounts.log_in(account, "PHONE", None)
            return accounts

        accounts = self.successResultOf(made())
        self.homeserver = PresenceHost(accounts, Authentication(accounts))
