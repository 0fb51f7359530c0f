"""What wakes a `/sync` that waits, and what does not."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from tests.web.rig import Reply
from tests.web.syncing import UNSEEN, SyncTestCase


class LongPollTests(SyncTestCase):
    """What a sync waits for."""

    async def poll(self, **query: Any) -> Deferred[Reply]:
        """A long poll of the first user that has begun to wait."""
        since = (await self.look()).next_batch
        poll = self.look(since, timeout=30_000, **query)
        self.assertNoResult(poll)
        return poll

    async def test_a_change_wakes(self) -> None:
        """A long poll returns with the change (A-90)."""
        poll = await self.poll()
        await self.put("b")
        self.assertIn("@b:hs", self.successResultOf(poll).seen)

    async def test_a_status_message_alone_wakes(self) -> None:
        """A new message wakes as a change of state does (A-90, B-35)."""
        await self.put("b", status_msg="one")
        poll = await self.poll()
        await self.put("b", status_msg="two")
        reply = self.successResultOf(poll)
        self.assertEqual(reply.seen["@b:hs"]["status_msg"], "two")

    async def test_strangers_do_not_wake(self) -> None:
        """What a client may not see does not end its poll (A-90)."""
        poll = await self.poll()
        await self.put("c")
        self.rig.advance(5)
        self.assertNoResult(poll)

    async def test_time_out_is_an_empty_answer(self) -> None:
        """When nothing happens, the poll returns empty after its time (A-90)."""
        poll = await self.poll()
        self.rig.advance(29.5)
        self.assertNoResult(poll)
        self.rig.advance(1)
        self.assertEqual(self.successResultOf(poll).seen, {})

    async def test_no_time_is_no_wait(self) -> None:
        """`timeout=0` returns at once (A-90)."""
        since = (await self.look()).next_batch
        reply = self.successResultOf(self.look(since, timeout=0))
        self.assertEqual(reply.seen, {})

    async def test_what_is_there_already_is_not_waited_for(self) -> None:
        """A poll with news returns at once (A-90)."""
        since = (await self.look()).next_batch
        await self.put("b")
        reply = self.successResultOf(self.look(since, timeout=30_000))
        self.assertIn("@b:hs", reply.seen)

    async def test_what_is_filtered_out_does_not_wake(self) -> None:
        """A filter that excludes the change lets the poll go on (A-90)."""
        part: dict[str, Any]
        for part in (
            {"types": []},
            {"not_types": ["m.presence"]},
            {"not_senders": ["@b:hs"]},
            {"senders": ["@c:hs"]},
        ):
            poll = await self.poll(filter={"presence": part})
            await self.put("b", status_msg=str(part))
            self.rig.advance(2)
            self.assertNoResult(poll)
            self.rig.advance(30)
            self.assertEqual(self.successResultOf(poll).seen, {}, part)

    async def test_what_the_filter_lets_through_wakes(self) -> None:
        """A filter for one sender wakes for that sender (A-90)."""
        poll = await self.poll(filter={"presence": {"senders": ["@b:hs"]}})
        await self.put("b")
        self.assertIn("@b:hs", self.successResultOf(poll).seen)

    async def test_ignored_users_do_not_wake(self) -> None:
        """A change of somebody ignored lets the poll go on (A-90, A-94)."""
        self.rig.handler.ignores("@a:hs", ["@b:hs"])
        poll = await self.poll()
        await self.put("b")
        self.rig.advance(2)
        self.assertNoResult(poll)

    async def test_a_join_wakes(self) -> None:
        """Somebody who comes into sight ends the poll of both (A-88, A-90)."""
        await self.put("c")
        poll = await self.poll()
        theirs = (await self.rig.sync(self.tokens["c"], **UNSEEN)).next_batch
        other = self.rig.sync(self.tokens["c"], theirs, timeout=30_000, **UNSEEN)
        await self.put("b")
        self.successResultOf(poll)
        poll = await self.poll()
        self.rig.handler.joined("!r:hs", "@c:hs")
        self.rig.advance(2)
        self.assertIn("@c:hs", self.successResultOf(poll).seen)
        self.assertIn("@b:hs", self.successResultOf(other).seen)

    async def test_connecting_is_not_told_twice(self) -> None:
        """A client whose first sync showed it come online does not get the same from
        its next one (A-86, A-87)."""
        reply = await self.rig.sync(self.tokens["a"])
        self.assertEqual(reply.seen["@a:hs"]["presence"], "online")
        poll = self.rig.sync(self.tokens["a"], reply.next_batch, timeout=30_000)
        self.rig.advance(20)
        self.assertNoResult(poll)

    async def test_two_devices_are_both_woken(self) -> None:
        """Each open poll of a user returns with the change (A-90)."""
        since = (await self.look()).next_batch
        phone = self.rig.user("a", "PHONE")
        polls = [
            self.rig.sync(token, since, timeout=30_000, **UNSEEN)
            for token in (self.tokens["a"], phone)
        ]
        await self.put("b")
        for poll in polls:
            self.assertIn("@b:hs", self.successResultOf(poll).seen)

    async def test_changes_within_the_window_come_together(self) -> None:
        """A client that was just woken is not woken again before its window ends, and
        then has the latest (A-87, A-90)."""
        poll = await self.poll()
        await self.put("b", status_msg="1")
        since = self.successResultOf(poll).next_batch
        poll = self.look(since, timeout=30_000)
        await self.put("b", status_msg="2")
        await self.put("b", status_msg="3")
        self.assertNoResult(poll)
        self.rig.advance(1)
        reply = self.successResultOf(poll)
        self.assertEqual(reply.seen["@b:hs"]["status_msg"], "3")

    async def test_a_client_that_leaves_is_forgotten(self) -> None:
        """A poll whose client hangs up waits no more and holds nobody online (A-90)."""
        await self.put("a")
        since = (await self.look()).next_batch
        poll = self.rig.sync(self.tokens["a"], since, timeout=600_000)
        self.assertEqual(len(self.rig.presence.service.waiting), 1)
        poll.addErrback(lambda gone: None)
        poll.cancel()
        self.rig.advance(0)
        self.assertEqual(len(self.rig.presence.service.waiting), 0)
        self.rig.advance(32)
        reply = await self.rig.get(self.tokens["a"], "@a:hs")
        self.assertEqual(reply.json["presence"], "offline")
