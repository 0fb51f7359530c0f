"""`PUT` and `GET` of a status, as clients use them."""

from __future__ import annotations

from typing import Any

from matrix_presence.rules.states import BY_NAME
from matrix_presence.web.status import VERSIONS
from tests.base import TestCase
from tests.web.rig import UNLIMITED, Rig

ONLINE = {"presence": "online"}
BUSY = "org.matrix.msc3026.busy"


class SetTests(TestCase):
    """Setting a status."""

    def setUp(self) -> None:
        """A user without any limit."""
        self.rig = Rig(rc_presence=UNLIMITED)
        self.token = self.rig.user("a")

    async def status(self) -> dict[str, Any]:
        """The user's own status, as they get it."""
        json: dict[str, Any] = (await self.rig.get(self.token, "@a:hs")).json
        return json

    async def set(self, body: Any) -> None:
        """Set the status; it is taken."""
        reply = await self.rig.put(self.token, "@a:hs", body)
        self.assertEqual((reply.status, reply.body), (200, b"{}"))

    async def assert_refused(self, body: Any, status: int, errcode: str) -> None:
        """The body is refused and changes nothing."""
        await self.set({"presence": "unavailable", "status_msg": "before"})
        before = await self.status()
        reply = await self.rig.put(self.token, "@a:hs", body)
        self.assertEqual(reply.refusal, (status, errcode), body)
        self.assertEqual(await self.status(), before, body)

    async def test_answer_is_an_empty_object(self) -> None:
        """A status that is taken is answered `{}` (A-27)."""
        await self.set(ONLINE)

    async def test_states(self) -> None:
        """The three states and busy can be set, and are what is got (A-21, A-22)."""
        for presence in ("online", "unavailable", "offline", BUSY):
            await self.set({"presence": presence, "status_msg": presence})
            status = await self.status()
            self.assertEqual(status["presence"], presence)
            self.assertEqual(status["status_msg"], presence)

    async def test_free_for_chat_is_no_state_of_v3(self) -> None:
        """A state of the old specification is refused on v3 (A-22, A-23)."""
        await self.assert_refused({"presence": "free_for_chat"}, 400, "M_BAD_JSON")

    async def test_busy_can_be_switched_off(self) -> None:
        """Without MSC3026 busy is an unknown state (A-22, A-23)."""
        rig = Rig(busy=False)
        reply = await rig.put(rig.user("a"), "@a:hs", {"presence": BUSY})
        self.assertEqual(reply.refusal, (400, "M_BAD_JSON"))

    async def test_presence_is_required(self) -> None:
        """A body without `presence`, with a wrong or unknown one is bad JSON (A-23)."""
        presence: Any
        for presence in ("dnd", "", "Online", "online ", 5, None, ["online"], {}, True):
            await self.assert_refused({"presence": presence}, 400, "M_BAD_JSON")
        await self.assert_refused({}, 400, "M_BAD_JSON")
        await self.assert_refused({"status_msg": "x"}, 400, "M_BAD_JSON")

    async def test_status_msg_is_text(self) -> None:
        """A `status_msg` that is no string is bad JSON (A-21, A-23)."""
        for status_msg in (7, True, ["x"], {"a": 1}, 1.5):
            body = {**ONLINE, "status_msg": status_msg}
            await self.assert_refused(body, 400, "M_BAD_JSON")

    async def test_body_is_json(self) -> None:
        """A body that is not JSON, or none at all, is 400 M_NOT_JSON (A-23)."""
        for body in (b"{", b"", b"presence=online", b"\xff", b'{"presence":"online"}x'):
            await self.assert_refused(body, 400, "M_NOT_JSON")

    async def test_body_is_an_object(self) -> None:
        """JSON that is no object is 400 M_BAD_JSON (A-21, A-23)."""
        for body in (b"[]", b'"online"', b"5", b"null", b"true"):
            await self.assert_refused(body, 400, "M_BAD_JSON")

    async def test_numbers_that_json_lacks_are_no_json(self) -> None:
        """NaN is not JSON, wherever it stands (A-23)."""
        body = b'{"presence":"online","extra":NaN}'
        await self.assert_refused(body, 400, "M_NOT_JSON")

    async def test_other_keys_are_ignored(self) -> None:
        """What is not known does not disturb (A-24)."""
        await self.set(
            {**ONLINE, "last_active_ago": 99999, "user_id": "@x:hs", "a": [1]}
        )
        status = await self.status()
        self.assertEqual(status["last_active_ago"], 0)
        self.assertNotIn("a", status)

    async def test_bad_user_id_is_an_invalid_parameter(self) -> None:
        """A path without a user id is 400 M_INVALID_PARAM (A-23)."""
        for user_id in ("foo", "@foo", "foo:hs", "@:hs", "@a:", "!r:hs", ""):
            for reply in (
                await self.rig.put(self.token, user_id, ONLINE),
                await self.rig.get(self.token, user_id),
            ):
                self.assertEqual(reply.refusal, (400, "M_INVALID_PARAM"), user_id)

    async def test_message_is_cleared(self) -> None:
        """`null`, an empty and an omitted message all clear it (A-25)."""
        for body in ({"status_msg": None}, {"status_msg": ""}, {}):
            await self.set({**ONLINE, "status_msg": "hi"})
            await self.set({**ONLINE, **body})
            self.assertNotIn("status_msg", await self.status(), body)

    async def test_message_is_kept_to_the_letter(self) -> None:
        """Any text comes back as it was set, over every state (A-21, A-41)."""
        text = (
            " \U0001f9c1 \u05e9\u05dc\u05d5\u05dd\n\t'\"\\<b>&amp;\u202e\u00e9e\u0301 "
        )
        for presence in ("online", "unavailable", "offline"):
            await self.set({"presence": presence, "status_msg": text})
            self.assertEqual((await self.status())["status_msg"], text)

    async def test_long_message_is_too_large(self) -> None:
        """More than 1 KiB of UTF-8 is 413 M_TOO_LARGE, 1 KiB is not (A-26)."""
        for text in ("x" * 1024, "é" * 512):
            await self.set({**ONLINE, "status_msg": text})
        for text in ("x" * 1025, "é" * 513, "x" * 70_000):
            body = {**ONLINE, "status_msg": text}
            await self.assert_refused(body, 413, "M_TOO_LARGE")

    async def test_limit_of_the_message_is_an_option(self) -> None:
        """The cap follows `status_msg_limit` (A-26)."""
        rig = Rig(status_msg_limit=3)
        token = rig.user("a")
        reply = await rig.put(token, "@a:hs", {**ONLINE, "status_msg": "abc"})
        self.assertEqual(reply.status, 200)
        reply = await rig.put(token, "@a:hs", {**ONLINE, "status_msg": "abcd"})
        self.assertEqual(reply.refusal, (413, "M_TOO_LARGE"))

    async def test_unstorable_message_is_refused(self) -> None:
        """A NUL and half of a surrogate pair are refused at the door (A-23, A-26)."""
        await self.assert_refused(
            b'{"presence":"online","status_msg":"a\\u0000b"}', 400, "M_BAD_JSON"
        )
        reply = await self.rig.put(
            self.token, "@a:hs", b'{"presence":"online","status_msg":"\\ud800"}'
        )
        self.assertEqual(reply.status, 400)

    async def test_nobody_sets_the_status_of_others(self) -> None:
        """Another user's status is M_FORBIDDEN, whether they exist or not (A-20)."""
        other = self.rig.user("b")
        self.rig.presence.room("!r:hs", "@a:hs", "@b:hs")
        await self.rig.put(other, "@b:hs", {"presence": "unavailable"})
        for user_id in ("@b:hs", "@nobody:hs", "@t:remote", "@A:hs"):
            reply = await self.rig.put(self.token, user_id, ONLINE)
            self.assertEqual(reply.refusal, (403, "M_FORBIDDEN"))
        reply = await self.rig.get(other, "@b:hs")
        self.assertEqual(reply.json["presence"], "unavailable")
        self.assertNotIn("@nobody:hs", self.rig.presence.service.cache.users.index)

    async def test_setting_a_status_is_activity(self) -> None:
        """Each PUT of online brings the activity time up to date (A-29)."""
        await self.set(ONLINE)
        self.rig.advance(5)
        self.assertEqual((await self.status())["last_active_ago"], 5000)
        await self.set(ONLINE)
        self.assertEqual((await self.status())["last_active_ago"], 0)

    async def test_a_status_is_of_the_device_that_sets_it(self) -> None:
        """The most available device is what is shown, until it says less (A-30)."""
        phone = self.rig.user("a", "PHONE")
        await self.set(ONLINE)
        await self.rig.put(phone, "@a:hs", {"presence": "unavailable"})
        self.assertEqual((await self.status())["presence"], "online")
        await self.set({"presence": "offline"})
        self.assertEqual((await self.status())["presence"], "unavailable")

    async def test_token_without_device_is_one_more_device(self) -> None:
        """A token from before devices has a share of its own (A-30)."""
        old = self.rig.user("a", None)
        await self.rig.put(old, "@a:hs", ONLINE)
        await self.set({"presence": "unavailable"})
        self.assertEqual((await self.status())["presence"], "online")
        await self.rig.put(old, "@a:hs", {"presence": "offline"})
        self.assertEqual((await self.status())["presence"], "unavailable")

    async def test_message_is_of_the_user(self) -> None:
        """What one device sets as a message stands for all of them (A-30)."""
        phone = self.rig.user("a", "PHONE")
        await self.set({**ONLINE, "status_msg": "at home"})
        await self.rig.put(phone, "@a:hs", {**ONLINE, "status_msg": "on the way"})
        self.assertEqual((await self.status())["status_msg"], "on the way")

    async def test_repeated_status_is_no_news(self) -> None:
        """The same status once more is taken and told to nobody (A-31)."""
        viewer = self.rig.user("b")
        self.rig.presence.room("!r:hs", "@a:hs", "@b:hs")
        await self.set({**ONLINE, "status_msg": "hi"})
        self.rig.advance(1)
        sync = await self.rig.sync(viewer, set_presence="offline")
        for _ in range(3):
            self.rig.advance(5)
            await self.set({**ONLINE, "status_msg": "hi"})
        self.rig.advance(1)
        again = await self.rig.sync(viewer, sync.next_batch, set_presence="offline")
        self.assertEqual(again.seen, {})


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
        """Nobody learns from the answer whether a user exists (A-43, A-44)."""
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
