"""Where the status endpoint is and who gets to it: versions, tokens, kinds of users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred
from twisted.web.server import Request

from matrix_presence.errors import Forbidden, Locked, MatrixError
from matrix_presence.interfaces import Requester
from matrix_presence.web.status import VERSIONS
from tests.base import TestCase
from tests.web.rig import Reply, Rig, status_path

#: One refusal for each method, and one answer, to look at what they have in common.
ONLINE = {"presence": "online"}


class VersionTests(TestCase):
    """The paths."""

    def setUp(self) -> None:
        """A user."""
        self.rig = Rig()
        self.token = self.rig.user("a")

    def test_versions(self) -> None:
        """It is on v3 (A-1), r0 (A-2), unstable and api/v1 (A-3), and nowhere else."""
        self.assertEqual(set(VERSIONS), {"v3", "r0", "unstable", "api/v1"})

    async def test_every_version_sets_and_gets(self) -> None:
        """What one version sets, each of them gets (A-1, A-2, A-3)."""
        for version in VERSIONS:
            body = {"presence": "online", "status_msg": version}
            reply = await self.rig.put(self.token, "@a:hs", body, version)
            self.assertEqual((reply.status, reply.json), (200, {}), version)
            for other in VERSIONS:
                reply = await self.rig.get(self.token, "@a:hs", other)
                self.assertEqual(reply.json["status_msg"], version, other)

    async def test_other_versions_are_unrecognized(self) -> None:
        """A version that has no status is 404 M_UNRECOGNIZED (A-3, A-7)."""
        for version in ("v1", "r1", "v4", "api/v2", "api"):
            reply = await self.rig.get(self.token, "@a:hs", version)
            self.assertEqual(reply.refusal, (404, "M_UNRECOGNIZED"), version)

    async def test_v3_has_no_presence_lists(self) -> None:
        """A presence list on v3 is 404 M_UNRECOGNIZED: there never was one (A-5)."""
        for method in ("GET", "POST"):
            for path in ("list/@a:hs", "list"):
                reply = await self.rig.request(
                    method, f"/_matrix/client/v3/presence/{path}", token=self.token
                )
                self.assertEqual(reply.refusal, (404, "M_UNRECOGNIZED"), path)

    async def test_unknown_path_is_unrecognized(self) -> None:
        """A path beside the status is 404 M_UNRECOGNIZED, whoever asks (A-7)."""
        for path in ("/@a:hs/nope", "/@a:hs", "/@a:hs/status/", "/@a:hs/status/x"):
            reply = await self.rig.request("GET", "/_matrix/client/v3/presence" + path)
            self.assertEqual(reply.refusal, (404, "M_UNRECOGNIZED"), path)

    async def test_wrong_method_is_refused(self) -> None:
        """The status with another method is 405 M_UNRECOGNIZED (A-7)."""
        for method in ("DELETE", "POST", "PATCH"):
            path = status_path("@a:hs")
            reply = await self.rig.request(method, path, token=self.token)
            self.assertEqual(reply.refusal, (405, "M_UNRECOGNIZED"), method)

    async def test_user_id_may_be_percent_encoded(self) -> None:
        """A user id in the path means the same, however it is written (A-1)."""
        await self.rig.put(self.token, "@a:hs", {**ONLINE, "status_msg": "hi"})
        for user_id in ("@a:hs", "%40a%3Ahs", "%40%61%3ahs"):
            path = f"/_matrix/client/v3/presence/{user_id}/status"
            reply = await self.rig.request("GET", path, token=self.token)
            self.assertEqual(reply.json["status_msg"], "hi", user_id)


class TransportTests(TestCase):
    """What all answers have in common."""

    def setUp(self) -> None:
        """Two users who do not see each other."""
        self.rig = Rig()
        self.token = self.rig.user("a")
        self.other = self.rig.user("b")

    def replies(self) -> list[Deferred[Reply]]:
        """An answer of each kind."""
        rig, token = self.rig, self.token
        return [
            rig.get(token, "@a:hs"),
            rig.put(token, "@a:hs", ONLINE),
            rig.put(token, "@a:hs", {}),
            rig.get(None, "@a:hs"),
            rig.get(token, "@b:hs"),
            rig.get(token, "nobody"),
            rig.put(token, "@a:hs", b"{"),
            rig.request("GET", "/_matrix/client/v3/presence"),
            rig.request("DELETE", status_path("@a:hs")),
        ]

    async def test_every_answer_is_json(self) -> None:
        """Answers and refusals are JSON objects and say so (A-8)."""
        statuses = set()
        for waiting in self.replies():
            reply = await waiting
            self.assertEqual(reply.headers["content-type"], "application/json")
            self.assertIsInstance(reply.json, dict)
            statuses.add(reply.status)
        self.assertEqual(statuses, {200, 400, 401, 403, 404, 405})

    async def test_every_refusal_has_an_errcode(self) -> None:
        """A refusal has an errcode and a sentence (A-8)."""
        for waiting in self.replies():
            reply = await waiting
            if reply.status != 200:
                self.assertTrue(reply.json["errcode"].startswith("M_"))
                self.assertGreater(len(reply.json["error"]), 5)

    async def test_every_answer_may_be_read_by_any_page(self) -> None:
        """Answers and refusals have the CORS headers (A-8)."""
        for reply in self.replies():
            headers = (await reply).headers
            self.assertEqual(headers["access-control-allow-origin"], "*")
            self.assertIn("PUT", headers["access-control-allow-methods"])
            self.assertIn("Authorization", headers["access-control-allow-headers"])

    async def test_preflight_needs_no_token(self) -> None:
        """OPTIONS is answered without a token, with the CORS headers (A-8)."""
        for version in VERSIONS:
            reply = await self.rig.request("OPTIONS", status_path("@a:hs", version))
            self.assertEqual(reply.status, 204)
            self.assertEqual(reply.headers["access-control-allow-origin"], "*")


class TokenTests(TestCase):
    """Who the requester is."""

    def setUp(self) -> None:
        """A user."""
        self.rig = Rig()
        self.token = self.rig.user("a")

    async def test_token_in_the_header(self) -> None:
        """`Authorization: Bearer` is taken (A-9, X-14)."""
        self.assertEqual((await self.rig.get(self.token, "@a:hs")).status, 200)

    async def test_token_in_the_query(self) -> None:
        """`?access_token=` is taken on every version, for old clients (A-10)."""
        for version in VERSIONS:
            for method, body in (("GET", b""), ("PUT", ONLINE)):
                reply = await self.rig.request(
                    method,
                    status_path("@a:hs", version),
                    body=body,
                    query={"access_token": self.token},
                )
                self.assertEqual(reply.status, 200, (method, version))

    async def test_no_token(self) -> None:
        """Without a token it is 401 M_MISSING_TOKEN on all versions (A-11, A-40)."""
        for version in VERSIONS:
            reply = await self.rig.get(None, "@a:hs", version)
            self.assertEqual(reply.refusal, (401, "M_MISSING_TOKEN"))
            reply = await self.rig.put(None, "@a:hs", ONLINE, version)
            self.assertEqual(reply.refusal, (401, "M_MISSING_TOKEN"))

    async def test_unknown_token(self) -> None:
        """A token nobody has is 401 M_UNKNOWN_TOKEN (A-11)."""
        for reply in (
            await self.rig.get("nonsense", "@a:hs"),
            await self.rig.put("nonsense", "@a:hs", ONLINE),
        ):
            self.assertEqual(reply.refusal, (401, "M_UNKNOWN_TOKEN"))

    async def test_token_comes_before_everything_else(self) -> None:
        """Without a token nobody learns what else is wrong with a request (A-11)."""
        for reply in (
            await self.rig.get(None, "nonsense"),
            await self.rig.put(None, "nonsense", b"{"),
        ):
            self.assertEqual(reply.refusal, (401, "M_MISSING_TOKEN"))


class KindsOfUsersTests(TestCase):
    """Guests, application services, the locked and the suspended."""

    def setUp(self) -> None:
        """A member, and others who share a room with them."""
        self.rig = Rig()
        self.member = self.rig.user("a")
        self.rig.presence.room("!r:hs", "@a:hs", "@guest:hs", "@_br_x:hs", "@s:hs")

    def refuse_with(self, error: MatrixError) -> None:
        """Let the homeserver refuse whoever asks."""

        async def refused(request: Request) -> Requester:
            raise error

        self.rig.homeserver.authenticate = refused  # type: ignore[method-assign]

    async def test_guests_have_no_status(self) -> None:
        """A guest may neither set nor get a status: M_GUEST_ACCESS_FORBIDDEN (A-13)."""
        guest = self.rig.user("guest", is_guest=True)
        for reply in (
            await self.rig.put(guest, "@guest:hs", ONLINE),
            await self.rig.get(guest, "@guest:hs"),
            await self.rig.get(guest, "@a:hs"),
        ):
            self.assertEqual(reply.refusal, (403, "M_GUEST_ACCESS_FORBIDDEN"))
        self.rig.advance(1)
        self.assertNotIn("@guest:hs", self.rig.presence.seen("@a:hs"))

    async def test_guests_may_sync(self) -> None:
        """A guest may sync and see others, and is not shown by it (A-13, D-41)."""
        guest = self.rig.user("guest", is_guest=True)
        await self.rig.put(self.member, "@a:hs", ONLINE)
        self.rig.advance(1)
        self.assertIn("@a:hs", (await self.rig.sync(guest)).seen)
        self.rig.advance(1)
        self.assertNotIn("@guest:hs", (await self.rig.sync(self.member)).seen)

    async def test_appservice_sets_a_status_as_one_of_its_users(self) -> None:
        """Whom the homeserver takes an application service for has a status (A-12)."""
        service = self.rig.user("_br_x", None, is_appservice=True)
        body = {"presence": "online", "status_msg": "bridged"}
        reply = await self.rig.put(service, "@_br_x:hs", body)
        self.assertEqual((reply.status, reply.json), (200, {}))
        for token in (service, self.member):
            reply = await self.rig.get(token, "@_br_x:hs")
            self.assertEqual(reply.json["status_msg"], "bridged")

    async def test_appservice_sets_no_status_of_others(self) -> None:
        """As one of its users it cannot set the status of another (A-12, A-20)."""
        service = self.rig.user("_br_x", None, is_appservice=True)
        reply = await self.rig.put(service, "@a:hs", ONLINE)
        self.assertEqual(reply.refusal, (403, "M_FORBIDDEN"))

    async def test_refusals_of_the_homeserver_are_passed_on(self) -> None:
        """A namespace violation and an unknown device reach the client (A-12)."""

        class UnknownDevice(MatrixError):
            errcode = "M_UNKNOWN_DEVICE"

        for error, refusal in (
            (Forbidden("Not in your namespace"), (403, "M_FORBIDDEN")),
            (UnknownDevice("No such device"), (400, "M_UNKNOWN_DEVICE")),
        ):
            self.refuse_with(error)
            for reply in (
                await self.rig.get(self.member, "@a:hs"),
                await self.rig.put(self.member, "@a:hs", ONLINE),
            ):
                self.assertEqual(reply.refusal, refusal)

    async def test_locked_users_are_refused_everything(self) -> None:
        """A locked user gets 401 M_USER_LOCKED with soft_logout everywhere (A-14)."""
        self.refuse_with(Locked())
        asked: list[Callable[[], Awaitable[Reply]]] = [
            lambda: self.rig.get(self.member, "@a:hs"),
            lambda: self.rig.put(self.member, "@a:hs", ONLINE),
            lambda: self.rig.sync(self.member),
        ]
        for ask in asked:
            reply = await ask()
            self.assertEqual(reply.refusal, (401, "M_USER_LOCKED"))
            self.assertIs(reply.json["soft_logout"], True)

    async def test_suspended_users_may_look_but_not_speak(self) -> None:
        """A suspended user gets and syncs; a PUT is 403 M_USER_SUSPENDED (A-14)."""
        suspended = self.rig.user("s", is_suspended=True)
        body = {"presence": "online", "status_msg": "let me speak"}
        reply = await self.rig.put(suspended, "@s:hs", body)
        self.assertEqual(reply.refusal, (403, "M_USER_SUSPENDED"))
        self.assertEqual((await self.rig.get(suspended, "@a:hs")).status, 200)
        self.assertEqual((await self.rig.sync(suspended)).status, 200)
        reply = await self.rig.get(self.member, "@s:hs")
        self.assertNotIn("status_msg", reply.json)
