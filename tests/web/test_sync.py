"""What a `/sync` shows."""

from __future__ import annotations

from typing import Any, ClassVar

from matrix_presence.rules.profiles import Profile
from tests.web.rig import Rig
from tests.web.syncing import UNSEEN, SyncTestCase


class EventTests(SyncTestCase):
    """The events themselves."""

    async def test_place_and_shape(self) -> None:
        """Events are in `presence.events` and have these keys only (A-84, A-85)."""
        await self.put("b", status_msg="hi")
        reply = await self.look()
        self.assertEqual(
            reply.json["presence"],
            {
                "events": [
                    {
                        "type": "m.presence",
                        "sender": "@b:hs",
                        "content": {
                            "presence": "online",
                            "status_msg": "hi",
                            "last_active_ago": 250,
                            "currently_active": True,
                        },
                    }
                ]
            },
        )

    async def test_profile_is_carried(self) -> None:
        """The global name and picture are in the content, where set (A-85, A-113)."""
        self.rig.handler.profile_changed("@b:hs", Profile("Bob", None))
        await self.put("b")
        content = (await self.look()).seen["@b:hs"]
        self.assertEqual(content["displayname"], "Bob")
        self.assertNotIn("avatar_url", content)
        self.assertEqual((await self.look()).seen["@b:hs"]["displayname"], "Bob")

    async def test_own_presence_is_included(self) -> None:
        """A user sees their own presence, also changed by another device (A-86)."""
        phone = self.rig.user("a", "PHONE")
        await self.put("a")
        reply = await self.look()
        self.assertEqual(reply.seen["@a:hs"]["presence"], "online")
        await self.rig.put(phone, "@a:hs", {"presence": "online", "status_msg": "hi"})
        self.rig.advance(1)
        reply = await self.look(reply.next_batch)
        self.assertEqual(reply.seen["@a:hs"]["status_msg"], "hi")

    async def test_both_versions_show_the_same(self) -> None:
        """The presence part does not depend on the version of the path (A-84)."""
        await self.put("b")
        for version in ("v3", "r0"):
            self.assertIn("@b:hs", (await self.look(version=version)).seen)


