"""The peer: what it serves, what it hears, what it says."""

from __future__ import annotations

from typing import Any

from signedjson.key import generate_signing_key
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from matrix_presence.check.accounts import Given
from matrix_presence.check.bench import Bench
from matrix_presence.check.cast import Cast
from matrix_presence.check.lab import Lab
from matrix_presence.check.peer.ear import entries_of
from matrix_presence.check.peer.peers import Peers
from matrix_presence.check.peer.rooms import Unjoinable, filled_in
from matrix_presence.check.peer.server import Peer, push
from matrix_presence.check.peer.visit import Visit, stranger
from matrix_presence.check.person import Account
from matrix_presence.check.target import Target
from matrix_presence.check.timers import Timers
from matrix_presence.check.verdicts import Failed, Skipped
from matrix_presence.wire.server_keys import SERVER_PATH, read_server_keys
from tests.base import TestCase
from tests.federation.servers import Internet


class PeerTestCase(TestCase):
    """A peer, and another one that plays the target."""

    def setUp(self) -> None:
        """Put both on the internet."""
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.internet = Internet()
        self.names = iter(("one.test", "three.test"))
        self.two = self.peer("two.test")
        self.peers = Peers(self.open_peer, most=2)
        target = Target(self.internet, "https://two.test", self.clock)
        lab = Lab(target, Timers(), Given([]), peers=self.peers)
        account = Account("@a:two.test", "token")
        cast = Cast(account, account, account, "!room:two.test")
        self.bench = Bench(lab, cast, lab.conversation())
        self.one = self.successResultOf(Deferred.fromCoroutine(self.peers.first()))
        self.visit = Visit.begin(self.bench, self.one)
        self.entry = self.visit.entry()

    def peer(self, name: str) -> Peer:
        """One on the internet."""
        peer = Peer(name, self.internet, self.clock)
        self.internet.agents[name.encode()] = RequestTraversalAgent(peer.resource)
        return peer

    async def open_peer(self) -> Peer:
        """The next one."""
        return self.peer(next(self.names))


class TellingTests(PeerTestCase):
    """Transactions in the name of a peer."""

    async def test_what_is_sent_is_heard(self) -> None:
        """With its origin, and all entries of a user in their order."""
        for status in ("first", "second"):
            reply = await self.visit.send(push({**self.entry, "status_msg": status}, 5))
            self.assertEqual((200, {"pdus": {}}), (reply.status, reply.json))
        said = entries_of(self.visit.user_id, self.two.ear.heard)
        self.assertEqual(["first", "second"], [each["status_msg"] for each in said])
        self.assertEqual({"one.test"}, {each.origin for each in self.two.ear.heard})
        self.assertEqual(1, len(entries_of(self.visit.user_id, self.two.ear.heard[1:])))
        self.assertEqual(2, len(self.bench.conversation.replies))

    async def test_wrong_signatures_are_refused_and_noted(self) -> None:
        """Without one, with a key that is not published, for somebody else (C-54)."""
        wrong: list[dict[str, Any]] = [
            {"signed": False},
            {"key": generate_signing_key("a_other")},
            {"destination": "three.test"},
        ]
        for signed_with in wrong:
            reply = await self.visit.send(push(self.entry), **signed_with)
            self.assertEqual((401, "M_UNAUTHORIZED"), (reply.status, reply.errcode))
        self.assertEqual([], self.two.ear.heard)
        # What is not signed at all does not get so far as to be looked at.
        self.assertEqual(2, len(self.two.refused))

    async def test_the_same_transaction_is_heard_once(self) -> None:
        """However often it comes (C-43)."""
        for _ in range(2):
            await self.visit.send(push(self.entry), txn_id="same")
        self.assertEqual(1, len(self.two.ear.heard))

    async def test_a_peer_that_is_down_answers_nobody(self) -> None:
        """And hears nothing, until it is back."""
        self.two.is_down = True
        with self.assertRaises(Failed):
            await self.visit.push()
        self.two.is_down = False
        await self.visit.push()
        self.assertEqual(1, len(self.two.ear.heard))

    async def test_keys_are_published(self) -> None:
        """Signed by themselves (C-60)."""
        reply = await self.visit.ask("GET", SERVER_PATH, signed=False)
        now = int(self.clock.seconds() * 1000)
        self.assertTrue(read_server_keys(reply.json, "two.test", now).keys)


