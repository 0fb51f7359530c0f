"""What a `/sync` shows, and what wakes it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from matrix_presence.rules.profiles import Profile
from tests.base import TestCase
from tests.web.rig import UNLIMITED, Reply, Rig

_OFFLINE = {"set_presence": "offline"}


class SyncTestCase(TestCase):
    """Two users who share a room, and one who shares none; the first one watches."""

    options: dict[str, Any] = {}  # noqa: RUF012 - replaced by subclasses, never changed

    def setUp(self) -> None:
        """Everybody is known, nobody has done anything."""
        self.rig = Rig(rc_presence=UNLIMITED, **self.options)
        self.tokens = {name: self.rig.user(name) for name in "abcd"}
        self.rig.presence.room("!r:hs", "@a:hs", "@b:hs")
        self.rig.advance(1)

    async def put(self, name: str, presence: str = "online", **body: Any) -> None:
        """This user sets a status, and it is shown."""
        reply = await self.rig.put(
            self.tokens[name], f"@{name}:hs", {"presence": presence, **body}
        )
        self.assertEqual(reply.status, 200)
        self.rig.advance(0.25)

    def look(self, since: str | None = None, **query: Any) -> Deferred[Reply]:
        """The first user syncs without being seen by it."""
        return self.rig.sync(self.tokens["a"], since, **{**_OFFLINE, **query})


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

    async def test_a_restart_loses_no_change(self) -> None:
        """A token from before an orderly restart is answered with what came after it,
        going offline too (A-87, B-53)."""
        await self.put("b")
        since = (await self.look()).next_batch
        await self.put("b", "offline", status_msg="bye")
        await self.rig.presence.stop()
        rig = Rig(store=self.rig.presence.store, clock=self.rig.clock)
        rig.handler.restore_room("!r:hs", ["@a:hs", "@b:hs"])
        reply = await rig.sync(rig.user("a"), since, **_OFFLINE)
        self.assertEqual(reply.seen["@b:hs"]["presence"], "offline")


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
        reply = await self.rig.sync(self.tokens["b"], since, **_OFFLINE)
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

    options = {"include_offline_users_on_sync": True}  # noqa: RUF012 - as above

    async def test_first_sync_shows_everybody(self) -> None:
        """Then a first sync shows those who are offline, too (A-89)."""
        self.assertEqual(set((await self.look()).seen), {"@a:hs", "@b:hs"})


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
        theirs = (await self.rig.sync(self.tokens["c"], **_OFFLINE)).next_batch
        other = self.rig.sync(self.tokens["c"], theirs, timeout=30_000, **_OFFLINE)
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
            self.rig.sync(token, since, timeout=30_000, **_OFFLINE)
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
        reply = await self.rig.sync(self.tokens["b"], **_OFFLINE)
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
