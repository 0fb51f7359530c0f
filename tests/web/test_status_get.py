"""`GET` of a status: what is shown, to whom."""

from __future__ import annotations

from typing import Any

from matrix_presence.rules.states import BY_NAME
from matrix_presence.web.status import VERSIONS
from tests.base import TestCase
from tests.web.rig import Rig

ONLINE = {"presence": "online"}
BUSY = "org.matrix.msc3026.busy"


class GetTests(TestCase):
    """Getting a status."""

    def setUp(self) -> None:
        """Two users in a room, and one who shares none with them."""
        self.rig = Rig()
        self.token, self.mate, self.stranger = map(self.rig.user, "abc")
        self.rig.presence.room("!r:hs", "@a:hs", "@b:hs")

    async def get(self, user_id: str) -> dict[str, Any]:
        """What the first user gets."""
        reply = await self.rig.get(self.token, user_id)
        self.assertEqual(reply.status, 200)
        json: dict[str, Any] = reply.json
        return json

    async def test_keys(self) -> None:
        """A status has these keys with these types and no `user_id` (A-41)."""
        await self.rig.put(self.mate, "@b:hs", {**ONLINE, "status_msg": "hi"})
        self.assertEqual(
            await self.get("@b:hs"),
            {
                "presence": "online",
                "status_msg": "hi",
                "last_active_ago": 0,
                "currently_active": True,
            },
        )

    async def test_types(self) -> None:
        """The time is an integer and the flag a boolean, in every state (A-41)."""
        for presence in ("online", "unavailable", "offline", BUSY):
            await self.rig.put(self.mate, "@b:hs", {"presence": presence})
            self.rig.advance(1.5)
            status = await self.get("@b:hs")
            self.assertLessEqual(
                set(status), {"presence", "last_active_ago", "currently_active"}
            )
            self.assertIs(type(status.get("last_active_ago", 0)), int)
            self.assertIs(type(status.get("currently_active", False)), bool)

    async def test_currently_active_goes_with_online(self) -> None:
        """Only somebody who is online is currently active (A-41)."""
        for presence in ("unavailable", "offline"):
            await self.rig.put(self.mate, "@b:hs", {"presence": presence})
            self.assertNotIn("currently_active", await self.get("@b:hs"))

    async def test_strangers_are_hidden(self) -> None:
        """Who shares no room is 403 M_FORBIDDEN (A-42)."""
        await self.rig.put(self.stranger, "@c:hs", ONLINE)
        reply = await self.rig.get(self.token, "@c:hs")
        self.assertEqual(reply.refusal, (403, "M_FORBIDDEN"))

    async def test_hidden_and_unknown_users_are_the_same(self) -> None:
        """Nobody learns from the answer whether a user exists (A-43, A-44, X-10)."""
        for option, status, errcode in (
            (403, 403, "M_FORBIDDEN"),
            (404, 404, "M_NOT_FOUND"),
        ):
            rig = Rig(hidden_status=option)
            token, stranger = rig.user("a"), rig.user("c")
            await rig.put(stranger, "@c:hs", {**ONLINE, "status_msg": "hi"})
            rig.handler.joined("!other:hs", "@c:hs")
            rig.handler.registered("@d:hs")
            gone = rig.user("gone")
            rig.presence.room("!r:hs", "@a:hs", "@gone:hs")
            await rig.put(gone, "@gone:hs", ONLINE)
            rig.handler.deactivated("@gone:hs")
            hidden = await rig.get(token, "@c:hs")
            self.assertEqual(hidden.refusal, (status, errcode))
            for user_id in ("@nobody:hs", "@d:hs", "@nobody:remote", "@gone:hs"):
                reply = await rig.get(token, user_id)
                self.assertEqual(reply.status, hidden.status, user_id)
                self.assertEqual(reply.body, hidden.body, user_id)
                self.assertEqual(reply.headers, hidden.headers, user_id)

    async def test_asking_leaves_no_trace(self) -> None:
        """Asking for users that do not exist fills no memory (A-44)."""
        for number in range(3):
            await self.rig.get(self.token, f"@nobody{number}:hs")
        known = self.rig.presence.service.cache.users.index
        self.assertNotIn("@nobody0:hs", known)

    async def test_nothing_known_is_offline(self) -> None:
        """A room-mate of whom nothing was heard is offline, and that is all (A-44)."""
        self.rig.handler.joined("!r:hs", "@t:remote")
        self.assertEqual(await self.get("@t:remote"), {"presence": "offline"})

    async def test_visibility_follows_the_membership(self) -> None:
        """Who leaves the last shared room is hidden, who comes back is not (A-42)."""
        await self.rig.put(self.mate, "@b:hs", ONLINE)
        self.rig.handler.left("!r:hs", "@b:hs")
        for token, user_id in ((self.token, "@b:hs"), (self.mate, "@a:hs")):
            reply = await self.rig.get(token, user_id)
            self.assertEqual(reply.refusal, (403, "M_FORBIDDEN"))
        self.rig.handler.joined("!r:hs", "@b:hs")
        self.assertEqual((await self.get("@b:hs"))["presence"], "online")

    async def test_own_status_is_always_readable(self) -> None:
        """A user in no room gets their own status, also before they set one (A-45)."""
        reply = await self.rig.get(self.stranger, "@c:hs")
        self.assertEqual((reply.status, reply.json), (200, {"presence": "offline"}))
        await self.rig.put(self.stranger, "@c:hs", {**ONLINE, "status_msg": "alone"})
        reply = await self.rig.get(self.stranger, "@c:hs")
        self.assertEqual(reply.json["status_msg"], "alone")

    async def test_time_is_as_of_now(self) -> None:
        """`last_active_ago` grows between two GETs, although nobody is told (A-46)."""
        await self.rig.put(self.mate, "@b:hs", ONLINE)
        for _ in range(3):
            before = await self.get("@b:hs")
            self.rig.clock.advance(1)
            after = await self.get("@b:hs")
            self.assertEqual(after["last_active_ago"] - before["last_active_ago"], 1000)
            self.assertIs(after["currently_active"], True)

    async def test_activity_shows_at_once(self) -> None:
        """A GET knows of activity that is not pushed (A-46)."""
        await self.rig.put(self.mate, "@b:hs", ONLINE)
        self.rig.advance(10)
        self.rig.handler.active("@b:hs", "DEVICE")
        self.assertEqual((await self.get("@b:hs"))["last_active_ago"], 0)

    async def test_free_for_chat_is_online_on_v3(self) -> None:
        """A state of the old specification is rendered as online on v3 (A-47)."""
        self.assertIn("free_for_chat", BY_NAME)
        self.rig.presence.set_status("@b:hs", "free_for_chat")
        self.assertEqual((await self.get("@b:hs"))["presence"], "online")

    async def test_all_versions_answer_the_same(self) -> None:
        """What is known is known on every version (A-1, A-2, A-3, A-41)."""
        await self.rig.put(self.mate, "@b:hs", {**ONLINE, "status_msg": "hi"})
        bodies = {
            (await self.rig.get(self.token, "@b:hs", version)).body
            for version in VERSIONS
        }
        self.assertEqual(len(bodies), 1)