class TroubleTests(PeerTestCase):
    """What keeps a check from being done is said, and is no failure of the target."""

    async def test_a_target_that_cannot_be_reached(self) -> None:
        """It is tried once, and the name is in the reason."""
        self.internet.down.add(b"two.test")
        for _ in range(2):
            with self.assertRaises(Skipped) as reason:
                await stranger(self.bench)
            self.assertIn("as the server two.test, the target ", str(reason.exception))
        self.assertEqual(1, len(self.internet.asked))

    async def test_a_target_that_cannot_reach_us(self) -> None:
        """Nobody has come for our keys, so that a signature proves nothing to it."""
        self.internet.down.add(b"one.test")
        with self.assertRaises(Skipped) as reason:
            await self.visit.push()
        self.assertIn("does not come to one.test for its keys", str(reason.exception))

    async def test_there_are_only_so_many_peers(self) -> None:
        """With a name that was given there is one."""
        further = await self.visit.another()
        self.assertEqual("three.test", further.peer.name)
        with self.assertRaises(Skipped):
            await self.visit.another()


class HearingTests(PeerTestCase):
    """Waiting for what others say."""

    def wait(self, within: float) -> Deferred[Any]:
        """For an entry of the user of the other peer."""
        ear = self.two.ear
        return Deferred.fromCoroutine(
            ear.until(lambda: entries_of(self.visit.user_id, ear.heard), within)
        )

    async def test_waits_until_it_comes(self) -> None:
        """Other EDUs do not end it."""
        waiting = self.wait(5)
        await self.visit.send({"edu_type": "m.typing", "content": {}})
        self.assertNoResult(waiting)
        self.clock.advance(1)
        await self.visit.push()
        self.assertEqual([self.entry], self.successResultOf(waiting))

    def test_waits_no_longer_than_it_should(self) -> None:
        """Then what there is is the answer."""
        waiting = self.wait(5)
        self.clock.advance(4)
        self.assertNoResult(waiting)
        self.clock.advance(1)
        self.assertEqual([], self.successResultOf(waiting))

    async def test_what_is_no_push_has_no_entries(self) -> None:
        """Whatever form it has."""
        contents: tuple[Any, ...] = ({}, {"push": 5}, {"push": [5]}, [])
        for content in contents:
            await self.visit.send({"edu_type": "m.presence", "content": content})
        pushed = [list(each.entries()) for each in self.two.ear.heard]
        self.assertEqual([[]] * 4, pushed)


class RoomTests(PeerTestCase):
    """Rooms of one peer, users of the other."""

    async def test_a_user_joins_and_leaves(self) -> None:
        """By template and signed event (C-80…C-82)."""
        room_id = self.two.residence.create(self.two.user("host"))
        user_id = self.visit.user_id
        await self.visit.join(room_id)
        self.assertEqual("join", self.two.residence.membership(room_id, user_id))
        await self.visit.leave(room_id)
        self.assertEqual("leave", self.two.residence.membership(room_id, user_id))

    async def test_a_room_that_is_not_there_cannot_be_joined(self) -> None:
        """The status of the answer is said."""
        with self.assertRaises(Failed) as refusal:
            await self.visit.join("!none:two.test")
        self.assertIn("answers make_join with 404", str(refusal.exception))

    async def test_what_was_joined_is_left_in_the_end(self) -> None:
        """With everything else that a check has made."""
        room_id = self.two.residence.create(self.two.user("host"))
        await self.visit.join(room_id)
        await self.bench.clear()
        left = self.two.residence.membership(room_id, self.visit.user_id)
        self.assertEqual("leave", left)

    def test_a_template_for_something_else_is_not_signed(self) -> None:
        """Nobody gets a signature of ours under what was not asked for (C-80)."""
        right = {
            "type": "m.room.member",
            "room_id": "!r:two.test",
            "sender": "@u:one.test",
            "state_key": "@u:one.test",
            "content": {"membership": "join"},
        }
        made = filled_in(
            {"room_version": "11", "event": right},
            "@u:one.test",
            "!r:two.test",
            "join",
            self.one.own,
        )
        self.assertEqual({"one.test"}, set(made.pdu["signatures"]))
        wrong: list[dict[str, Any]] = [
            {"room_version": "99", "event": right},
            {"room_version": "11"},
            {"room_version": "11", "event": {**right, "type": "m.room.create"}},
            {"room_version": "11", "event": {**right, "room_id": "!s:two.test"}},
            {"room_version": "11", "event": {**right, "sender": "@v:one.test"}},
            {"room_version": "11", "event": {**right, "content": {}}},
        ]
        for template in wrong:
            with self.assertRaises(Unjoinable):
                filled_in(template, "@u:one.test", "!r:two.test", "join", self.one.own)
