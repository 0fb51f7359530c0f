"""Presence lists between servers: two that federate, and one that never answers."""

from __future__ import annotations

from typing import Any

from matrix_presence.interfaces import Profile, Requester
from matrix_presence.testing import MemoryFederation, MemoryNetwork, MemoryPresence
from matrix_presence.wire.lists import ListUpdate, list_edu, poll_edu
from tests.base import TestCase
from tests.federation.rig import (
    PLAIN,
    advance,
)

ALICE, AMY, BOB = "@alice:here", "@amy:here", "@bob:there"
INVITE, ACCEPT, DENY = "m.presence_invite", "m.presence_accept", "m.presence_deny"
HOUR = 3600


def change(server: MemoryPresence, user_id: str, **changes: list[str]) -> Any:
    """Change a list as a client of this server does."""
    lists = server.handler.lists
    assert lists is not None
    keys = {key: tuple(changes.get(key, ())) for key in ListUpdate._fields}
    return lists.update(user_id, ListUpdate(**keys))


class TwoServersTestCase(TestCase):
    """Alice and Amy are here, Bob is there; nobody shares a room."""

    def setUp(self) -> None:
        """Start both."""
        self.begin()

    def begin(self, here: Any = None, **there: Any) -> None:
        """Start both; `here` and `there` are their options."""
        self.network = MemoryNetwork()
        options = PLAIN | {"presence_list_policy": "never"}
        self.here = self.network.server("here", **(options | (here or {})))
        self.there = self.network.server("there", **(options | there))
        for user_id in (ALICE, AMY):
            self.here.homeserver.add_user(user_id)
        self.there.homeserver.add_user(BOB)
        self.syncs = [
            self.there.sync.connected(Requester(BOB, "DEVICE"), None),
        ]
        self.syncs[0].__enter__()
        self.settle()

    def settle(self, seconds: float = 12) -> None:
        """Let everything arrive that is on its way."""
        advance(self.network.clock, seconds)

    def invite(self, *observers: str) -> None:
        """These want to observe Bob."""
        for user_id in observers or (ALICE,):
            self.successResultOf(change(self.here, user_id, invite=[BOB]))
        self.settle()

    def bob(self, **changes: list[str]) -> None:
        """Bob changes his list or answers."""
        self.successResultOf(change(self.there, BOB, **changes))
        self.settle()

    def drop(self, user_id: str = ALICE) -> None:
        """This observer drops Bob."""
        self.successResultOf(change(self.here, user_id, drop=[BOB]))
        self.settle()

    def seen(self, viewer: str = ALICE) -> str | None:
        """The presence of Bob as it is seen here; None if it is not."""
        status = self.here.view.status(viewer, BOB)
        return None if status is None else status["presence"]

    def entries(self, server: MemoryPresence) -> dict[tuple[str, str], bool]:
        """What is in the store: by observer and observed, whether it is accepted."""
        return {pair: bool(row.accepted) for pair, row in server.store.lists.items()}


