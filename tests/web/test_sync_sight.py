"""Who comes into sight of a `/sync`, and who is out of it."""

from __future__ import annotations

from tests.base import TestCase
from tests.web.rig import Rig
from tests.web.syncing import UNSEEN, SyncTestCase


class JoinTests(SyncTestCase):
    """Coming into each other's sight, and out of it."""

    async def test_joiner_sees_the_members(self) -> None:
        """The members of a newly joined room come, although unchanged (A-88)."""
        await self.put("c")
        since = (await self.look()).next_batch
        self.rig.handler.joined("!c:hs", "@c:hs")
        self.rig.handler.joined("!c:hs", "@a:hs")
        self.rig.advance(0)
        reply = await self.look(since)
        self.assertEqual(reply.seen["@c:hs"]["presence"], "online")
        self.assertIsInstance(reply.seen["@c:hs"]["last_active_ago"], int)
        self.assertEqual((await self.look(reply.next_batch)).seen, {})

    async def test_members_see_the_joiner(self) -> None:
        """Who newly joins a shared room comes, although unchanged, once (A-88)."""
        await self.put("c")
        since = (await self.look()).next_batch
        self.rig.handler.joined("!r:hs", "@c:hs")
        self.rig.advance(0)
        reply = await self.look(since)
        self.assertEqual(reply.seen["@c:hs"]["presence"], "online")
        self.assertIsInstance(reply.seen["@c:hs"]["last_active_ago"], int)
        self.assertEqual((await self.look(reply.next_batch)).seen, {})

    async def test_who_leaves_gets_nothing_further(self) -> None:
        """After the last shared room is left, neither side hears more (A-95)."""
        await self.put("b")
        since = (await self.look()).next_batch
        self.rig.handler.left("!r:hs", "@b:hs")
        await self.put("b", "unavailable")
        await self.put("a", status_msg="still there?")
        self.assertNotIn("@b:hs", (await self.look(since)).seen)
        self.assertNotIn("@b:hs", (await self.look()).seen)
        reply = await self.rig.sync(self.tokens["b"], since, **UNSEEN)
        self.assertNotIn("@a:hs", reply.seen)

    async def test_one_of_two_shared_rooms_is_enough(self) -> None:
        """Leaving one of two shared rooms changes nothing (A-95)."""
        self.rig.presence.room("!s:hs", "@a:hs", "@b:hs")
        self.rig.handler.left("!r:hs", "@b:hs")
        since = (await self.look()).next_batch
        await self.put("b")
        self.assertIn("@b:hs", (await self.look(since)).seen)

    async def test_deactivated_users_say_goodbye(self) -> None:
        """The end of an account is told once, as offline (D-40)."""
        await self.put("b", status_msg="hi")
        since = (await self.look()).next_batch
        self.rig.handler.deactivated("@b:hs")
        self.rig.handler.left("!r:hs", "@b:hs")
        self.rig.advance(1)
        reply = await self.look(since)
        self.assertEqual(reply.seen["@b:hs"]["presence"], "offline")
        self.assertNotIn("status_msg", reply.seen["@b:hs"])
        self.assertEqual((await self.look(reply.next_batch)).seen, {})


class IgnoredTests(SyncTestCase):
    """Users who are ignored."""

    async def test_ignored_users_are_not_shown(self) -> None:
        """Neither a first sync nor a later one shows them (A-94)."""
        self.rig.presence.room("!s:hs", "@a:hs", "@c:hs")
        self.rig.handler.ignores("@a:hs", ["@b:hs"])
        for name in "bc":
            await self.put(name)
        reply = await self.look()
        self.assertEqual(set(reply.seen), {"@c:hs"})
        for name in "bc":
            await self.put(name, "unavailable")
        for query in ({}, {"full_state": "true"}):
            later = await self.look(reply.next_batch, **query)
            self.assertEqual(set(later.seen), {"@c:hs"})

    async def test_ignoring_is_one_way(self) -> None:
        """Who is ignored still sees who ignores them (A-94)."""
        self.rig.handler.ignores("@a:hs", ["@b:hs"])
        await self.put("a")
        reply = await self.rig.sync(self.tokens["b"], **UNSEEN)
        self.assertIn("@a:hs", reply.seen)

    async def test_the_list_is_replaced(self) -> None:
        """Who is no longer on the list is shown again (A-94)."""
        await self.put("b")
        self.rig.handler.ignores("@a:hs", ["@b:hs"])
        self.rig.handler.ignores("@a:hs", [])
        self.assertIn("@b:hs", (await self.look()).seen)

    async def test_nobody_ignores_themselves(self) -> None:
        """A list with oneself on it hides nothing of oneself (A-86, A-94)."""
        self.rig.handler.ignores("@a:hs", ["@a:hs"])
        await self.put("a")
        self.assertIn("@a:hs", (await self.look()).seen)


class DisabledTests(TestCase):
    """Presence that is switched off, or left to others."""

    async def test_disabled_shows_nobody(self) -> None:
        """With `enabled: false` the events are empty, whatever is stored (A-32)."""
        rig = Rig(enabled=False)
        token = rig.user("a")
        rig.presence.room("!r:hs", "@a:hs", "@b:hs")
        rig.presence.set_status("@b:hs", "online")
        rig.advance(1)
        reply = await rig.sync(token)
        self.assertEqual(reply.seen, {})
        poll = rig.sync(token, reply.next_batch, timeout=2000)
        rig.presence.set_status("@b:hs", "unavailable")
        rig.advance(1)
        self.assertNoResult(poll)
        rig.advance(2)
        self.assertEqual(self.successResultOf(poll).seen, {})

    async def test_untracked_shows_what_others_set(self) -> None:
        """With `untracked` a sync sets nothing and shows what is set (A-32)."""
        rig = Rig(enabled="untracked")
        token = rig.user("a")
        rig.presence.room("!r:hs", "@a:hs", "@b:hs")
        rig.presence.set_status("@b:hs", "online")
        rig.advance(1)
        self.assertEqual(set((await rig.sync(token)).seen), {"@b:hs"})
        rig.advance(1)
        self.assertEqual(set((await rig.sync(token)).seen), {"@b:hs"})
