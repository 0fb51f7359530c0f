"""What is known of other servers outlives a restart."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail

from matrix_presence.interfaces import DestinationRow, PresenceUnwanted
from matrix_presence.storage.memory import MemoryPresenceStore
from matrix_presence.testing import MemoryFederation, MemoryPresence
from tests.federation.rig import (
    ALICE,
    BOB,
    REMOTE,
    ROOM,
    FederationTestCase,
    HeldFederation,
    Link,
)
from tests.federation.test_lists import ACCEPT, INVITE, change

HOUR = 3600


class RestartTestCase(FederationTestCase):
    """Alice and Bob share a room with users of two other servers."""

    def setUp(self) -> None:
        """They have met, and one of the servers is down."""
        super().setUp()
        self.server.room(ROOM, ALICE, BOB, REMOTE, "@up:elsewhere")
        self.put("online", "hello")
        self.pass_time(400)
        self.federation.down.add("there")

    def restart(self, *, crash: bool = False, **options: Any) -> None:
        """Begin another life, in the same room, on the same clock."""
        store: MemoryPresenceStore = self.server.store
        if crash:
            self.server.service.stopService()
            store.clean = False
        else:
            self.successResultOf(self.server.stop())
        self.taken()
        self.server = self.start(store=store, clock=self.server.clock, **options)
        members = [ALICE, BOB, REMOTE, "@up:elsewhere"]
        self.server.handler.restore_room(ROOM, members)

    def attempts(self) -> int:
        """How many transactions have failed in this life."""
        sender = self.server.service.sender
        assert sender is not None
        return sender.failed

    def rows(self) -> dict[str, DestinationRow]:
        """What is in the store."""
        rows: dict[str, DestinationRow] = self.server.store.destinations
        return rows


class BackoffTests(RestartTestCase):
    """A server that does not answer is not asked more often for a restart."""

    def test_the_wait_goes_on(self) -> None:
        """It is tried when its time has come, not at the start (C-11)."""
        self.put("unavailable")
        self.pass_time(4 * HOUR, 5)
        row = self.rows()["there"]
        self.assertGreater(row.failures, 5)
        self.assertTrue(row.owed)
        self.restart()
        self.pass_time(600)
        self.assertEqual(0, self.attempts())
        self.pass_time(row.retry_ts / 1000 + 400 - self.server.clock.seconds(), 5)
        self.assertEqual(1, self.attempts())
        self.assertEqual(row.failures + 1, self.rows()["there"].failures)
        self.assertEqual(row.failing_since, self.rows()["there"].failing_since)

    def test_one_snapshot_is_sent_when_it_is_back(self) -> None:
        """Also of what happened before the restart (C-11)."""
        self.put("unavailable", "before")
        self.pass_time(60)
        self.restart()
        self.put("online", user=BOB)
        self.pass_time(HOUR, 5)
        self.taken()
        self.federation.down.clear()
        self.server.service.heard_from("there")
        self.pass_time(1)
        ((destination, entries),) = self.taken()
        self.assertEqual("there", destination)
        self.assertEqual({ALICE, BOB}, set(entries))
        self.assertEqual("before", entries[ALICE]["status_msg"])

    def test_a_sign_of_life_soon_after_the_restart_is_enough(self) -> None:
        """What it is owed does not wait for its ping (C-11)."""
        self.put("unavailable")
        self.pass_time(60)
        self.restart()
        self.pass_time(1)
        self.federation.down.clear()
        self.server.service.heard_from("there")
        self.pass_time(1)
        self.assertIn(ALICE, self.told()["there"])

    def test_who_answers_again_is_forgotten(self) -> None:
        """Nothing is kept of servers that are up to date."""
        self.put("unavailable")
        self.pass_time(60)
        self.assertEqual(["there"], list(self.rows()))
        self.federation.down.clear()
        self.server.service.heard_from("there")
        self.pass_time(20)
        self.assertEqual({}, self.rows())

    def test_nothing_is_written_for_each_failure(self) -> None:
        """However many fail, they are written together and not at once."""
        self.restart(persist_interval="1m")
        others = [f"@user:server{number}" for number in range(50)]
        self.federation.down.update(f"server{number}" for number in range(50))
        self.server.room(ROOM, *others)
        self.server.store.committed.clear()
        self.put("unavailable")
        self.pass_time(100)
        written = [batch for batch in self.server.store.committed if batch.destinations]
        self.assertLessEqual(len(written), 2)
        self.assertEqual(51, len(self.rows()))

    def test_a_write_that_fails_is_tried_again(self) -> None:
        """With the next interval."""
        self.put("unavailable")
        self.server.store.fail_next(OSError("disk"), times=1)
        self.pass_time(30)
        self.logged_errors()
        self.assertEqual(["there"], list(self.rows()))

    def test_a_clock_that_was_set_back_does_no_harm(self) -> None:
        """Nobody is left alone for longer than anybody ever is."""
        future = int(self.server.clock.seconds() * 1000) + 10**10
        self.server.store.destinations["there"] = DestinationRow("there", 3, 1, future)
        self.restart()
        self.pass_time(4.1 * HOUR, 5)
        self.assertGreaterEqual(self.attempts(), 1)


class OwedTests(RestartTestCase):
    """Who has to hear of everybody after a restart, and who has not."""

    def test_who_was_up_to_date_hears_only_of_those_present(self) -> None:
        """After an orderly end nothing is told twice, but for the ping (C-9, C-11)."""
        self.put("offline", user=BOB)
        self.pass_time(60)
        self.restart()
        self.connect()
        self.pass_time(310)
        self.assertEqual({"elsewhere": {ALICE: "online"}}, self.told())

    def test_after_a_crash_everybody_hears_of_everybody(self) -> None:
        """Nobody knows what was told (C-11)."""
        self.put("offline", "gone", user=BOB)
        self.pass_time(60)
        self.restart(crash=True)
        self.connect()
        self.pass_time(310)
        self.assertEqual({ALICE, BOB}, set(self.told()["elsewhere"]))

    def test_what_was_under_way_at_the_end_is_owed(self) -> None:
        """Nobody knows whether it arrived, and it is no failure (C-11)."""
        federation = HeldFederation()
        self.server = self.start(federation)
        self.server.room(ROOM, ALICE, REMOTE)
        self.put("unavailable", "lunch")
        self.assertEqual(["there"], list(federation.open))
        self.restart()
        self.assertEqual({"there": DestinationRow("there", owed=True)}, self.rows())
        self.federation.down.clear()
        self.pass_time(310)
        self.assertIn("there", self.told())
        self.successResultOf(self.server.stop())
        self.assertEqual({}, self.rows())

    def test_what_is_owed_does_not_wait_for_the_ping(self) -> None:
        """It is told in seconds, even if it takes two restarts to get there (C-11)."""
        federation = HeldFederation()
        self.server = self.start(federation)
        self.server.room(ROOM, ALICE, REMOTE)
        self.put("unavailable", "lunch")
        self.restart()
        self.restart()
        self.assertEqual({"there": DestinationRow("there", owed=True)}, self.rows())
        self.federation.down.clear()
        self.pass_time(11)
        self.assertIn("there", self.told())

    def test_a_join_does_not_stand_for_what_is_owed(self) -> None:
        """Who comes into one more room is told of the others as soon (C-11, C-12)."""
        self.put("offline", "gone")
        self.pass_time(60)
        self.restart()
        self.federation.down.clear()
        self.server.service.heard_from("there")
        self.server.room("!second:hs", "@carol:hs")
        self.put("online", user="@carol:hs")
        self.server.room("!second:hs", "@more:there")
        self.pass_time(11)
        self.assertEqual("offline", self.told()["there"][ALICE])

    def test_who_comes_in_after_a_crash_is_told_once(self) -> None:
        """There is nothing that a new server has missed by it (C-11, C-12)."""
        self.restart(crash=True)
        self.put("online", user=BOB)
        self.server.room(ROOM, "@more:new")
        self.pass_time(310)
        told = [set(entries) for name, entries in self.taken() if name == "new"]
        self.assertEqual([{ALICE, BOB}], told)

    def test_servers_that_share_nothing_any_more_are_forgotten(self) -> None:
        """Rows of servers that nobody meets again do not pile up."""
        store = self.server.store
        for number in range(1200):
            name = f"gone{number}"
            store.destinations[name] = DestinationRow(name, 9, 1, 2, True)
        self.restart()
        self.assertGreater(len(self.rows()), 1000)
        self.pass_time(HOUR + 60, 5)
        self.assertEqual([], [name for name in self.rows() if name != "there"])

    def test_who_wants_no_presence_is_not_asked_again_for_a_restart(self) -> None:
        """Until the time that it gave is over."""
        until = int(self.server.clock.seconds() * 1000) + HOUR * 1000
        sent: list[str] = []

        def send(destination: str, edus: Any) -> Deferred[None]:
            sent.append(destination)
            return fail(PresenceUnwanted(until))

        self.server = self.start(Link(send))
        self.server.room(ROOM, ALICE, REMOTE)
        self.put("online")
        self.pass_time(60)
        self.put("unavailable")
        self.pass_time(60)
        self.assertEqual(["there"], sent)
        self.federation.down.clear()
        self.restart()
        self.assertEqual(until, self.rows()["there"].unwanted_until)
        self.put("online")
        self.pass_time(1800, 5)
        self.assertEqual({"elsewhere"}, set(self.told()))
        self.pass_time(HOUR, 5)
        self.assertIn("there", self.told())


class LetterTests(FederationTestCase):
    """What is about presence lists and was not told."""

    def again(self) -> MemoryPresence:
        """Another life with the same store."""
        self.successResultOf(self.server.stop())
        self.federation = MemoryFederation()
        return self.start(store=self.server.store, clock=self.server.clock)

    def letters(self) -> list[tuple[str, str]]:
        """Destination and type of what was sent that is no presence."""
        return [
            (destination, edu["edu_type"])
            for destination, edus in self.federation.sent
            for edu in edus
            if edu["edu_type"] != "m.presence"
        ]

    def test_an_invite_that_did_not_arrive_is_sent_soon(self) -> None:
        """Not only when invites are repeated (C-24, C-29)."""
        self.server.homeserver.add_user(ALICE)
        self.federation.down.add("there")
        self.successResultOf(change(self.server, ALICE, invite=[REMOTE]))
        self.pass_time(60)
        self.server = self.again()
        self.pass_time(900, 5)
        self.assertIn(("there", INVITE), self.letters())

    def test_an_acceptance_that_did_not_arrive_is_sent_after_all(self) -> None:
        """Nobody would repeat it otherwise (C-24, C-27)."""
        self.server.homeserver.add_user(ALICE)
        invite = {"observer_user": REMOTE, "observed_user": ALICE}
        self.server.service.receiver.edu_received(
            "there", {"edu_type": INVITE, "content": invite}
        )
        self.pass_time(1)
        self.federation.down.add("there")
        self.successResultOf(change(self.server, ALICE, accept=[REMOTE]))
        self.pass_time(60)
        self.server = self.again()
        self.pass_time(900, 5)
        self.assertIn(("there", ACCEPT), self.letters())
        self.pass_time(20)
        self.assertEqual({}, self.server.store.destinations)