class FlowTests(TwoServersTestCase):
    """From the invite to the end of it."""

    def test_both_servers_track_what_is_accepted(self) -> None:
        """The entry is pending on both, then accepted on both, and on disk
        (A-64, A-68, A-72, C-24)."""
        self.invite()
        for server in (self.here, self.there):
            self.assertEqual(self.entries(server), {(ALICE, BOB): False})
        self.assertIsNone(self.seen())
        self.bob(accept=[ALICE])
        for server in (self.here, self.there):
            self.assertEqual(self.entries(server), {(ALICE, BOB): True})

    def test_the_present_state_comes_with_the_acceptance(self) -> None:
        """The observer is woken by it, without a room and in one direction only
        (A-70, C-24, D-20)."""
        self.invite()
        poll = self.here.poll(ALICE, self.here.view.position())
        self.bob(accept=[ALICE])
        self.assertTrue(poll.woken)
        self.assertEqual(self.seen(), "online")
        self.assertIsNone(self.there.view.status(BOB, ALICE))
        self.assertIsNone(self.seen(AMY))
        poll.close()

    def test_changes_follow(self) -> None:
        """What the observed user sets reaches the observer (A-70)."""
        self.invite()
        self.bob(accept=[ALICE])
        self.successResultOf(self.there.set_status(BOB, "unavailable", "tea"))
        self.settle()
        self.assertEqual(self.seen(), "unavailable")

    def test_a_refusal_removes_the_entry(self) -> None:
        """Both servers forget it (A-71, C-24)."""
        self.invite()
        self.bob(deny=[ALICE])
        for server in (self.here, self.there):
            self.assertEqual(self.entries(server), {})

    def test_a_revocation_ends_the_sight(self) -> None:
        """The observer is told offline, and nothing else from then on
        (A-71, C-28)."""
        self.invite()
        self.bob(accept=[ALICE])
        since = self.here.view.position()
        self.bob(deny=[ALICE])
        self.assertEqual(self.here.seen(ALICE, since), {BOB: {"presence": "offline"}})
        self.assertIsNone(self.seen())
        since = self.here.view.position()
        self.successResultOf(self.there.set_status(BOB, "online", "secret"))
        self.settle()
        self.assertEqual(self.here.seen(ALICE, since), {})

    def test_the_last_observer_unpolls(self) -> None:
        """A drop ends the subscription when nobody else of that server has one
        (A-65, C-20, C-28)."""
        self.invite(ALICE, AMY)
        self.bob(accept=[ALICE, AMY])
        self.drop(ALICE)
        self.assertEqual(self.seen(AMY), "online")
        self.assertIn((AMY, BOB), self.entries(self.there))
        self.drop(AMY)
        self.assertEqual(self.entries(self.here), {})
        # The consent stays, and nothing is sent by it (C-20).
        rows = self.there.store.lists.values()
        self.assertIn((AMY, BOB), self.entries(self.there))
        self.assertEqual({row.wanted for row in rows if row.observer == AMY}, {False})
        self.assertEqual(self.pushed_by_bob(), [])

    def pushed_by_bob(self) -> list[str]:
        """To whom a change of Bob's goes."""
        self.network.arrived.clear()
        self.successResultOf(self.there.set_status(BOB, "online", "anybody?"))
        self.settle()
        return [
            destination
            for _, destination, edus in self.network.arrived
            if any(edu["content"].get("push") for edu in edus)
        ]

    def test_a_dropped_invite_is_taken_back(self) -> None:
        """Who has not answered yet need not any more (A-65, C-28)."""
        self.invite()
        self.drop()
        for server in (self.here, self.there):
            self.assertEqual(self.entries(server), {})

    def test_an_invite_once_more_gets_the_reply_once_more(self) -> None:
        """The server that has accepted says so again (A-66, C-27)."""
        self.invite()
        self.network.cut("here", "there")
        self.bob(accept=[ALICE])
        self.assertEqual(self.entries(self.here), {(ALICE, BOB): False})
        self.network.heal()
        self.invite()
        self.assertEqual(self.entries(self.here), {(ALICE, BOB): True})
        self.assertEqual(self.seen(), "online")

    def test_a_late_acceptance_is_unpolled(self) -> None:
        """Who was dropped in the meantime is told so (C-27)."""
        self.invite()
        self.network.cut("here", "there")
        self.bob(accept=[ALICE])
        self.drop()
        self.network.heal()
        self.network.arrived.clear()
        self.settle(2 * HOUR)
        self.assertEqual(self.entries(self.here), {})
        unpolls = [
            (origin, edu["content"]["unpoll"])
            for origin, _, edus in self.network.arrived
            for edu in edus
            if "unpoll" in edu["content"]
        ]
        self.assertIn(("here", [BOB]), unpolls)
        self.assertEqual(self.pushed_by_bob(), [])

    def test_a_change_of_mind_on_the_way_is_heard(self) -> None:
        """What is denied while the acceptance is on its way is denied (C-24, C-28)."""
        self.invite()
        self.network.delay = 5
        self.successResultOf(change(self.there, BOB, accept=[ALICE]))
        self.settle(2)
        self.successResultOf(change(self.there, BOB, deny=[ALICE]))
        self.settle(60)
        for server in (self.here, self.there):
            self.assertEqual(self.entries(server), {})

    def test_a_deactivated_account_is_on_no_list(self) -> None:
        """Its entries are gone on both servers, in both directions (D-40)."""
        self.invite()
        self.bob(accept=[ALICE])
        self.there.handler.deactivated(BOB)
        self.settle()
        for server in (self.here, self.there):
            self.assertEqual(self.entries(server), {})

    def test_entries_survive_a_restart(self) -> None:
        """Both servers go on where they were (A-72)."""
        self.invite()
        self.bob(accept=[ALICE])
        for name, server in (("here", self.here), ("there", self.there)):
            self.successResultOf(server.stop())
            again = self.network.server(name, store=server.store, **PLAIN)
            setattr(self, name, again)
        self.settle()
        self.successResultOf(self.there.set_status(BOB, "unavailable"))
        self.settle()
        self.assertEqual(self.seen(), "unavailable")