class IncrementalTests(SyncTestCase):
    """With a token from an earlier sync."""

    async def test_every_change_comes_once(self) -> None:
        """A change is in the next sync and in none after it (A-87)."""
        since = (await self.look()).next_batch
        for presence in ("online", "unavailable", "online", "offline"):
            await self.put("b", presence)
            reply = await self.look(since)
            self.assertEqual(reply.seen["@b:hs"]["presence"], presence)
            since = reply.next_batch
            reply = await self.look(since)
            self.assertEqual((reply.seen, reply.next_batch), ({}, since))

    async def test_only_the_latest_state_comes(self) -> None:
        """Several changes between two syncs are one event (A-87)."""
        since = (await self.look()).next_batch
        for presence in ("online", "offline", "unavailable"):
            await self.put("b", presence, status_msg=presence)
        reply = await self.look(since)
        self.assertEqual(list(reply.seen), ["@b:hs"])
        self.assertEqual(reply.seen["@b:hs"]["status_msg"], "unavailable")

    async def test_an_old_token_is_as_good(self) -> None:
        """However old the token, all who changed since come, with who they are now,
        and nobody else (A-87)."""
        self.rig.presence.room("!s:hs", "@a:hs", "@c:hs", "@d:hs")
        await self.put("d")
        since = (await self.look()).next_batch
        await self.put("b", "unavailable")
        for number in range(100):
            await self.put("c", status_msg=str(number))
        seen = (await self.look(since)).seen
        self.assertEqual(set(seen), {"@b:hs", "@c:hs"})
        self.assertEqual(seen["@c:hs"]["status_msg"], "99")

    async def test_time_outs_come_too(self) -> None:
        """Going idle and going offline by time-out are changes as any (A-87)."""
        await self.put("b")
        since = (await self.look()).next_batch
        self.rig.advance(32)
        reply = await self.look(since)
        self.assertEqual(reply.seen["@b:hs"]["presence"], "offline")

    async def test_strangers_never_come(self) -> None:
        """Who shares no room is not shown, first or later (A-87)."""
        await self.put("c")
        reply = await self.look()
        self.assertEqual(reply.seen, {})
        await self.put("c", "unavailable")
        self.assertEqual((await self.look(reply.next_batch)).seen, {})

    async def test_profile_change_comes_whatever_the_state(self) -> None:
        """A new name is told although its user is offline (A-87, D-7)."""
        since = (await self.look()).next_batch
        self.rig.handler.profile_changed("@b:hs", Profile("Bob", "mxc://hs/b"))
        self.rig.advance(1)
        self.assertEqual(
            (await self.look(since)).seen["@b:hs"],
            {"presence": "offline", "displayname": "Bob", "avatar_url": "mxc://hs/b"},
        )

    async def test_a_change_before_its_tick_comes_after_it(self) -> None:
        """What is gathered for the next tick is in a sync after it, not lost (A-87)."""
        since = (await self.look()).next_batch
        await self.rig.put(self.tokens["b"], "@b:hs", {"presence": "online"})
        before = await self.look(since)
        self.rig.advance(1)
        after = await self.look(before.next_batch)
        self.assertIn("@b:hs", {**before.seen, **after.seen})
        self.assertEqual((await self.look(after.next_batch)).seen, {})

    async def test_who_comes_in_comes_once(self) -> None:
        """Also where they did something before, and the sync is before the tick (A-88).

        Clients are woken by the join itself, which is in the room.
        """
        since = (await self.look()).next_batch
        await self.put("c")
        self.rig.presence.handler.joined("!r:hs", "@c:hs")
        reply = await self.look(since)
        self.assertIn("@c:hs", reply.seen)
        self.rig.advance(1)
        self.assertNotIn("@c:hs", (await self.look(reply.next_batch)).seen)

    async def test_a_restart_loses_no_change(self) -> None:
        """A token from before an orderly restart is answered with what came after it,
        going offline too (A-87, B-53)."""
        await self.put("b")
        since = (await self.look()).next_batch
        await self.put("b", "offline", status_msg="bye")
        await self.rig.presence.stop()
        rig = Rig(store=self.rig.presence.store, clock=self.rig.clock)
        rig.handler.restore_room("!r:hs", ["@a:hs", "@b:hs"])
        reply = await rig.sync(rig.user("a"), since, **UNSEEN)
        self.assertEqual(reply.seen["@b:hs"]["presence"], "offline")


class FirstTests(SyncTestCase):
    """Without a token, or with `full_state`."""

    async def test_first_sync_shows_who_is_there(self) -> None:
        """A first sync shows all who are not offline, and nobody else (A-89)."""
        self.rig.presence.room("!s:hs", "@a:hs", "@c:hs", "@d:hs")
        await self.put("b")
        await self.put("c", "unavailable")
        await self.put("d", "offline", status_msg="gone fishing")
        self.assertEqual(set((await self.look()).seen), {"@b:hs", "@c:hs"})

    async def test_full_state_shows_the_unchanged_too(self) -> None:
        """With `full_state` a token does not leave out who did not change (A-89)."""
        await self.put("b")
        since = (await self.look()).next_batch
        self.assertEqual((await self.look(since)).seen, {})
        reply = await self.look(since, full_state="true")
        self.assertEqual(reply.seen["@b:hs"]["presence"], "online")

    async def test_full_state_tells_who_went_offline(self) -> None:
        """With a token, `full_state` still tells who is gone since (A-87, A-89)."""
        await self.put("b")
        since = (await self.look()).next_batch
        await self.put("b", "offline")
        reply = await self.look(since, full_state="true")
        self.assertEqual(reply.seen["@b:hs"]["presence"], "offline")

    async def test_nothing_is_lost_after_a_first_sync(self) -> None:
        """The token of a first sync is followed by every later change (A-87, A-89)."""
        since = (await self.look()).next_batch
        await self.put("b")
        self.assertIn("@b:hs", (await self.look(since)).seen)


class OfflineShownTests(SyncTestCase):
    """With the option `include_offline_users_on_sync`."""

    options: ClassVar[dict[str, Any]] = {"include_offline_users_on_sync": True}

    async def test_first_sync_shows_everybody(self) -> None:
        """Then a first sync shows those who are offline, too (A-89)."""
        self.assertEqual(set((await self.look()).seen), {"@a:hs", "@b:hs"})
