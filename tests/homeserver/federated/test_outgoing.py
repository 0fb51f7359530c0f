"""What other servers are brought of our rooms, and when."""

from __future__ import annotations

from itertools import chain
from typing import Any

from signedjson.key import generate_signing_key
from twisted.internet.defer import Deferred

from matrix_presence.errors import BadJson
from matrix_presence.homeserver.drafts import Draft, Signer
from matrix_presence.homeserver.federated import outgoing
from matrix_presence.homeserver.federated.outgoing import Outgoing
from tests.federation.servers import Internet, Server
from tests.homeserver.rooms import ALICE, BOB, RoomsTestCase

DAVE, ERIN, FRED = "@dave:far.test", "@erin:far.test", "@fred:off.test"


class OutgoingTests(RoomsTestCase):
    """A server whose rooms have members elsewhere."""

    def setUp(self) -> None:
        """Two other servers."""
        super().setUp()
        self.internet = Internet()
        here = Server(self.internet, self.clock, "hs.test")
        self.link = here.link
        self.far = Server(self.internet, self.clock, "far.test")
        self.off = Server(self.internet, self.clock, "off.test")
        self.restart()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """What the server does at its end."""
        self.done(self.outgoing.stop())

    def restart(self) -> None:
        """From what is on disk."""
        self.start()
        journal = self.rooms.journal
        self.outgoing = Outgoing(self.clock, self.link, journal, chance=lambda: 1.0)
        self.link.answered = self.outgoing.back
        self.done(self.outgoing.load(self.rooms, "hs.test"))
        self.rooms.distribute = self.outgoing.distribute
        self.pass_time(0)

    def pass_time(self, seconds: float = 1) -> None:
        """Let time pass."""
        self.clock.pump([seconds / 4] * 4)

    def come(self, user_id: str, room_id: str, membership: str = "join") -> None:
        """A user of another server comes in, or goes; their server knows."""
        room = self.rooms.get(room_id)
        assert room is not None
        server = user_id.partition(":")[2]
        content = {"membership": membership}
        draft = Draft(user_id, "m.room.member", content, user_id)
        signer = Signer(server, generate_signing_key("x"), self.clock)
        event = signer.signed(self.rooms.signer.template(draft, room), room.version)
        self.rooms.append_signed(room, event, server)
        self.done(self.rooms.journal.stored())
        self.pass_time()

    def release(self, held: Deferred[None]) -> None:
        """The other server answers at last."""
        self.far.held = None
        held.callback(None)
        self.internet.agents[b"far.test"].flush()

    def brought(self, server: Server) -> list[list[str]]:
        """By transaction: what each event said, since the last call."""
        taken, server.pdus = server.pdus, []
        return [[_said(pdu) for pdu in pdus] for _, pdus in taken]

    def shared_room(self, *members: str) -> str:
        """A room of Alice with these members."""
        room_id = self.room()
        for user_id in members or (DAVE,):
            self.come(user_id, room_id)
        self.pass_time()
        for server in (self.far, self.off):
            self.brought(server)
        return room_id

    def test_what_is_said_in_a_room_goes_to_the_servers_in_it(self) -> None:
        """And to no others, nor from rooms that are ours alone (C-40)."""
        shared, own = self.shared_room(), self.room()
        self.say(ALICE, own, "for us")
        self.say(ALICE, shared, "for all")
        self.pass_time()
        self.assertEqual([["for all"]], self.brought(self.far))
        self.assertEqual([], self.brought(self.off))

    def test_nothing_goes_out_before_it_is_on_disk(self) -> None:
        """What others know we must not forget."""
        room_id = self.shared_room()
        held: Deferred[None] = Deferred()

        async def settled() -> None:
            await held

        self.rooms.journal.settled = settled  # type: ignore[method-assign]  # a slow disk
        self.say(ALICE, room_id)
        self.pass_time()
        self.assertEqual([], self.brought(self.far))
        held.callback(None)
        self.assertEqual([["hello"]], self.brought(self.far))

    def test_many_servers_are_brought_it_in_many_turns(self) -> None:
        """To sign for all of them at once would hold the reactor."""
        self.patch(outgoing, "_A_TURN", 1)
        room_id = self.shared_room(DAVE, FRED)
        begun: list[str] = []
        settled, send = self.rooms.journal.settled, self.link.send_pdus

        async def turn() -> None:
            begun.append("turn")
            await settled()

        async def sent(name: str, pdus: bytes) -> dict[str, object]:
            begun.append(name)
            return await send(name, pdus)

        self.patch(self.rooms.journal, "settled", turn)
        self.patch(self.link, "send_pdus", sent)
        self.say(ALICE, room_id)
        self.pass_time()
        self.assertEqual(["turn", "turn"], begun[0:4:2])
        self.assertEqual({"far.test", "off.test"}, set(begun[1:4:2]))
        self.assertEqual([["hello"]], self.brought(self.far))
        self.assertEqual([["hello"]], self.brought(self.off))

    def test_what_comes_meanwhile_has_to_be_on_disk_too(self) -> None:
        """It does not slip into the transaction behind the one that is under way."""
        room_id = self.shared_room()
        self.far.held = Deferred()
        self.say(ALICE, room_id, "one")
        self.pass_time()
        held: Deferred[None] = Deferred()

        async def settled() -> None:
            await held

        self.rooms.journal.settled = settled  # type: ignore[method-assign]  # a slow disk
        self.say(ALICE, room_id, "two")
        self.release(self.far.held)
        self.pass_time()
        self.assertEqual([["one"]], self.brought(self.far))
        held.callback(None)
        self.assertEqual([["two"]], self.brought(self.far))

    def test_a_disk_that_fails_holds_nothing_up_for_long(self) -> None:
        """What is on disk goes out a moment later."""
        room_id = self.shared_room()
        settled = self.rooms.journal.settled

        async def fails() -> None:
            raise OSError("no space")

        self.rooms.journal.settled = fails  # type: ignore[method-assign]  # a full disk
        self.say(ALICE, room_id)
        self.pass_time()
        self.assertIn("no space", self.logged_errors()[0])
        self.assertEqual([], self.brought(self.far))
        self.rooms.journal.settled = settled  # type: ignore[method-assign]
        self.pass_time(10)
        self.assertEqual([["hello"]], self.brought(self.far))

    def test_order_is_kept_one_transaction_at_a_time(self) -> None:
        """What is said meanwhile goes along with the next one (C-42)."""
        room_id = self.shared_room()
        self.far.held = Deferred()
        for text in ("one", "two", "three"):
            self.say(ALICE, room_id, text)
            self.pass_time()
        self.assertEqual([], self.brought(self.far))
        self.release(self.far.held)
        self.pass_time()
        self.assertEqual([["one"], ["two", "three"]], self.brought(self.far))

    def test_presence_waits_for_the_answer_too(self) -> None:
        """A server gets one transaction at a time, whatever is in it (C-42)."""
        room_id = self.shared_room()
        self.far.held = Deferred()
        self.say(ALICE, room_id)
        self.pass_time()
        edu = {"edu_type": "m.test", "content": {}}
        sending = self.link.send("far.test", [edu])
        self.assertNoResult(sending)
        self.assertEqual([], self.far.edus)
        self.release(self.far.held)
        self.successResultOf(sending)
        self.assertEqual(1, len(self.far.edus))

    def test_a_transaction_has_at_most_fifty_events(self) -> None:
        """The rest follows (C-40)."""
        room_id = self.shared_room()
        for number in range(60):
            self.say(ALICE, room_id, str(number))
        self.pass_time()
        first, second = self.brought(self.far)
        self.assertEqual(50, len(first))
        self.assertEqual([str(number) for number in range(60)], first + second)

    def test_who_is_put_out_is_told_so(self) -> None:
        """Their server gets the event that ends it, and nothing more."""
        room_id = self.shared_room(DAVE)
        self.post(ALICE, f"rooms/{room_id}/kick", {"user_id": DAVE})
        self.say(ALICE, room_id, "at last")
        self.pass_time()
        self.assertEqual([["leave " + DAVE]], self.brought(self.far))

    def test_a_join_is_passed_on_to_the_others(self) -> None:
        """Not to the server that has handed it in (C-81)."""
        room_id = self.shared_room(FRED)
        self.come(DAVE, room_id)
        self.assertEqual([["join " + DAVE]], self.brought(self.off))
        self.assertEqual([], self.brought(self.far))

    def test_a_server_that_is_down_is_left_alone_until_it_lives(self) -> None:
        """Then it gets what it has missed."""
        room_id = self.shared_room()
        self.internet.down.add(b"far.test")
        self.say(ALICE, room_id, "one")
        self.pass_time()
        self.internet.asked.clear()
        self.say(ALICE, room_id, "two")
        self.pass_time(8)
        self.assertEqual([], self.internet.asked)
        self.internet.down.clear()
        self.outgoing.back("far.test")
        self.pass_time()
        self.assertEqual([["one", "two"]], self.brought(self.far))

    def test_a_server_that_is_down_is_tried_ever_more_seldom(self) -> None:
        """Without anybody saying anything (C-11)."""
        room_id = self.shared_room()
        self.internet.down.add(b"far.test")
        self.say(ALICE, room_id)
        for seconds, tries in ((1, 1), (20, 1), (30, 1), (30, 0), (35, 1)):
            self.internet.asked.clear()
            self.clock.pump([0.5] * (seconds * 2))
            self.assertEqual(tries, len(self.internet.asked), seconds)
        self.internet.down.clear()
        self.clock.pump([0.5] * 300)
        self.assertEqual([["hello"]], self.brought(self.far))

    def test_who_is_talked_to_again_need_not_wait(self) -> None:
        """After a change of the configuration."""
        room_id = self.shared_room()
        self.internet.down.add(b"far.test")
        self.say(ALICE, room_id)
        self.pass_time()
        self.internet.down.clear()
        self.outgoing.try_again()
        self.pass_time()
        self.assertEqual([["hello"]], self.brought(self.far))

    def test_of_a_long_absence_the_newest_is_brought(self) -> None:
        """For the rest a server asks itself; memory is bounded."""
        room_id = self.shared_room()
        self.internet.down.add(b"far.test")
        for number in range(150):
            self.say(ALICE, room_id, str(number))
            self.pass_time(0)
        self.internet.down.clear()
        self.outgoing.back("far.test")
        self.pass_time()
        said = list(chain(*self.brought(self.far)))
        self.assertEqual([str(number) for number in range(100, 150)], said)

    def test_a_restart_forgets_nothing(self) -> None:
        """What was not brought before is brought afterwards, and only that."""
        room_id = self.shared_room(DAVE, FRED)
        self.say(ALICE, room_id, "to both")
        self.pass_time(10)
        self.brought(self.far)
        self.brought(self.off)
        self.internet.down.add(b"far.test")
        self.say(ALICE, room_id, "to one")
        self.post(BOB, f"join/{room_id}")
        self.pass_time(10)
        self.assertEqual([["to one", "join " + BOB]], self.brought(self.off))
        self.internet.down.clear()
        self.stop()
        self.restart()
        self.pass_time()
        self.assertEqual([["to one", "join " + BOB]], self.brought(self.far))
        self.assertEqual([], self.brought(self.off))

    def test_a_crash_forgets_nothing(self) -> None:
        """Even if it comes before the first answer: better twice than never."""
        room_id = self.shared_room()
        self.internet.down.add(b"far.test")
        self.say(ALICE, room_id, "one")
        self.post(ALICE, f"rooms/{room_id}/kick", {"user_id": DAVE})
        self.pass_time()
        crashed = self.outgoing
        self.internet.down.clear()
        self.restart()
        self.pass_time()
        said = list(chain(*self.brought(self.far)))
        self.assertEqual(["one", "leave " + DAVE], said[-2:])
        self.done(crashed.stop())

    def test_what_is_said_last_is_sent_after_the_restart(self) -> None:
        """A server that stops sends nothing more, and forgets nothing."""
        room_id = self.shared_room()
        self.say(ALICE, room_id, "last words")
        self.stop()
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual([], self.brought(self.far))
        self.restart()
        self.pass_time()
        self.assertIn("last words", self.brought(self.far)[-1])

    def test_what_is_under_way_when_the_server_stops_is_sent_again(self) -> None:
        """Nobody knows whether it has arrived."""
        room_id = self.shared_room()
        self.far.held = Deferred()
        self.say(ALICE, room_id, "did you hear")
        self.pass_time()
        self.stop()
        self.release(self.far.held)
        self.brought(self.far)
        self.restart()
        self.pass_time()
        self.assertIn("did you hear", self.brought(self.far)[-1])

    def test_what_a_server_cannot_read_is_not_sent_for_ever(self) -> None:
        """It would get nothing any more."""
        room_id = self.shared_room()

        async def refuse(origin: str, pdus: list[Any]) -> Any:
            raise BadJson("what is this")

        self.far.transactions._pdus_received = refuse
        self.say(ALICE, room_id, "unreadable")
        self.pass_time()
        self.far.transactions._pdus_received = self.far.pdus_received
        self.say(ALICE, room_id, "readable")
        self.pass_time()
        self.assertEqual([["readable"]], self.brought(self.far))

    def test_what_goes_wrong_here_is_not_repeated_at_once(self) -> None:
        """The server is left alone as if it were down."""
        room_id = self.shared_room()
        tries: list[str] = []

        async def break_down(destination: str, pdus: bytes) -> Any:
            tries.append(destination)
            raise RuntimeError("a fault of ours")

        self.patch(self.link, "send_pdus", break_down)
        self.say(ALICE, room_id, "once more")
        for _ in range(10):
            self.pass_time()
        self.assertEqual(["far.test"], tries)
        (error,) = self.logged_errors()
        self.assertIn("a fault of ours", error)

    def test_a_refusal_that_is_no_text_is_one_all_the_same(self) -> None:
        """Whatever is in its place is not even logged (C-41)."""
        room_id = self.shared_room()
        deep: list[Any] = []
        for _ in range(1010):
            deep = [deep]
        sent: list[str] = []

        async def refused(destination: str, pdus: bytes) -> Any:
            sent.append(destination)
            return {"$a": {"error": deep}, "$b": deep, "$c": {"error": "no"}}

        self.patch(self.link, "send_pdus", refused)
        with self.assertLogs("matrix_presence.homeserver.federated", "INFO") as logged:
            self.say(ALICE, room_id, "one")
            self.pass_time()
        self.assertEqual(1, len(logged.output))
        self.say(ALICE, room_id, "two")
        self.pass_time()
        self.assertEqual(["far.test", "far.test"], sent)


def _said(pdu: dict[str, Any]) -> str:
    """The text of a message, or the membership of whom."""
    if pdu["type"] == "m.room.member":
        return f"{pdu['content']['membership']} {pdu['state_key']}"
    return str(pdu["content"].get("body"))