class PolicyTests(TwoServersTestCase):
    """What is accepted without asking."""

    def assert_accepted(self, expected: bool) -> None:
        """Whether Alice's invite is."""
        self.invite()
        accepted = self.entries(self.here).get((ALICE, BOB))
        self.assertEqual(accepted, expected)

    def test_always(self) -> None:
        """Anybody is (A-69)."""
        self.begin(presence_list_policy="always")
        self.assert_accepted(True)

    def test_reverse(self) -> None:
        """Whom the observed user observes is, and nobody else (A-69)."""
        self.begin(presence_list_policy="reverse")
        self.assert_accepted(False)
        self.bob(invite=[ALICE])
        self.successResultOf(change(self.here, ALICE, accept=[BOB]))
        self.settle()
        self.assert_accepted(True)

    def test_shared_room(self) -> None:
        """Who shares a room is (A-69)."""
        self.begin(presence_list_policy="shared_room")
        self.assert_accepted(False)
        self.network.room("!room:here", ALICE, BOB)
        self.assert_accepted(True)

    def test_never(self) -> None:
        """Nobody is, room or not (A-69)."""
        self.network.room("!room:here", ALICE, BOB)
        self.assert_accepted(False)

    def test_ignored_users_are_not_heard(self) -> None:
        """They are not accepted, and nobody hears of it, whatever the policy (A-69)."""
        self.begin(presence_list_policy="always")
        self.there.handler.ignores(BOB, [ALICE])
        self.invite()
        self.assertEqual(self.entries(self.here), {(ALICE, BOB): False})
        pending = self.there.view.pending(BOB, inwards=True, outwards=False)
        self.assertEqual(pending, [])
        era = self.there.sync.era("r0")
        events, _ = self.there.sync.part(BOB, None, era=era)
        self.assertNotIn("m.presence_invite", [event["type"] for event in events])

    def test_nobody_is_denied_in_the_end(self) -> None:
        """An invite to an account that is not there is denied, when one that somebody
        does not answer is (C-25, A-67)."""
        users = [BOB, "@no:there"]
        self.successResultOf(change(self.here, ALICE, invite=users))
        self.settle()
        for _ in range(6):
            self.assertEqual(set(self.entries(self.here)), {(ALICE, u) for u in users})
            advance(self.network.clock, 24 * HOUR, HOUR)
        advance(self.network.clock, 25 * HOUR, 60)
        self.assertEqual(self.entries(self.here), {})
        self.assertEqual(self.entries(self.there), {})

    def test_the_denial_of_nobody_is_as_that_of_somebody(self) -> None:
        """Nothing that is sent tells the one from the other (A-67, C-25)."""
        said: dict[str, str] = {}
        for name in ("bob", "no"):
            self.begin()
            self.successResultOf(change(self.here, ALICE, invite=[f"@{name}:there"]))
            advance(self.network.clock, 8 * 24 * HOUR, 300)
            said[name] = repr(self.network.arrived).replace(f"@{name}:", "@x:")
        self.assertIn(DENY, said["bob"])
        self.assertEqual(said["bob"], said["no"])

    def test_so_many_wait_for_one_user(self) -> None:
        """What exceeds the limit is dropped (C-30)."""
        self.begin(presence_list_max_pending=1)
        self.invite(ALICE, AMY)
        self.assertEqual(self.entries(self.there), {(ALICE, BOB): False})


