"""Servers that are left out, by configuration or by their own wish."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from matrix_presence.config import parse
from matrix_presence.interfaces import PresenceUnwanted
from matrix_presence.rules.server_globs import admission
from tests.federation.rig import (
    ALICE,
    REMOTE,
    ROOM,
    FederationTestCase,
    HeldFederation,
    Link,
    said,
)
from tests.federation.test_lists import INVITE, change

NEVER = admission((), ())
ALWAYS = admission(None, ())


class AdmissionTests(FederationTestCase):
    """Alice shares a room with users of two other servers."""

    def setUp(self) -> None:
        """They have met."""
        super().setUp()
        self.meet()

    def meet(self) -> None:
        """All are in the room, and Alice stays online."""
        self.server.room(ROOM, ALICE, REMOTE, "@other:other.org")
        self.connect()
        self.pass_time(400)
        self.taken()

    def without(self, *denied: str) -> None:
        """These are not dealt with from now on."""
        self.server.service.admit(admission(None, denied))

    def test_a_denied_server_hears_nothing_more(self) -> None:
        """No change, no ping; the other one does."""
        self.without("*.org")
        self.put("unavailable")
        self.pass_time(7200, 5)
        self.assertEqual({"there"}, {destination for destination, _ in self.taken()})

    def test_what_waits_for_it_is_dropped(self) -> None:
        """Also what was under way, and the back-off of one that was down."""
        self.federation.down.add("there")
        self.put("unavailable")
        self.pass_time(60)
        self.without("there")
        sender = self.server.service.sender
        assert sender is not None
        failed = sender.failed
        self.federation.down.clear()
        self.pass_time(7200, 5)
        self.assertEqual(failed, sender.failed)
        self.assertEqual({}, self.server.store.destinations)
        self.assertNotIn("there", self.told())

    def test_a_transaction_under_way_may_end_as_it_likes(self) -> None:
        """Nothing follows it."""
        for outcome in ("answer", "fail"):
            federation = HeldFederation()
            self.server = self.start(federation)
            self.server.room(ROOM, ALICE, REMOTE)
            self.put("unavailable")
            self.put("online")
            self.without("there")
            getattr(federation, outcome)("there")
            self.pass_time(3600, 5)
            self.assertEqual(["there"], federation.sent)

    def test_one_that_is_denied_makes_room_for_others(self) -> None:
        """Its last transaction fails, and who had to wait for that is told."""
        federation = HeldFederation()
        self.server = self.start(federation, transactions_at_once=1)
        self.server.room(ROOM, ALICE, REMOTE, "@other:other.org")
        self.put("unavailable")
        (first,) = federation.sent
        (other,) = {"there", "other.org"} - {first}
        self.without(first)
        federation.fail(first)
        self.pass_time(0.1)
        self.assertEqual([first, other], federation.sent)

    def test_nothing_is_taken_from_it(self) -> None:
        """Whoever passes its requests on."""
        self.without("there")
        self.receive(said("online"))
        self.assertEqual("offline", self.seen()["presence"])
        self.server.service.admit(ALWAYS)
        self.receive(said("online"))
        self.assertEqual("online", self.seen()["presence"])

    def test_one_that_is_admitted_again_hears_of_everybody(self) -> None:
        """Soon, and once."""
        self.without("there", "other.org")
        self.put("unavailable", "lunch")
        self.pass_time(60)
        self.assertEqual({}, self.told())
        self.without("other.org")
        self.pass_time(1)
        self.assertEqual({"there": {ALICE: "unavailable"}}, self.told())

    def test_a_server_that_comes_later_is_held_against_the_list_too(self) -> None:
        """It was not known when the list was made."""
        self.without("late.org")
        self.server.room(ROOM, "@late:late.org", "@late:elsewhere")
        self.put("unavailable")
        self.pass_time(60)
        self.assertEqual({"there", "other.org", "elsewhere"}, set(self.told()))

    def test_lists_are_not_told_of_it(self) -> None:
        """Nor is an invite sent."""
        self.without("there")
        self.server.homeserver.add_user(ALICE)
        self.successResultOf(change(self.server, ALICE, invite=[REMOTE]))
        self.pass_time(7200, 5)
        self.assertNotIn("there", {name for name, _ in self.federation.sent})

    def invite(self) -> None:
        """Alice asks somebody there to be on her list."""
        self.server.homeserver.add_user(ALICE)
        self.successResultOf(change(self.server, ALICE, invite=[REMOTE]))
        self.pass_time(20)

    def invites(self) -> int:
        """How many invites went there since the last call."""
        sent, self.federation.sent = self.federation.sent, []
        return sum(
            edu["edu_type"] == INVITE
            for name, edus in sent
            for edu in edus
            if name == "there"
        )

    def test_an_invite_is_not_repeated_there(self) -> None:
        """Though nobody had answered it (C-29)."""
        self.invite()
        self.assertEqual(1, self.invites())
        self.without("there")
        self.pass_time(3 * 86_400, 60)
        self.assertNotIn("there", {name for name, _ in self.federation.sent})

    def test_an_invite_goes_again_when_it_is_admitted_again(self) -> None:
        """Whether it had arrived or not, and then as often as any other (C-29)."""
        for is_told in (True, False):
            if not is_told:
                self.federation.down.add("there")
            self.server = self.start()
            self.meet()
            self.invite()
            self.assertEqual(int(is_told), self.invites())
            self.without("there")
            self.pass_time(60)
            self.federation.down.clear()
            self.server.service.admit(ALWAYS)
            self.pass_time(10)
            self.assertEqual(1, self.invites())
            self.pass_time(4000, 5)
            self.assertEqual(1, self.invites())

    def test_a_letter_under_way_is_not_followed_up(self) -> None:
        """It arrives when its server is denied already (C-29)."""
        federation = HeldFederation()
        self.server = self.start(federation)
        self.server.room(ROOM, ALICE, REMOTE)
        self.pass_time(20)
        self.server.homeserver.add_user(ALICE)
        self.successResultOf(change(self.server, ALICE, invite=[REMOTE]))
        self.pass_time(20)
        self.assertEqual(["there"], federation.sent)
        self.without("there")
        federation.answer("there")
        self.pass_time(3 * 86_400, 60)
        self.assertEqual(["there"], federation.sent)

    def test_a_poll_of_it_is_not_answered(self) -> None:
        """Even if it is passed on by mistake (C-21)."""
        self.without("there")
        sender = self.server.service.sender
        index = self.server.handler.cache.servers.find("there")
        assert sender is not None and index is not None
        sender.tell(index, self.server.handler.cache.present)
        self.pass_time(60)
        self.assertEqual({}, self.told())

    def test_outgoing_and_incoming_can_change_while_it_runs(self) -> None:
        """Each by itself, and what was missed is told when it is switched on."""
        reconfigure = self.server.service.reconfigure
        reconfigure(parse({"federation_outgoing": False}))
        self.put("unavailable")
        self.receive(said("online"))
        self.pass_time(60)
        self.assertEqual({}, self.told())
        self.assertEqual("online", self.seen()["presence"])
        reconfigure(parse({"federation_incoming": False}))
        self.receive(said("unavailable"))
        self.pass_time(10)
        self.assertEqual("online", self.seen()["presence"])
        self.assertEqual({"there", "other.org"}, set(self.told()))


class UnwantedTests(FederationTestCase):
    """A server that wants no presence (MSC4373)."""

    def setUp(self) -> None:
        """It says so for an hour, each time it is asked."""
        super().setUp()
        self.sent: list[tuple[str, Any]] = []
        self.wants = False
        self.server = self.start(Link(self.send))
        self.server.room(ROOM, ALICE, REMOTE)
        self.connect()
        self.pass_time(1)

    def send(self, destination: str, edus: Any) -> Deferred[None]:
        """Refuse presence and nothing else."""
        self.sent.append((destination, edus))
        has_presence = any(edu["edu_type"] == "m.presence" for edu in edus)
        if has_presence and not self.wants:
            until = int((self.server.clock.seconds() + 3600) * 1000)
            return fail(PresenceUnwanted(until))
        return succeed(None)

    def test_it_is_left_alone_until_then(self) -> None:
        """Whatever happens here, and it counts as alive."""
        self.assertEqual(1, len(self.sent))
        for number in range(20):
            self.put(("online", "unavailable")[number % 2])
            self.pass_time(60, 5)
        self.assertEqual(1, len(self.sent))
        sender = self.server.service.sender
        assert sender is not None
        self.assertEqual(0, sender.failed)

    def test_it_is_asked_again_after_that(self) -> None:
        """And hears of everybody who is there when it has changed its mind."""
        self.wants = True
        self.pass_time(3660, 5)
        pushes = [edu["content"]["push"] for _, edus in self.sent[1:] for edu in edus]
        self.assertEqual(ALICE, pushes[0][0]["user_id"])

    def test_presence_lists_are_another_matter(self) -> None:
        """An invite is no presence, and goes out."""
        self.server.homeserver.add_user(ALICE)
        self.successResultOf(change(self.server, ALICE, invite=[REMOTE]))
        self.pass_time(20)
        _, edus = self.sent[-1]
        self.assertEqual([INVITE], [edu["edu_type"] for edu in edus])
