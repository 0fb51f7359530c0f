"""What a `/sync` does to the presence of who sends it."""

from __future__ import annotations

from typing import Any

from matrix_presence.web.call import Answer, Call
from tests.base import TestCase
from tests.web.rig import UNLIMITED, Reply, Rig

BUSY = "org.matrix.msc3026.busy"


class SetPresenceTests(TestCase):
    """The parameter `set_presence`."""

    def setUp(self) -> None:
        """A user, and one who sees them."""
        self.rig = Rig(rc_presence=UNLIMITED)
        self.token, self.viewer = self.rig.user("a"), self.rig.user("b")
        self.rig.presence.room("!r:hs", "@a:hs", "@b:hs")

    async def sync(self, set_presence: str | None = None, **query: Any) -> str:
        """One sync of the user; the token for the next."""
        if set_presence is not None:
            query["set_presence"] = set_presence
        reply = await self.rig.sync(self.token, **query)
        self.assertEqual(reply.status, 200)
        return reply.next_batch

    async def status(self) -> dict[str, Any]:
        """The user as the other one gets them."""
        json: dict[str, Any] = (await self.rig.get(self.viewer, "@a:hs")).json
        return json

    async def assert_is(self, presence: str) -> None:
        """The other one gets and syncs this presence."""
        self.assertEqual((await self.status())["presence"], presence)
        self.rig.advance(0.25)
        reply = await self.rig.sync(self.viewer, set_presence="offline")
        seen = reply.seen.get("@a:hs", {"presence": "offline"})
        self.assertEqual(seen["presence"], presence)

    async def test_omitted_is_online(self) -> None:
        """Without the parameter a sync marks its user online (A-80)."""
        await self.sync()
        await self.assert_is("online")

    async def test_online_is_online(self) -> None:
        """`online` marks the user online (A-80)."""
        await self.sync("online")
        await self.assert_is("online")

    async def test_unavailable_is_idle(self) -> None:
        """`unavailable` marks the user idle, and `online` ends it (A-80)."""
        await self.sync("unavailable")
        await self.assert_is("unavailable")
        await self.sync("online")
        await self.assert_is("online")

    async def test_offline_marks_nobody(self) -> None:
        """`offline` does not make a user online, on any version (A-80)."""
        for version in ("v3", "r0"):
            await self.sync("offline", version=version)
            await self.assert_is("offline")

    async def test_omitted_ends_unavailable(self) -> None:
        """Without the parameter, who had set unavailable is online again (A-80)."""
        await self.rig.put(self.token, "@a:hs", {"presence": "unavailable"})
        await self.sync()
        await self.assert_is("online")

    async def test_other_values_are_invalid(self) -> None:
        """Any other value is 400 M_INVALID_PARAM and marks nobody (A-81)."""
        for value in ("bogus", "", "ONLINE", "online,offline", "hidden", "0"):
            reply = await self.rig.sync(self.token, set_presence=value)
            self.assertEqual(reply.refusal, (400, "M_INVALID_PARAM"), value)
        await self.assert_is("offline")

    async def test_busy_may_be_stated(self) -> None:
        """With MSC3026 a sync may state busy, without it that is invalid (A-81)."""
        await self.sync(BUSY)
        await self.assert_is(BUSY)
        rig = Rig(busy=False)
        reply = await rig.sync(rig.user("a"), set_presence=BUSY)
        self.assertEqual(reply.refusal, (400, "M_INVALID_PARAM"))

    async def test_undecodable_value_is_invalid(self) -> None:
        """A value that is not UTF-8 is 400 M_INVALID_PARAM (A-81)."""
        path = "/_matrix/client/v3/sync?set_presence=%FF"
        reply = await self.rig.request("GET", path, token=self.token)
        self.assertEqual(reply.refusal, (400, "M_INVALID_PARAM"))

    async def test_offline_leaves_the_others_alone(self) -> None:
        """`offline` neither ends nor prolongs what another device is (A-82)."""
        phone = self.rig.user("a", "PHONE")
        await self.rig.put(phone, "@a:hs", {"presence": "online", "status_msg": "hi"})
        for _ in range(5):
            await self.sync("offline")
            await self.assert_is("online")
            self.rig.advance(5)
        self.rig.advance(6)
        await self.sync("offline")
        await self.assert_is("offline")

    async def test_offline_keeps_what_was_seen_until_its_time(self) -> None:
        """`offline` from the device that was online lets it run out (A-82)."""
        await self.sync("online")
        self.rig.advance(5)
        await self.sync("offline")
        await self.assert_is("online")
        for _ in range(6):
            self.rig.advance(5)
            await self.sync("offline")
        await self.assert_is("offline")

    async def test_offline_keeps_the_message(self) -> None:
        """A sync never touches the status message (A-82, A-25)."""
        await self.rig.put(
            self.token, "@a:hs", {"presence": "online", "status_msg": "hi"}
        )
        for set_presence in ("offline", "unavailable", "online", None):
            await self.sync(set_presence)
            self.assertEqual((await self.status())["status_msg"], "hi")

    async def test_plain_sync_keeps_busy(self) -> None:
        """Busy is set by a status and outlives syncs (A-80, B-50)."""
        await self.rig.put(self.token, "@a:hs", {"presence": BUSY})
        for set_presence in (None, "online", "unavailable"):
            await self.sync(set_presence)
            await self.assert_is(BUSY)

    async def test_plain_sync_reveals_nobody(self) -> None:
        """Who set offline is not made online by a sync that says nothing (A-80,
        B-47)."""
        await self.rig.put(self.token, "@a:hs", {"presence": "offline"})
        await self.sync()
        await self.assert_is("offline")
        await self.sync("online")
        await self.assert_is("online")

    async def test_open_poll_keeps_online(self) -> None:
        """A user is online as long as a poll is open, and for a while after (A-80,
        B-46)."""
        since = await self.sync()
        nothing: dict[str, Any] = {"presence": {"types": []}}
        poll = self.rig.sync(self.token, since, timeout=90_000, filter=nothing)
        self.rig.advance(80)
        await self.assert_is("online")
        self.rig.advance(40)
        self.assertEqual(self.successResultOf(poll).status, 200)
        self.rig.advance(5)
        await self.assert_is("offline")

    async def test_polling_is_no_activity(self) -> None:
        """A poll that goes on does not bring the activity time up to date (A-80,
        B-18)."""
        since = await self.sync()
        for _ in range(4):
            self.rig.advance(5)
            since = await self.sync(since=since)
        self.assertEqual((await self.status())["last_active_ago"], 20_000)


