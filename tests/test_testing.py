"""What those who embed presence test with, and how they mount it."""

from __future__ import annotations

import textwrap
import unittest
from pathlib import Path
from typing import Any

from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Request
from zope.interface.verify import verifyObject

import matrix_presence.testing
from matrix_presence.config import ConfigError
from matrix_presence.errors import LimitExceeded, NotStored
from matrix_presence.interfaces import (
    NO_PROFILE,
    IFederation,
    IHomeserver,
    IPresenceStore,
    Profile,
    Requester,
)
from matrix_presence.testing import (
    MemoryFederation,
    MemoryHomeserver,
    MemoryPresence,
    MemoryPresenceStore,
)
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from tests.base import TestCase

README = Path(__file__).parent.parent / "README.md"


def example() -> str:
    """The example with which `matrix_presence.testing` opens."""
    doc = matrix_presence.testing.__doc__ or ""
    begin, end = doc.index("    class "), doc.index("\n\nEverything runs")
    return textwrap.dedent(doc[begin:end])


class ExampleTests(TestCase):
    """The example for those who embed presence."""

    def test_it_is_a_test_that_passes(self) -> None:
        """Copied into a file with its two imports, it runs and passes."""
        names: dict[str, Any] = {
            "SynchronousTestCase": SynchronousTestCase,
            "MemoryPresence": MemoryPresence,
        }
        exec(example(), names)
        test = names["GreetingTests"]("test_a_room_mate_is_seen_online")
        result = unittest.TestResult()
        test.run(result)
        self.assertEqual((result.testsRun, result.errors, result.failures), (1, [], []))

    def test_readme_shows_the_same(self) -> None:
        """What README shows is the example that is run here, to the letter."""
        shown = f"```python\n{example()}\n```\n"
        self.assertIn(shown, README.read_text(encoding="utf-8"))

    def test_it_has_ten_lines(self) -> None:
        """It is as short as we say."""
        self.assertLessEqual(len(example().splitlines()), 10)


class MemoryHomeserverTests(TestCase):
    """Accounts and tokens in memory."""

    def setUp(self) -> None:
        """A homeserver with one resource that tells who asks."""
        self.homeserver = MemoryHomeserver()
        router = Router()
        router.add("GET", "whoami", self.whoami)
        self.treq: Any = StubTreq(router)

    async def whoami(self, call: Call) -> Answer:
        """Who sent the request."""
        requester = await self.homeserver.authenticate(call.request)
        return 200, [requester.user_id, requester.device_id, requester.is_guest]

    async def ask(self, *tokens: bytes, query: str = "") -> Any:
        """The answer to a request with these tokens in its header."""
        headers = {b"Authorization": [b"Bearer " + token for token in tokens]}
        response = await self.treq.get(f"http://hs/whoami{query}", headers=headers)
        return await self.treq.json_content(response)

    def test_it_is_a_homeserver(self) -> None:
        """It is what presence asks of a homeserver."""
        self.assertTrue(verifyObject(IHomeserver, self.homeserver))

    async def test_tokens(self) -> None:
        """A token stands for a user, their device and what they are."""
        token = self.homeserver.add_user("@a:hs", "PHONE", is_guest=True)
        self.assertEqual(await self.ask(token.encode()), ["@a:hs", "PHONE", True])
        answer = await self.ask(query=f"?access_token={token}")
        self.assertEqual(answer, ["@a:hs", "PHONE", True])

    async def test_every_device_has_its_token(self) -> None:
        """A user added again has one more device."""
        tokens = [self.homeserver.add_user("@a:hs", name) for name in ("X", "Y", None)]
        self.assertEqual(len(set(tokens)), 3)
        devices = [(await self.ask(token.encode()))[1] for token in tokens]
        self.assertEqual(devices, ["X", "Y", None])

    async def test_no_token(self) -> None:
        """Without one it is M_MISSING_TOKEN (A-11)."""
        for answer in (await self.ask(), await self.ask(query="?access_token=")):
            self.assertEqual(answer["errcode"], "M_MISSING_TOKEN")

    async def test_unknown_token(self) -> None:
        """One that stands for nobody is M_UNKNOWN_TOKEN, whatever its bytes (A-11)."""
        for answer in (
            await self.ask(b"nonsense"),
            await self.ask(b"\xff\xfe"),
            await self.ask(query="?access_token=%FF"),
        ):
            self.assertEqual(answer["errcode"], "M_UNKNOWN_TOKEN")

    def test_local_users(self) -> None:
        """Those are local who were added and have the server's name."""
        self.homeserver.add_user("@a:hs")
        self.homeserver.add_user("@t:remote")
        self.assertTrue(self.homeserver.is_local_user("@a:hs"))
        self.assertFalse(self.homeserver.is_local_user("@b:hs"))
        self.assertFalse(self.homeserver.is_local_user("@t:remote"))

    def test_profiles(self) -> None:
        """A profile is what the test put there; adding a device does not unset it."""
        self.homeserver.add_user("@a:hs")
        self.assertEqual(self.homeserver.profile("@a:hs"), NO_PROFILE)
        self.assertEqual(self.homeserver.profile("@nobody:hs"), NO_PROFILE)
        self.homeserver.profiles["@a:hs"] = Profile("A", None)
        self.homeserver.add_user("@a:hs", "PHONE")
        self.assertEqual(self.homeserver.profile("@a:hs"), Profile("A", None))


