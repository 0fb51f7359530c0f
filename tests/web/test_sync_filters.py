"""Filters of a `/sync`."""

from __future__ import annotations

from typing import Any

from tests.base import TestCase
from tests.web.rig import UNLIMITED, Reply, Rig


class FilterTests(TestCase):
    """The presence part of a filter, from the request to the events."""

    def setUp(self) -> None:
        """Three users are online in a room; the first one watches."""
        self.rig = Rig(rc_presence=UNLIMITED)
        self.token = self.rig.user("a")
        users = [f"@{name}:hs" for name in "bcd"]
        self.rig.presence.room("!r:hs", "@a:hs", *users)
        for user_id in users:
            self.successResultOf(self.rig.presence.set_status(user_id, "online", "hi"))
            self.rig.advance(0.25)

    async def sync(
        self, presence: Any = None, since: str | None = None, **rest: Any
    ) -> Reply:
        """A sync with this filter."""
        filter_json = {**rest} if presence is None else {"presence": presence, **rest}
        reply = await self.rig.sync(
            self.token, since, set_presence="offline", filter=filter_json
        )
        self.assertEqual(reply.status, 200, reply.body)
        return reply

    async def names(self, presence: Any, since: str | None = None) -> str:
        """The names of those who are shown."""
        seen = (await self.sync(presence, since)).seen
        return "".join(sorted(user_id[1] for user_id in seen))

    async def test_types(self) -> None:
        """`types` and `not_types` decide about all, with `*` for anything (A-91)."""
        for part, shown in (
            ({}, "bcd"),
            ({"types": ["m.presence"]}, "bcd"),
            ({"types": ["m.*"]}, "bcd"),
            ({"types": ["*"]}, "bcd"),
            ({"types": ["*pres*ce"]}, "bcd"),
            ({"types": ["m.room.message", "m.presence"]}, "bcd"),
            ({"types": ["m.room.*"]}, ""),
            ({"types": ["m.presenc?"]}, ""),
            ({"types": ["m.[p]resence"]}, ""),
            ({"types": ["*presenc?"]}, ""),
            ({"types": ["[m]*"]}, ""),
            ({"types": []}, ""),
            ({"not_types": ["m.presence"]}, ""),
            ({"not_types": ["*"]}, ""),
            ({"not_types": ["m.room.*"]}, "bcd"),
            ({"not_types": []}, "bcd"),
            ({"types": ["m.presence"], "not_types": ["m.*"]}, ""),
        ):
            self.assertEqual(await self.names(part), shown, part)

    async def test_senders(self) -> None:
        """`senders` and `not_senders` decide about each, and the not wins (A-91,
        A-93)."""
        for part, shown in (
            ({"senders": ["@b:hs"]}, "b"),
            ({"senders": ["@b:hs", "@c:hs"], "not_senders": ["@b:hs"]}, "c"),
            ({"senders": ["@b:hs"], "not_senders": ["@b:hs"]}, ""),
            ({"not_senders": ["@b:hs"]}, "cd"),
            ({"senders": []}, ""),
            ({"not_senders": []}, "bcd"),
            ({"senders": ["@nobody:hs"]}, ""),
            ({"senders": ["@*:hs"]}, ""),
        ):
            self.assertEqual(await self.names(part), shown, part)

    async def test_senders_filter_changes_too(self) -> None:
        """An incremental sync is filtered as a first one is (A-91)."""
        since = (await self.sync()).next_batch
        for user_id in ("@b:hs", "@c:hs"):
            self.rig.presence.set_status(user_id, "unavailable")
        self.rig.advance(1)
        self.assertEqual(await self.names({"senders": ["@c:hs"]}, since), "c")
        self.assertEqual(await self.names({"types": []}, since), "")

    async def test_limit_keeps_the_latest(self) -> None:
        """With a limit those come who changed last (A-92)."""
        self.assertEqual(await self.names({"limit": 1}), "d")
        self.assertEqual(await self.names({"limit": 2}), "cd")
        self.assertEqual(await self.names({"limit": 99}), "bcd")
        since = (await self.sync()).next_batch
        for user_id in ("@c:hs", "@b:hs"):
            self.rig.presence.set_status(user_id, "unavailable")
            self.rig.advance(1)
        self.assertEqual(await self.names({"limit": 1}, since), "b")

    async def test_limit_counts_what_the_filter_lets_through(self) -> None:
        """The limit is taken from those who are wanted at all (A-91, A-92)."""
        part = {"limit": 1, "not_senders": ["@d:hs"]}
        self.assertEqual(await self.names(part), "c")

    async def test_limit_is_a_positive_integer(self) -> None:
        """Any other limit is 400 M_INVALID_PARAM (A-92)."""
        for limit in (0, -1, "1", 1.5, True, [1]):
            reply = await self.rig.sync(
                self.token, filter={"presence": {"limit": limit}}
            )
            self.assertEqual(reply.refusal, (400, "M_INVALID_PARAM"), limit)

    async def test_event_fields(self) -> None:
        """Only the fields asked for are in the events (A-93)."""
        for fields, expected in (
            (["type", "sender"], {"type": "m.presence", "sender": "@d:hs"}),
            (
                ["content.presence", "sender"],
                {"sender": "@d:hs", "content": {"presence": "online"}},
            ),
            (
                ["content.presence", "content.status_msg"],
                {"content": {"presence": "online", "status_msg": "hi"}},
            ),
        ):
            reply = await self.sync({"limit": 1}, event_fields=fields)
            self.assertEqual(reply.json["presence"]["events"], [expected])

    async def test_event_format_is_irrelevant(self) -> None:
        """The events are the same in either format (A-93)."""
        plain = await self.sync()
        for event_format in ("client", "federation"):
            reply = await self.sync(event_format=event_format)
            self.assertEqual(reply.body, plain.body)

    async def test_filters_of_other_parts_are_not_read(self) -> None:
        """What is said about rooms does not touch presence (A-91)."""
        reply = await self.sync(
            room={"timeline": {"limit": 0, "types": []}, "rooms": []},
            account_data={"types": []},
        )
        self.assertEqual(len(reply.seen), 3)

    async def test_wrong_types_are_invalid(self) -> None:
        """A filter that is not as specified is 400 M_INVALID_PARAM (A-91)."""
        filter_json: dict[str, Any]
        for filter_json in (
            {"presence": []},
            {"presence": "m.presence"},
            {"presence": {"types": "m.presence"}},
            {"presence": {"types": [1]}},
            {"presence": {"not_types": {}}},
            {"presence": {"senders": "@b:hs"}},
            {"presence": {"not_senders": [None]}},
            {"event_fields": "sender"},
        ):
            reply = await self.rig.sync(self.token, filter=filter_json)
            self.assertEqual(reply.refusal, (400, "M_INVALID_PARAM"), filter_json)