class PeerTestCase(TestCase):
    """A server that is looked at from outside."""

    #: Which others do not answer when it begins.
    down: frozenset[str] = frozenset()

    def setUp(self) -> None:
        """Start it."""
        self.begin()

    def begin(self, **options: Any) -> None:
        """Start it with these options."""
        self.federation = MemoryFederation(down=set(self.down))
        self.server = MemoryPresence(
            "here",
            federation=self.federation,
            **(PLAIN | {"presence_list_policy": "never"} | options),
        )
        for user_id in (ALICE, AMY):
            self.server.homeserver.add_user(user_id)

    def live_again(self, **options: Any) -> None:
        """Another life with the same store."""
        self.successResultOf(self.server.stop())
        options |= {"store": self.server.store, "clock": self.server.clock}
        self.begin(**options)
        advance(self.server.clock, 12)

    def receive(self, edu: dict[str, Any], origin: str = "there") -> None:
        """This EDU arrives, and what follows from it goes out."""
        self.server.service.receiver.edu_received(origin, edu)
        advance(self.server.clock, 12)

    def sent(self) -> list[tuple[str, dict[str, Any]]]:
        """Destination and EDU of what was sent since the last call."""
        sent, self.federation.sent = self.federation.sent, []
        return [(name, edu) for name, edus in sent for edu in edus]

    def change_at_once(self, user_id: str, **changes: list[str]) -> None:
        """Change a list; nothing else has happened when this returns."""
        self.successResultOf(change(self.server, user_id, **changes))

    def change(self, user_id: str, **changes: list[str]) -> None:
        """Change a list, and let it be told."""
        self.change_at_once(user_id, **changes)
        advance(self.server.clock, 12)

    def entries(self) -> dict[tuple[str, str], bool]:
        """What is in the store."""
        rows = self.server.store.lists.values()
        return {(row.observer, row.observed): bool(row.accepted) for row in rows}


