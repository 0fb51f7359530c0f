"""What goes out to other servers, when, and what does not."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from matrix_presence.interfaces import Profile
from matrix_presence.rules.states import Presence
from tests.federation.rig import (
    ALICE,
    BOB,
    REMOTE,
    ROOM,
    FederationTestCase,
    HeldFederation,
    Link,
    pushed,
)


class SendingTests(FederationTestCase):
    """Alice and Bob share a room with a user of another server."""

    def setUp(self) -> None:
        """They have just met."""
        super().setUp()
        self.server.room(ROOM, ALICE, BOB, REMOTE)
        self.pass_time(10)
        self.taken()

    def test_a_change_of_state_goes_out_at_once(self) -> None:
        """A quiet server is told after one tick, in an EDU and nothing else (C-1)."""
        self.put("online", "hello")
        ((destination, entries),) = self.taken()
        self.assertEqual("there", destination)
        expected = {
            "user_id": ALICE,
            "presence": "online",
            "status_msg": "hello",
            "last_active_ago": 50,
            "currently_active": True,
        }
        self.assertEqual(
            {ALICE: expected | {"last_active_ago": 0}}, self.about(entries)
        )

    def about(self, entries: dict[str, Any]) -> dict[str, Any]:
        """The entries, with times below a second as 0."""
        return {
            user: said | {"last_active_ago": said["last_active_ago"] // 1000}
            for user, said in entries.items()
        }

    def test_who_shares_no_room_is_told_to_nobody(self) -> None:
        """Servers hear of users who share a room with theirs (C-2, C-14)."""
        self.server.room("!local:hs", "@dave:hs", BOB)
        self.put("online", user="@dave:hs")
        self.pass_time(120)
        self.assertEqual({}, self.told())

    def test_users_of_other_servers_are_not_passed_on(self) -> None:
        """Each server speaks for its own users only (C-3)."""
        self.server.room(ROOM, "@elsewhere:third")
        self.pass_time(10)
        self.taken()
        self.receive({"user_id": REMOTE, "presence": "online"})
        self.pass_time(120)
        self.assertEqual({}, self.told())

    def test_the_newest_state_wins(self) -> None:
        """What changed several times in a window goes out once (C-10)."""
        self.put("online")
        self.told()
        for presence in ("unavailable", "online", "unavailable"):
            self.put(presence)
        self.put("online", user=BOB)
        self.assertEqual({}, self.told())
        self.pass_time(6)
        ((_, entries),) = self.taken()
        states = {user: said["presence"] for user, said in entries.items()}
        self.assertEqual({ALICE: "unavailable", BOB: "online"}, states)

    def test_a_hidden_user_is_offline_like_any_other(self) -> None:
        """What somebody does who hides shows nowhere (B-47)."""
        self.put("online")
        self.put("offline")
        self.pass_time(60)
        self.server.handler.active(ALICE, "DEVICE")
        self.server.handler.profile_changed(ALICE, Profile("Alice"))
        self.pass_time(10)
        said = self.taken()[-1][1][ALICE]
        self.assertEqual("offline", said["presence"])
        self.assertGreater(said["last_active_ago"], 59_000)
        self.assertNotIn("currently_active", said)

    def test_the_profile_goes_along(self) -> None:
        """Its change is news by itself (D-1, D-8)."""
        self.server.handler.profile_changed(ALICE, Profile("Alice", "mxc://hs/a"))
        self.pass_time(1)
        said = self.taken()[0][1][ALICE]
        self.assertEqual(
            ("Alice", "mxc://hs/a"), (said["displayname"], said["avatar_url"])
        )

    def test_whoever_left_is_not_told_of_any_more(self) -> None:
        """Also when it was their turn to be told (C-2)."""
        self.put("online")
        self.told()
        self.put("unavailable")
        self.server.handler.left(ROOM, ALICE)
        self.pass_time(10)
        self.assertEqual({}, self.told())

    def test_a_server_that_left_hears_nothing_more(self) -> None:
        """No change, and no ping either (C-2, C-12)."""
        self.put("online")
        self.told()
        self.server.handler.left(ROOM, REMOTE)
        self.put("unavailable")
        self.pass_time(7200, 5)
        self.assertEqual({}, self.told())

    def test_the_end_of_an_account_is_told(self) -> None:
        """Even though the user leaves all rooms in the same moment (D-40)."""
        self.put("online", "hello")
        self.told()
        self.server.handler.deactivated(ALICE)
        self.server.handler.left(ROOM, ALICE)
        self.pass_time(10)
        ((_, entries),) = self.taken()
        self.assertEqual("offline", entries[ALICE]["presence"])
        self.assertNotIn("status_msg", entries[ALICE])

    def test_a_server_that_comes_in_is_told_once_and_alone(self) -> None:
        """Of our members, while a server that is there hears nothing (C-12)."""
        self.put("online")
        self.pass_time(10)
        self.told()
        self.server.room(ROOM, "@new:third", "@other:third")
        self.pass_time(60)
        self.assertEqual({"third": {ALICE: "online"}}, self.told())

    def test_our_user_who_comes_in_is_told(self) -> None:
        """To the servers of the room (C-12)."""
        self.put("online", user="@dave:hs")
        self.server.room(ROOM, "@dave:hs")
        self.pass_time(1)
        self.assertEqual({"there": {"@dave:hs": "online"}}, self.told())

    def test_nothing_is_planned_when_nothing_is_left_to_do(self) -> None:
        """A stopped server leaves no timer behind."""
        self.put("online")
        self.put("unavailable")
        self.successResultOf(self.server.stop())
        self.assertEqual([], self.server.clock.getDelayedCalls())


class PingTests(FederationTestCase):
    """Other servers time users out of whom they hear nothing."""

    servers = 40

    def setUp(self) -> None:
        """Alice, who is online, shares a room with many servers."""
        super().setUp()
        self.connect()
        others = [f"@user:server{number}" for number in range(self.servers)]
        self.server.room(ROOM, ALICE, BOB, *others)
        self.pass_time(120)
        self.taken()

    def pings(self, minutes: int) -> dict[str, list[float]]:
        """By destination: the minutes at which it was told of Alice."""
        began = self.server.clock.seconds()
        times: dict[str, list[float]] = {}
        for _ in range(minutes * 12):
            self.pass_time(5, 1)
            for destination, entries in self.taken():
                self.assertEqual([ALICE], list(entries))
                minute = (self.server.clock.seconds() - began) / 60
                times.setdefault(destination, []).append(minute)
        return times

    def test_whoever_is_present_is_told_again_in_time(self) -> None:
        """Nobody hears nothing for as long as the interval; offline is silent (C-9)."""
        times = self.pings(120)
        self.assertEqual(self.servers, len(times))
        for minutes in times.values():
            gaps = [b - a for a, b in zip([-2, *minutes], minutes, strict=False)]
            self.assertLess(max(gaps), 25.2)
            # When nothing was told of somebody before, any time may be their turn.
            self.assertGreater(min(gaps[1:]), 14)

    def test_no_two_are_pinged_in_step(self) -> None:
        """They met at the same moment, and are pinged at different ones (C-9)."""
        minutes = [minutes[0] for minutes in self.pings(26).values()]
        for minute in range(26):
            crowd = [each for each in minutes if minute <= each < minute + 1]
            self.assertLess(len(crowd), self.servers / 3)

    def test_after_a_restart_pings_come_before_others_give_up(self) -> None:
        """What was told before it runs out at a time that nobody knows (C-9)."""
        others = [f"@user:server{number}" for number in range(self.servers)]
        self.server = self.start(clock=self.server.clock)
        self.connect()
        self.pass_time(1)
        self.server.handler.restore_room(ROOM, [ALICE, *others])
        self.assertEqual(self.servers, len(self.pings(6)))

    def test_a_change_is_as_good_as_a_ping(self) -> None:
        """Whom it is about is told again when that runs out, and not before (C-9)."""
        self.pings(15)
        self.put("unavailable")
        self.pass_time(90, 1)
        self.assertEqual(self.servers, len(self.told()))
        for minutes in self.pings(25).values():
            self.assertEqual(1, len(minutes))
            self.assertGreater(minutes[0], 18)

    def test_a_ping_goes_with_what_is_sent_anyway(self) -> None:
        """So that it takes no transaction of its own (C-9)."""
        self.put("unavailable")
        self.pass_time(19 * 60, 1)
        self.told()
        self.pass_time(2 * 60, 1)
        pinged = set(self.told())
        self.put("online", user=BOB)
        self.pass_time(5, 1)
        sent = dict(self.taken())
        self.assertEqual(self.servers, len(sent))
        along = {name for name, said in sent.items() if ALICE in said}
        self.assertGreater(len(along), self.servers / 4)
        self.pass_time(6 * 60, 1)
        later = [name for name, said in self.taken() if ALICE in said]
        self.assertEqual(self.servers, len([*pinged, *along, *later]))
        self.assertEqual(self.servers, len({*pinged, *along, *later}))

    def test_another_room_delays_no_ping(self) -> None:
        """A server that comes into more rooms all the time hears of all (C-9)."""
        name = "@user:server0"
        times = [0.0]
        for minute in range(120):
            if minute % 5 == 0:
                self.put("online", user=f"@user{minute}:hs")
                self.server.room(f"!room{minute}:hs", f"@user{minute}:hs", name)
            self.pass_time(60, 2)
            if any(ALICE in said for to, said in self.taken() if to == "server0"):
                times.append(minute + 1)
        gaps = [b - a for a, b in zip(times, [*times[1:], 120.0], strict=True)]
        self.assertLess(max(gaps), 26)

    def test_our_user_who_comes_in_is_pinged_where_nobody_was(self) -> None:
        """Though the server was left alone, there being nobody to tell it of (C-9)."""
        self.server.handler.left(ROOM, ALICE)
        self.server.handler.left(ROOM, BOB)
        self.pass_time(3600, 5)
        self.taken()
        self.server.room(ROOM, ALICE)
        self.pass_time(10)
        self.assertEqual(self.servers, len(self.told()))
        self.assertEqual(self.servers, len(self.pings(26)))

    def test_nobody_present_is_no_ping(self) -> None:
        """Offline is what others will think anyway (C-9)."""
        self.server.handler.logged_out(ALICE, None)
        self.pass_time(1)
        self.pass_time(10)
        self.taken()
        self.assertEqual({}, self.pings(60))


class FailureTests(FederationTestCase):
    """Servers that do not answer."""

    def setUp(self) -> None:
        """Alice and Bob share a room with a server that is about to go down."""
        super().setUp()
        self.server.room(ROOM, ALICE, BOB, REMOTE)
        self.pass_time(10)
        self.taken()
        self.federation.down.add("there")

    def test_it_is_tried_less_and_less(self) -> None:
        """A day of silence is a few attempts, not one for each change (C-11)."""
        sender = self.server.service.sender
        assert sender is not None
        for number in range(24 * 12):
            self.put(("online", "unavailable")[number % 2])
            self.pass_time(300, 10)
        self.assertLess(sender.failed, 24)
        self.assertGreater(sender.failed, 8)

    def test_when_it_is_back_it_hears_everything_at_once(self) -> None:
        """One transaction with the state of now, not one for each change (C-11)."""
        for presence in ("online", "unavailable", "online"):
            self.put(presence, presence)
            self.put(presence, user=BOB)
            self.pass_time(3)
        self.federation.down.clear()
        self.pass_time(60)
        ((_, entries),) = self.taken()
        self.assertEqual({ALICE, BOB}, set(entries))
        self.assertEqual("online", entries[ALICE]["status_msg"])

    def test_after_a_long_time_it_hears_of_everybody_present(self) -> None:
        """Those it has timed out meanwhile are told too (C-9, C-11)."""
        self.federation.down.clear()
        self.connect(ALICE)
        self.connect(BOB)
        self.put("online", user=BOB)
        self.pass_time(10)
        self.federation.down.add("there")
        self.put("online", "hello")
        self.pass_time(3600, 5)
        self.taken()
        self.federation.down.clear()
        self.server.service.heard_from("there")
        self.pass_time(1)
        self.assertEqual({"there": {ALICE: "online", BOB: "online"}}, self.told())

    def test_a_sign_of_life_ends_the_wait(self) -> None:
        """A request of the server means that it can be told now (C-11)."""
        self.connect()
        self.pass_time(3000, 5)
        self.federation.down.clear()
        self.pass_time(1)
        self.assertEqual({}, self.told())
        self.server.service.heard_from("unheard.of")
        self.server.service.heard_from("there")
        self.pass_time(1)
        self.assertEqual({"there": {ALICE: "online"}}, self.told())

    def test_others_do_not_wait_for_it(self) -> None:
        """A server that is up hears everything meanwhile."""
        self.server.room(ROOM, "@new:third")
        self.put("online")
        self.pass_time(10)
        self.put("unavailable")
        self.pass_time(10)
        self.assertEqual({"third": {ALICE: "unavailable"}}, self.told())

    def test_an_exception_of_the_link_is_a_failure(self) -> None:
        """A link that raises is a link that does not work."""

        def send(*_: object) -> Deferred[None]:
            raise ValueError("no such server name")

        self.server = self.start(Link(send))
        self.server.room(ROOM, ALICE, REMOTE)
        self.put("online")
        sender = self.server.service.sender
        assert sender is not None
        self.assertEqual(1, sender.failed)


class LimitTests(FederationTestCase):
    """However much there is to tell."""

    def held(self, servers: int, **options: Any) -> HeldFederation:
        """A server that shares a room with so many that do not answer yet."""
        federation = HeldFederation()
        self.server = self.start(federation, **options)
        others = [f"@user:server{number}" for number in range(servers)]
        self.server.room(ROOM, ALICE, *others)
        self.pass_time(1)
        return federation

    def test_one_transaction_is_under_way_for_each(self) -> None:
        """Another waits for the answer (C-42)."""
        federation = self.held(1)
        self.put("online")
        self.put("unavailable")
        self.pass_time(60)
        self.assertEqual(["server0"], federation.sent)
        federation.answer("server0")
        self.pass_time(1)
        self.assertEqual(["server0"] * 2, federation.sent)

    def test_a_link_that_never_answers_is_given_up(self) -> None:
        """After three minutes, and tried again like any that failed (C-11)."""
        federation = self.held(1)
        self.put("online")
        waiting = federation.open.pop("server0")
        self.pass_time(210)
        self.assertTrue(waiting.called)
        self.assertEqual(["server0"] * 2, federation.sent)

    def test_no_more_are_under_way_than_allowed(self) -> None:
        """Answers make room for others."""
        federation = self.held(5, transactions_at_once=2)
        self.put("online")
        self.assertEqual(2, len(federation.open))
        for _ in range(4):
            federation.answer(next(iter(federation.open)))
            self.pass_time(0.1)
        self.assertEqual(5, len(set(federation.sent)))

    def test_those_that_fail_get_half_of_the_room(self) -> None:
        """Servers that answer do not wait for those that never do."""
        federation = self.held(10, transactions_at_once=4, transactions_per_second=0)
        self.put("online")
        while federation.open:
            for name in list(federation.open):
                federation.fail(name)
            self.pass_time(0.1)
        self.pass_time(16)
        self.assertEqual(2, len(federation.open))
        self.server.room(ROOM, "@user:healthy")
        self.pass_time(1)
        self.assertIn("healthy", federation.open)

    def test_the_budget_holds_over_all_servers(self) -> None:
        """So many transactions a second, and all of them in the end (C-10)."""
        self.server = self.start(transactions_per_second=10)
        others = [f"@user:server{number}" for number in range(50)]
        self.server.room(ROOM, ALICE, *others)
        self.put("online")
        first = len(self.taken())
        self.pass_time(1)
        second = len(self.taken())
        self.pass_time(10)
        self.assertLessEqual(first, 10)
        self.assertLessEqual(second, 11)
        self.assertEqual(50, first + second + len(self.taken()))

    def test_who_waits_for_the_budget_gets_what_is_true_then(self) -> None:
        """What was composed for one is not sent to another after a change (C-10)."""
        self.server = self.start(transactions_per_second=2)
        others = [f"@user:server{number}" for number in range(6)]
        self.server.room(ROOM, ALICE, *others)
        self.pass_time(10)
        self.put("online")
        self.assertEqual(2, len(self.told()))
        self.put("unavailable")
        self.pass_time(1)
        late = self.told()
        self.assertEqual([{ALICE: "unavailable"}] * len(late), list(late.values()))

    def test_thousands_of_users_go_in_portions(self) -> None:
        """A transaction has 100 EDUs of 50 users at most (C-10, C-40)."""
        users = [f"@user{number}:hs" for number in range(5100)]
        self.server.room(ROOM, *users)
        for user in users:
            self.server.handler.sync_began(user, "DEVICE", Presence.ONLINE)
        self.server.room(ROOM, REMOTE)
        self.pass_time(1)
        (_, edus), *_ = self.federation.sent
        self.assertEqual([50] * 100, [len(edu["content"]["push"]) for edu in edus])
        self.pass_time(10)
        everybody = [
            said["user_id"] for _, edus in self.federation.sent for said in pushed(edus)
        ]
        self.assertEqual(sorted(users), sorted(everybody))

    def test_equal_sets_are_composed_once(self) -> None:
        """All servers that hear of the same users get the same object."""
        edus: list[Any] = []

        def send(_: str, sent: Any) -> Deferred[None]:
            edus.append(sent)
            return Deferred()

        self.server = self.start(Link(send))
        others = [f"@user:server{number}" for number in range(40)]
        self.server.room(ROOM, ALICE, *others)
        self.put("online")
        self.pass_time(0.5)
        self.assertEqual((40, 1), (len(edus), len({id(each) for each in edus})))


class ToggleTests(FederationTestCase):
    """Parts of it can be switched off."""

    def test_outgoing(self) -> None:
        """Nothing is sent, and what others send is still taken."""
        self.server = self.start(federation_outgoing=False)
        self.server.room(ROOM, ALICE, REMOTE)
        self.put("online")
        self.receive({"user_id": REMOTE, "presence": "online"})
        self.server.service.heard_from("there")
        self.pass_time(120)
        self.assertEqual({}, self.told())
        self.assertEqual("online", self.seen()["presence"])

    def test_incoming(self) -> None:
        """Nothing is taken, and what happens here is still sent."""
        self.server = self.start(federation_incoming=False)
        self.server.room(ROOM, ALICE, REMOTE)
        self.receive({"user_id": REMOTE, "presence": "online"})
        self.put("online")
        self.pass_time(10)
        self.assertEqual({"there": {ALICE: "online"}}, self.told())
        self.assertEqual("offline", self.seen()["presence"])

    def test_all_of_presence(self) -> None:
        """Without presence there is none for other servers either."""
        self.server = self.start(enabled=False)
        self.server.room(ROOM, ALICE, REMOTE)
        self.receive({"user_id": REMOTE, "presence": "online"})
        self.assertIsNone(self.server.service.sender)
        self.assertEqual(0, self.server.service.receiver.applied)

    def test_profile_keys(self) -> None:
        """A name that is nobody's business stays here (D-8)."""
        self.server = self.start(federate_profile_keys=False)
        self.server.handler.profile_changed(ALICE, Profile("Alice"))
        self.server.room(ROOM, ALICE, REMOTE)
        self.put("online")
        self.pass_time(10)
        self.assertNotIn("displayname", self.taken()[0][1][ALICE])

    def test_busy(self) -> None:
        """Where busy is switched off, other servers do not hear of it (C-6)."""
        for busy, name in ((True, "org.matrix.msc3026.busy"), (False, "unavailable")):
            self.server = self.start(busy=busy)
            self.server.room(ROOM, ALICE, REMOTE)
            self.put("org.matrix.msc3026.busy")
            self.pass_time(10)
            self.assertEqual({"there": {ALICE: name}}, self.told())