class MemoryFederationTests(TestCase):
    """A link to other servers that keeps what is sent."""

    def test_it_is_a_federation_link(self) -> None:
        """It is what presence asks of one."""
        self.assertTrue(verifyObject(IFederation, MemoryFederation()))

    def test_transactions_arrive(self) -> None:
        """Each transaction is kept, in order, as it was when it was sent."""
        federation = MemoryFederation()
        edus = [{"edu_type": "m.presence", "content": {}}]
        self.successResultOf(federation.send("one", edus))
        edus.clear()
        self.successResultOf(federation.send("two", edus))
        expected = [("one", [{"edu_type": "m.presence", "content": {}}]), ("two", [])]
        self.assertEqual(federation.sent, expected)

    def test_a_destination_that_is_down(self) -> None:
        """What goes to a destination that is down fails and is not kept."""
        federation = MemoryFederation()
        federation.down.add("one")
        self.failureResultOf(federation.send("one", []), ConnectionError)
        federation.down.clear()
        self.successResultOf(federation.send("one", []))
        self.assertEqual(federation.sent, [("one", [])])


class MemoryPresenceTests(TestCase):
    """All of presence in memory."""

    def setUp(self) -> None:
        """Two users who share a room."""
        self.presence = MemoryPresence()
        self.presence.room("!r:hs", "@a:hs", "@b:hs")
        self.presence.clock.advance(1)

    def test_it_is_ready(self) -> None:
        """There is nothing to wait for, and the store is one of ours."""
        self.successResultOf(self.presence.service.when_ready())
        self.assertTrue(verifyObject(IPresenceStore, self.presence.store))

    def test_status_is_seen_after_the_tick(self) -> None:
        """A status set is stored at once, and seen when time has passed."""
        self.successResultOf(self.presence.set_status("@a:hs", "online", "hello"))
        self.assertEqual(self.presence.store.users["@a:hs"].status_msg, "hello")
        position = self.presence.view.position()
        self.presence.clock.advance(1)
        seen = self.presence.seen("@b:hs", position)
        self.assertEqual(seen["@a:hs"]["status_msg"], "hello")

    def test_status_that_cannot_be_stored(self) -> None:
        """A test can let the store fail and see what an embedder would."""
        self.presence.store.refuse("@a:hs")
        self.failureResultOf(self.presence.set_status("@a:hs", "online"), NotStored)

    def test_limit(self) -> None:
        """The limits are those of a real server, unless a test sets others."""
        for _ in range(5):
            self.presence.set_status("@a:hs", "online")
        self.assertRaises(LimitExceeded, self.presence.set_status, "@a:hs", "online")

    def test_options(self) -> None:
        """Options are written as in the configuration file, and checked like there."""
        presence = MemoryPresence(idle_timeout="10s", last_active_granularity="5s")
        self.assertEqual(presence.service.config.idle_timeout, 10_000)
        self.assertRaises(ConfigError, MemoryPresence, idle_time_out="10s")

    def test_server_name(self) -> None:
        """Whose users are local follows the name."""
        presence = MemoryPresence("example.org")
        self.assertEqual(presence.homeserver.server_name, "example.org")
        presence.room("!r:hs", "@a:example.org", "@a:hs")
        self.assertEqual(list(presence.service.cache.users.is_local[:2]), [1, 0])

    def test_time_is_what_the_clock_says(self) -> None:
        """The clock begins at some date; one that is given is taken as it is."""
        self.assertGreater(self.presence.handler.now(), 1_600_000_000_000)
        clock = Clock()
        clock.advance(2_000_000_000)
        presence = MemoryPresence(clock=clock)
        self.assertEqual(presence.handler.now(), 2_000_000_000_000)

    def test_poll_is_woken(self) -> None:
        """A poll is woken by a change and returns what it shows."""
        poll = self.presence.poll("@b:hs", self.presence.view.position(), "offline")
        self.assertFalse(poll.woken)
        self.presence.set_status("@a:hs", "online")
        self.presence.clock.advance(1)
        self.assertTrue(poll.woken)
        seen, position = poll.close()
        self.assertEqual(set(seen), {"@a:hs"})
        self.assertEqual(position, self.presence.view.position())

    def test_poll_that_nothing_wakes(self) -> None:
        """A poll can be closed before anything happened."""
        poll = self.presence.poll("@b:hs", self.presence.view.position(), "offline")
        self.presence.clock.advance(30)
        self.assertEqual(poll.close(), ({}, self.presence.view.position()))
        self.assertFalse(poll.woken)
        self.assertEqual(len(self.presence.service.waiting), 0)

    def test_poll_connects(self) -> None:
        """Who polls is online until a while after the poll was closed."""
        poll = self.presence.poll("@b:hs", self.presence.view.position())
        self.presence.clock.pump([1] * 60)
        self.assertEqual(self.presence.seen("@a:hs")["@b:hs"]["presence"], "online")
        poll.close()
        self.presence.clock.pump([1] * 33)
        self.assertNotIn("@b:hs", self.presence.seen("@a:hs"))

    def test_second_life(self) -> None:
        """After a stop, the store brings everything back."""
        self.presence.set_status("@a:hs", "online", "hello")
        self.presence.clock.advance(1)
        self.successResultOf(self.presence.stop())
        self.assertEqual(self.presence.clock.getDelayedCalls(), [])
        again = MemoryPresence(store=self.presence.store, clock=self.presence.clock)
        self.assertIsInstance(again.store, MemoryPresenceStore)
        status = again.view.status("@a:hs", "@a:hs")
        assert status is not None
        self.assertEqual(status["status_msg"], "hello")


