"""When the `PUT` of a status is answered, and when it is taken later or not at all."""

from __future__ import annotations

from tests.base import TestCase
from tests.web.rig import Rig

ONLINE = {"presence": "online"}


class DurabilityTests(TestCase):
    """When a status is answered."""

    def setUp(self) -> None:
        """A user."""
        self.rig = Rig()
        self.token = self.rig.user("a")
        self.store = self.rig.presence.store

    def test_answer_waits_for_the_store(self) -> None:
        """A PUT is answered when its status is committed, not before (A-27)."""
        self.store.hold()
        put = self.rig.put(self.token, "@a:hs", {**ONLINE, "status_msg": "hi"})
        self.rig.advance(5)
        self.assertNoResult(put)
        self.store.release()
        self.rig.advance(0)
        self.assertEqual(self.successResultOf(put).status, 200)
        self.assertEqual(self.store.users["@a:hs"].status_msg, "hi")

    async def test_what_cannot_be_stored_is_not_acknowledged(self) -> None:
        """A row that the store refuses is a 500 with an errcode, and no fault (A-8)."""
        self.store.refuse("@a:hs")
        reply = await self.rig.put(self.token, "@a:hs", ONLINE)
        self.assertEqual(reply.refusal, (500, "M_UNKNOWN"))
        self.store.accept("@a:hs")
        reply = await self.rig.put(self.token, "@a:hs", ONLINE)
        self.assertEqual(reply.status, 200)

    def test_get_waits_for_nothing(self) -> None:
        """A GET answers at once, though the store is busy and the user is of another
        server (A-48)."""
        self.rig.presence.room("!r:hs", "@a:hs", "@t:remote")
        self.store.hold()
        get = self.rig.get(self.token, "@t:remote")
        self.assertEqual(self.successResultOf(get).status, 200)


class LimitTests(TestCase):
    """Too many at once."""

    def setUp(self) -> None:
        """A user with two changes in hand, who regains one in ten seconds."""
        limit = {"per_second": 0.1, "burst_count": 2}
        self.rig = Rig(rc_presence={"per_user": limit})
        self.token = self.rig.user("a")

    async def put(self, presence: str) -> int:
        """The status of the reply."""
        reply = await self.rig.put(self.token, "@a:hs", {"presence": presence})
        return reply.status

    async def presence(self) -> str:
        """The presence as the user gets it."""
        presence: str = (await self.rig.get(self.token, "@a:hs")).json["presence"]
        return presence

    async def test_limit(self) -> None:
        """What is over the limit is 429 M_LIMIT_EXCEEDED and says until when (A-28)."""
        self.assertEqual([await self.put("online") for _ in range(2)], [200, 200])
        reply = await self.rig.put(self.token, "@a:hs", ONLINE)
        self.assertEqual(reply.refusal, (429, "M_LIMIT_EXCEEDED"))
        self.assertEqual(reply.headers["retry-after"], "10")
        self.assertEqual(reply.json["retry_after_ms"], 10_000)

    async def test_limit_ends_when_it_said(self) -> None:
        """After `retry_after_ms` the status is taken (A-28)."""
        for _ in range(2):
            await self.put("online")
        self.rig.advance(9.5)
        reply = await self.rig.put(self.token, "@a:hs", ONLINE)
        self.assertEqual(reply.json["retry_after_ms"], 500)
        self.assertEqual(reply.headers["retry-after"], "1")
        self.rig.clock.advance(0.5)
        self.assertEqual(await self.put("online"), 200)

    async def test_limit_is_of_the_user(self) -> None:
        """All devices of a user share one limit, others have their own (A-28)."""
        for _ in range(2):
            await self.put("online")
        phone, other = self.rig.user("a", "PHONE"), self.rig.user("b")
        reply = await self.rig.put(phone, "@a:hs", ONLINE)
        self.assertEqual(reply.status, 429)
        self.assertEqual((await self.rig.put(other, "@b:hs", ONLINE)).status, 200)

    async def test_bad_requests_use_up_nothing(self) -> None:
        """A refusal for another reason leaves the bucket as it was (A-28)."""
        for _ in range(5):
            await self.put("nonsense")
            await self.rig.put(self.token, "@b:hs", ONLINE)
        self.assertEqual(await self.put("online"), 200)

    async def test_reading_is_not_limited(self) -> None:
        """GET is never refused for the limit (A-28)."""
        for _ in range(20):
            reply = await self.rig.get(self.token, "@a:hs")
            self.assertEqual(reply.status, 200)

    async def test_last_refused_status_is_applied_when_allowed(self) -> None:
        """Who goes online and offline within the limit ends up offline (A-28, A-83)."""
        for presence in ("online", "unavailable"):
            await self.put(presence)
        for presence in ("online", "offline"):
            self.assertEqual(await self.put(presence), 429)
        self.assertEqual(await self.presence(), "unavailable")
        self.rig.advance(12)
        self.assertEqual(await self.presence(), "offline")

    async def test_refused_status_yields_to_a_later_one(self) -> None:
        """What was refused is not applied after something newer was taken (A-83)."""
        for presence in ("online", "unavailable"):
            await self.put(presence)
        self.assertEqual(await self.put("offline"), 429)
        self.rig.clock.advance(10)
        self.assertEqual(await self.put("online"), 200)
        self.rig.advance(15)
        self.assertEqual(await self.presence(), "online")


class DisabledTests(TestCase):
    """Presence that is switched off."""

    async def test_setting_pretends(self) -> None:
        """Disabled or untracked, a PUT is answered `{}` and does nothing (A-32)."""
        for enabled in (False, "untracked"):
            rig = Rig(enabled=enabled)
            token = rig.user("a")
            reply = await rig.put(token, "@a:hs", ONLINE)
            self.assertEqual((reply.status, reply.json), (200, {}))
            reply = await rig.get(token, "@a:hs")
            self.assertEqual(reply.json, {"presence": "offline"})

    async def test_setting_can_be_refused(self) -> None:
        """`disabled_put: 403` makes it 403 M_FORBIDDEN instead (A-32)."""
        rig = Rig(enabled=False, disabled_put=403)
        reply = await rig.put(rig.user("a"), "@a:hs", ONLINE)
        self.assertEqual(reply.refusal, (403, "M_FORBIDDEN"))

    async def test_mistakes_are_still_mistakes(self) -> None:
        """What is wrong with a request is said although nothing would come of it."""
        rig = Rig(enabled=False)
        token = rig.user("a")
        for user_id, body, status in (
            ("@a:hs", {}, 400),
            ("@b:hs", ONLINE, 403),
            ("b", ONLINE, 400),
        ):
            reply = await rig.put(token, user_id, body)
            self.assertEqual(reply.status, status)