class PeerTests(PeerTestCase):
    """What it takes from others, and what it sends them."""

    def test_an_invite_is_the_observers_servers_to_send(self) -> None:
        """One that another server sends is passed over, as is one to a user of
        elsewhere (C-26)."""
        self.receive(list_edu(INVITE, BOB, ALICE), origin="elsewhere")
        self.receive(list_edu(INVITE, BOB, "@x:elsewhere"))
        self.assertEqual(self.entries(), {})
        self.receive(list_edu(INVITE, BOB, ALICE))
        self.assertEqual(self.entries(), {(BOB, ALICE): False})

    def test_a_reply_is_the_observed_users_servers_to_send(self) -> None:
        """One that another server sends is passed over (C-26)."""
        self.change(ALICE, invite=[BOB])
        for edu_type in (ACCEPT, DENY):
            self.receive(list_edu(edu_type, ALICE, BOB), origin="elsewhere")
        self.assertEqual(self.entries(), {(ALICE, BOB): False})

    def test_nobody_accepts_what_was_not_asked(self) -> None:
        """A reply without an invite makes no entry and gets no answer, nor does one
        about users of elsewhere (C-26, C-27)."""
        self.change(ALICE, invite=[AMY])
        for edu_type in (ACCEPT, DENY):
            for observer in (ALICE, "@no:here", "@x:elsewhere"):
                self.receive(list_edu(edu_type, observer, BOB))
        self.assertEqual(self.entries(), {(ALICE, AMY): False})
        self.assertEqual(self.sent(), [])

    def test_the_state_follows_the_acceptance(self) -> None:
        """The reply goes to the observer's server, and the present state with it, even
        of somebody offline; nobody has to poll for it (C-24, C-27)."""
        self.successResultOf(self.server.set_status(ALICE, "offline", "asleep"))
        self.receive(list_edu(INVITE, BOB, ALICE))
        self.assertEqual(self.sent(), [])
        self.change(ALICE, accept=[BOB])
        reply, push = self.sent()
        self.assertEqual(reply, ("there", list_edu(ACCEPT, BOB, ALICE)))
        self.assertEqual(push[0], "there")
        [said] = push[1]["content"]["push"]
        self.assertEqual(
            (said["user_id"], said["presence"], said["status_msg"]),
            (ALICE, "offline", "asleep"),
        )

    def test_nonsense_is_passed_over(self) -> None:
        """Whatever the content is, nothing happens (C-4, C-26)."""
        contents: tuple[Any, ...] = (None, [], {}, {"observer_user": 7})
        for content in contents:
            for edu_type in (INVITE, ACCEPT, DENY, "m.presence"):
                self.receive({"edu_type": edu_type, "content": content})
        for value in (None, 7, "x", [7, None, "@\0:here", ALICE]):
            for key in ("poll", "unpoll"):
                self.receive({"edu_type": "m.presence", "content": {key: value}})
        self.assertEqual(self.entries(), {})
        self.assertEqual(self.sent(), [])

    def test_a_poll_is_answered_with_the_present_state(self) -> None:
        """Of those whom the server may know of and of nobody else (C-21, C-22)."""
        self.receive(list_edu(INVITE, BOB, ALICE))
        self.change(ALICE, accept=[BOB])
        self.sent()
        self.receive(poll_edu("poll", [ALICE, AMY, "@no:here", "@x:elsewhere"]))
        pushes = [edu["content"]["push"] for _, edu in self.sent()]
        self.assertEqual(
            [[one["user_id"] for one in push] for push in pushes], [[ALICE]]
        )
        self.receive(poll_edu("poll", [ALICE]), origin="elsewhere")
        self.assertEqual(self.sent(), [])

    def test_a_poll_of_a_room_mate_is_answered(self) -> None:
        """Sharing a room is permission enough (C-22)."""
        self.server.room("!r:here", AMY, BOB)
        advance(self.server.clock, 12)
        self.sent()
        self.receive(poll_edu("poll", [AMY, ALICE]))
        [(name, edu)] = self.sent()
        users = [one["user_id"] for one in edu["content"]["push"]]
        self.assertEqual((name, users), ("there", [AMY]))

    def test_old_servers_are_told_of_free_for_chat(self) -> None:
        """Who speaks of lists knows it; to all others it is online (X-9)."""
        self.server.room("!r:here", ALICE, BOB, "@x:modern")
        self.receive(list_edu(INVITE, BOB, AMY))
        self.sent()
        self.successResultOf(self.server.set_status(ALICE, "free_for_chat"))
        advance(self.server.clock, 12)
        told = {
            name: [(one["presence"], one["currently_active"]) for one in push]
            for name, edu in self.sent()
            if (push := edu["content"].get("push"))
        }
        expected = {"there": [("free_for_chat", True)], "modern": [("online", True)]}
        self.assertEqual(told, expected)

    def test_an_unpoll_is_for_its_origin_alone(self) -> None:
        """The observers of other servers keep their entries (C-20)."""
        others = ("@x:elsewhere", "@y:odd:there")
        for observer in (BOB, *others):
            origin = observer.partition(":")[2]
            self.receive(list_edu(INVITE, observer, ALICE), origin=origin)
        self.change(ALICE, accept=[BOB, *others])
        self.receive(poll_edu("unpoll", [ALICE]))
        wanted = {row.observer: row.wanted for row in self.server.store.lists.values()}
        self.assertEqual(wanted, {BOB: False} | dict.fromkeys(others, True))

    def test_a_poll_holds_until_it_is_taken_back(self) -> None:
        """Who was accepted is polled and unpolled as often as the other server likes,
        over a restart; each change goes where it is wanted (C-20, C-23)."""
        self.receive(list_edu(INVITE, BOB, ALICE))
        self.change(ALICE, accept=[BOB])
        for number in range(2):
            for key, expected in (("unpoll", []), ("poll", ["there"])):
                self.receive(poll_edu(key, [ALICE]))
                if number:
                    self.live_again()
                self.sent()
                self.successResultOf(
                    self.server.set_status(ALICE, "online", f"{key} {number}")
                )
                advance(self.server.clock, 12)
                told = [name for name, edu in self.sent() if edu["content"].get("push")]
                self.assertEqual(told, expected, (key, number))

    def test_invites_of_a_server_are_limited(self) -> None:
        """So many an hour are taken, the rest is dropped (C-30)."""
        self.begin(presence_list_invites_per_hour=3)
        for number in range(6):
            self.receive(list_edu(INVITE, f"@n{number}:there", ALICE))
        self.assertEqual(len(self.entries()), 3)
        advance(self.server.clock, HOUR / 2, 60)
        self.receive(list_edu(INVITE, BOB, ALICE))
        self.assertEqual(len(self.entries()), 4)

    def test_a_poll_goes_to_those_who_accepted(self) -> None:
        """The acceptance is followed by a poll with an empty push (C-24, X-9)."""
        self.change(ALICE, invite=[BOB])
        self.receive(list_edu(ACCEPT, ALICE, BOB))
        self.assertEqual(
            self.sent(),
            [
                ("there", list_edu(INVITE, ALICE, BOB)),
                ("there", poll_edu("poll", [BOB])),
            ],
        )

    def test_an_invite_once_more_goes_out_once_more(self) -> None:
        """While it is pending; nothing else is different by it (A-66)."""
        for _ in range(2):
            self.change(ALICE, invite=[BOB])
            self.assertEqual(self.sent(), [("there", list_edu(INVITE, ALICE, BOB))])
            self.assertEqual(self.entries(), {(ALICE, BOB): False})

    def test_an_unanswered_invite_is_repeated_seldom(self) -> None:
        """After an hour, then after twice as long each time, a week at most, and it
        stays pending (C-29)."""
        self.change(ALICE, invite=[BOB])
        self.assertEqual(self.sent(), [("there", list_edu(INVITE, ALICE, BOB))])
        for hours in (1, 2, 4, 8, 16, 32, 64, 128, 168, 168):
            advance(self.server.clock, 0.8 * hours * HOUR, 600)
            self.assertEqual(self.sent(), [])
            advance(self.server.clock, 0.2 * hours * HOUR + 60, 30)
            self.assertEqual(self.sent(), [("there", list_edu(INVITE, ALICE, BOB))])
        pending = self.server.view.pending(ALICE, inwards=False, outwards=True)
        self.assertEqual([entry["user_id"] for entry in pending], [BOB])

    def test_what_is_answered_is_not_repeated(self) -> None:
        """An invite that was accepted or dropped is not sent again (C-29)."""
        self.change(ALICE, invite=[BOB])
        self.receive(list_edu(ACCEPT, ALICE, BOB))
        self.change(AMY, invite=["@x:there"])
        self.change(AMY, drop=["@x:there"])
        self.sent()
        advance(self.server.clock, 3 * HOUR, 300)
        self.assertEqual(self.sent(), [])

    def test_a_server_that_is_down_gets_the_invite_later(self) -> None:
        """It is kept, and sent once the server is back (C-29)."""
        self.federation.down.add("there")
        self.change(ALICE, invite=[BOB])
        self.federation.down.clear()
        self.server.service.heard_from("there")
        advance(self.server.clock, 12)
        self.assertEqual(self.sent(), [("there", list_edu(INVITE, ALICE, BOB))])

    def test_an_invite_is_repeated_after_a_restart(self) -> None:
        """What was not answered in a former life is sent again in this (C-29)."""
        self.change(ALICE, invite=[BOB])
        self.successResultOf(self.server.stop())
        self.sent()
        again = MemoryPresence(
            "here",
            federation=self.federation,
            store=self.server.store,
            clock=self.server.clock,
            **PLAIN,
        )
        advance(again.clock, 1.1 * HOUR, 300)
        self.assertEqual(self.sent(), [("there", list_edu(INVITE, ALICE, BOB))])

    def test_a_change_of_name_goes_to_the_observers_server(self) -> None:
        """With both keys, though nobody there shares a room (D-1, D-8, C-24)."""
        self.receive(list_edu(INVITE, BOB, ALICE))
        self.change(ALICE, accept=[BOB])
        self.sent()
        self.server.handler.profile_changed(ALICE, Profile("Alice", "mxc://here/a"))
        advance(self.server.clock, 12)
        [(name, edu)] = self.sent()
        [said] = edu["content"]["push"]
        self.assertEqual(
            (name, said["displayname"], said["avatar_url"]),
            ("there", "Alice", "mxc://here/a"),
        )

    def test_switched_off_nothing_is_taken(self) -> None:
        """With `presence_lists: false` these EDUs are passed over, and entries of
        before have no effect."""
        self.receive(list_edu(INVITE, BOB, ALICE))
        self.change(ALICE, accept=[BOB])
        self.successResultOf(self.server.stop())
        store = self.server.store
        self.begin(presence_lists=False, store=store, clock=self.server.clock)
        self.receive(list_edu(INVITE, BOB, AMY))
        self.assertEqual(self.entries(), {(BOB, ALICE): True})
        self.successResultOf(self.server.set_status(ALICE, "online"))
        advance(self.server.clock, 12)
        self.assertEqual(self.sent(), [])