class Hello(Resource):
    """A resource of the host's own."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Say where this is."""
        return b"the host at " + request.path


class EmbeddingTests(TestCase):
    """Presence within the resource tree of a host, on the host's own `Site`."""

    def setUp(self) -> None:
        """A host with a resource of its own, and a user."""
        self.presence = MemoryPresence()
        self.token = self.presence.homeserver.add_user("@a/b:hs")
        self.root = Resource()
        self.root.putChild(b"hello", Hello())
        self.treq: Any = StubTreq(self.root)

    async def get(self, path: str, status: int = 200) -> Any:
        """What is at this path; `StubTreq` serves the tree with a plain `Site`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        response = await self.treq.get("http://hs" + path, headers=headers)
        self.assertEqual(response.code, status)
        return await self.treq.text_content(response)

    async def assert_is_served(self) -> None:
        """The status is there, with a slash in the user id, and the host is too."""
        for version in ("v3", "r0"):
            path = f"/_matrix/client/{version}/presence/@a%2Fb:hs/status"
            self.assertEqual(await self.get(path), '{"presence":"offline"}')
        self.assertEqual(await self.get("/hello"), "the host at /hello")

    async def test_all_of_matrix(self) -> None:
        """A router at `/_matrix` has the status under every version, and answers the
        rest of `/_matrix` as Matrix wants it (A-1, A-2, A-7)."""
        router = Router()
        self.presence.service.status.add_to(router, "client")
        self.root.putChild(b"_matrix", router)
        await self.assert_is_served()
        self.assertIn("M_UNRECOGNIZED", await self.get("/_matrix/else", 404))

    async def test_beside_endpoints_of_the_host(self) -> None:
        """A router at each `…/presence` leaves all other paths to the host (A-1)."""
        status = self.presence.service.status
        client = Resource()
        for version in (b"v3", b"r0"):
            versioned = Resource()
            versioned.putChild(b"presence", status.resource())
            versioned.putChild(b"sync", Hello())
            client.putChild(version, versioned)
        matrix = Resource()
        matrix.putChild(b"client", client)
        self.root.putChild(b"_matrix", matrix)
        await self.assert_is_served()
        path = "/_matrix/client/v3/sync"
        self.assertEqual(await self.get(path), f"the host at {path}")

    async def test_sync_of_a_host(self) -> None:
        """A host that knows the requester has the presence part in three lines."""
        presence, requester = self.presence, Requester("@a/b:hs", "DEVICE")
        with presence.sync.connected(requester, "online"):
            events, position = presence.sync.part(requester.user_id, None)
        self.assertEqual([event["sender"] for event in events], ["@a/b:hs"])
        presence.clock.advance(1)
        _, later = presence.sync.part(requester.user_id, position)
        self.assertEqual(presence.sync.part(requester.user_id, later), ([], later))
