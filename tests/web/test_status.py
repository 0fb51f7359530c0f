"""`PUT` of a status, as clients use it."""

from __future__ import annotations

from typing import Any

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