class LimitTests(TestCase):
    """Syncs over the limit."""

    def setUp(self) -> None:
        """A user who has one change in hand and regains one in ten seconds."""
        limit = {"per_second": 0.1, "burst_count": 1}
        self.rig = Rig(rc_presence={"per_user": limit})
        self.token = self.rig.user("a")

    async def sync(self, set_presence: str | None = None) -> None:
        """One sync, which is never refused."""
        query = {} if set_presence is None else {"set_presence": set_presence}
        reply = await self.rig.sync(self.token, **query)
        self.assertEqual(reply.status, 200)

    async def assert_is(self, presence: str) -> None:
        """The user has this presence."""
        reply = await self.rig.get(self.token, "@a:hs")
        self.assertEqual(reply.json["presence"], presence)

    async def test_sync_is_never_refused(self) -> None:
        """Any number of syncs that say something else is answered 200 (A-83)."""
        for _ in range(20):
            for set_presence in ("online", "unavailable", "offline"):
                await self.sync(set_presence)

    async def test_over_the_limit_the_statement_waits(self) -> None:
        """What is stated over the limit shows when the limit allows (A-83)."""
        await self.sync("online")
        await self.sync("unavailable")
        await self.assert_is("online")
        self.rig.advance(12)
        await self.assert_is("unavailable")

    async def test_the_last_statement_counts(self) -> None:
        """Whoever states several things within the limit ends with the last (A-83)."""
        for statements in (
            ("online", "unavailable", "online"),
            ("online", "unavailable", "online", "unavailable"),
            ("unavailable", "online", "unavailable", "online"),
        ):
            self.setUp()
            for set_presence in statements:
                await self.sync(set_presence)
                self.rig.clock.advance(1)
            self.rig.advance(20)
            await self.assert_is(statements[-1])

    async def test_over_the_limit_is_still_connected(self) -> None:
        """A sync over the limit keeps its user connected (A-83)."""
        await self.sync("online")
        for _ in range(10):
            for set_presence in ("unavailable", "online"):
                await self.sync(set_presence)
            self.rig.advance(5)
        reply = await self.rig.get(self.token, "@a:hs")
        self.assertNotEqual(reply.json["presence"], "offline")

    async def test_continued_syncs_use_up_nothing(self) -> None:
        """A poll that goes on with what it said needs no allowance (A-83)."""
        for _ in range(5):
            await self.sync()
        self.rig.clock.advance(10)
        for _ in range(5):
            await self.sync()
        await self.sync("unavailable")
        await self.assert_is("unavailable")


class UnreachableTests(TestCase):
    """Presence that is switched off."""

    async def test_set_presence_is_checked_and_ignored(self) -> None:
        """Without presence the parameter does nothing, but has to be right (A-32,
        A-81)."""
        rig = Rig(enabled=False)
        token = rig.user("a")
        reply = await rig.sync(token, set_presence="bogus")
        self.assertEqual(reply.refusal, (400, "M_INVALID_PARAM"))
        reply = await rig.sync(token, set_presence="unavailable")
        self.assertEqual(reply.seen, {})
        self.assertEqual(len(rig.presence.service.cache.present), 0)


class SlidingSyncTests(TestCase):
    """A host's `POST /v4/sync`, which has `set_presence` in its body."""

    def setUp(self) -> None:
        """A host whose sliding sync has nothing but that."""
        self.rig = Rig(rc_presence=UNLIMITED)
        self.token = self.rig.user("a")
        self.rig.router.add("POST", "_matrix/client/v4/sync", self.slide)

    async def slide(self, call: Call) -> Answer:
        """Connect who asks, as their body says."""
        requester = await self.rig.homeserver.authenticate(call.request)
        set_presence = call.json().get("set_presence")
        with self.rig.presence.sync.connected(requester, set_presence):
            return 200, {}

    async def post(self, body: dict[str, Any]) -> Reply:
        """The reply to a sliding sync."""
        return await self.rig.request(
            "POST", "/_matrix/client/v4/sync", token=self.token, body=body
        )

    async def test_states(self) -> None:
        """The field means what the parameter of v3 means (A-96)."""
        for body, presence in (
            ({"set_presence": "offline"}, "offline"),
            ({"set_presence": "unavailable"}, "unavailable"),
            ({}, "online"),
        ):
            self.assertEqual((await self.post(body)).status, 200)
            status = (await self.rig.get(self.token, "@a:hs")).json
            self.assertEqual(status["presence"], presence)

    async def test_other_values_are_invalid(self) -> None:
        """Any other value, of whatever type, is 400 M_INVALID_PARAM (A-96)."""
        value: Any
        for value in ("bogus", "", 5, True, ["online"], {"online": 1}):
            reply = await self.post({"set_presence": value})
            self.assertEqual(reply.refusal, (400, "M_INVALID_PARAM"), value)
