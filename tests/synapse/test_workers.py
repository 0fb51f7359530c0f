"""What other processes of the homeserver relay, on both ends of the relay."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from synapse.types import UserID
from twisted.internet.defer import Deferred

from matrix_presence.synapse import assembly, statements
from matrix_presence.synapse.inputs import (
    DEACTIVATED,
    INPUT,
    LOGGED_OUT,
    REACTIVATED,
    SAYS_NOTHING,
)
from matrix_presence.synapse.options import parse_entry
from tests.synapse.rig import ALICE, BOB, SynapseTestCase


class WriterTests(SynapseTestCase):
    """What is relayed to the process that writes presence."""

    def relayed(
        self, user_id: str, presence: str = "online", told: str | None = None
    ) -> None:
        """A sync that has begun on another process, or what that process tells."""
        state = {"presence": presence}
        if told is not None:
            state[INPUT] = told
        user = UserID.from_string(user_id)
        # Positional, as the servlet of the replication calls it.
        telling = self.presence.set_state(user, "DEVICE", state, False, True)
        self.successResultOf(Deferred.fromCoroutine(telling))
        self.pass_time(0.25)

    def row(self, process: str, user_id: str, syncing: bool) -> None:
        """What replication tells."""
        done = self.presence.update_external_syncs_row(
            process, user_id, "DEVICE", syncing, 0
        )
        self.successResultOf(Deferred.fromCoroutine(done))

    def test_polls_that_are_relayed_keep_a_worker_alive(self) -> None:
        """It tells of the first poll of a device only, which may be long ago."""
        self.row("worker", ALICE, True)
        self.row("worker", BOB, True)
        for _ in range(10):
            self.relayed(ALICE)
            self.pass_time(60)
        # They do nothing else, and are idle by now.
        self.assertEqual("unavailable", self.state(ALICE).state)
        self.assertEqual("unavailable", self.state(BOB).state)
        self.pass_time(340)
        self.assertEqual("offline", self.state(ALICE).state)
        self.assertEqual("offline", self.state(BOB).state)

    def test_device_nobody_told_of_is_there_while_it_is_relayed(self) -> None:
        """The writer was started after the poll; it ends when it is told to."""
        for _ in range(10):
            self.relayed(ALICE)
            self.pass_time(120)
            self.assertNotEqual("offline", self.state(ALICE).state)
        self.row("worker", ALICE, False)
        self.pass_time(33)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_device_nobody_told_of_is_gone_when_it_is_relayed_no_more(self) -> None:
        """Its process may be gone too, and nobody tells."""
        self.relayed(ALICE)
        self.pass_time(640)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_device_is_counted_once(self) -> None:
        """Relayed before its process tells of it, it is there until that tells."""
        self.relayed(ALICE)
        self.row("worker", ALICE, True)
        self.row("worker", ALICE, False)
        self.pass_time(33)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_poll_that_says_nothing_does_not_reveal(self) -> None:
        """Who set offline stays hidden; one that says online shows them (B-47)."""
        self.put(ALICE, "offline")
        self.relayed(ALICE, told=SAYS_NOTHING)
        self.assertEqual("offline", self.state(ALICE).state)
        self.relayed(ALICE)
        self.assertEqual("online", self.state(ALICE).state)

    def test_poll_that_says_offline_hides(self) -> None:
        """It does not count as connected, though another did just before (A-82)."""
        self.row("worker", ALICE, True)
        self.relayed(ALICE)
        self.relayed(ALICE, "offline")
        self.pass_time(33)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_ends_of_devices_and_accounts_are_told(self) -> None:
        """They end what was stated at once; an account may be brought back."""
        self.put(ALICE, "online")
        self.relayed(ALICE, "offline", LOGGED_OUT)
        self.assertEqual("offline", self.state(ALICE).state)
        self.put(ALICE, "online")
        self.relayed(ALICE, "offline", DEACTIVATED)
        self.assertNotIn(ALICE, self.events(BOB, None)[0])
        self.relayed(ALICE, "offline", REACTIVATED)
        self.put(ALICE, "online")
        self.assertIn(ALICE, self.events(BOB, None)[0])

    def test_nothing_is_left_behind_at_the_end(self) -> None:
        """No timer of a process outlives the server."""
        self.row("worker", ALICE, True)
        self.relayed(BOB)
        self.stop()
        self.reactor.advance(0)
        self.assertEqual([], self.reactor.getDelayedCalls())


class Stock:
    """Synapse's own handler on a process that does not write presence."""

    def __init__(self) -> None:
        self._federation: object = "a sender"
        self._last_sent_presence = {(ALICE, "DEVICE"): ("online", 0)}
        self.states: list[tuple[Any, ...]] = []
        self.bumps: list[tuple[str, str | None]] = []
        self.syncing: list[str] = []
        self.fault: Exception | None = None

    async def set_state(
        self,
        user: UserID,
        device_id: str | None,
        state: dict[str, Any],
        force_notify: bool = False,
        is_sync: bool = False,
    ) -> None:
        """Would be relayed."""
        if self.fault is not None:
            raise self.fault
        self.states.append((user.to_string(), device_id, state, force_notify, is_sync))

    async def bump_presence_active_time(
        self, user: UserID, device_id: str | None
    ) -> None:
        """Would be relayed."""
        self.bumps.append((user.to_string(), device_id))

    async def user_syncing(self, user_id: str, *args: Any) -> Any:
        """A sync is open."""
        syncing = self.syncing

        class Sync:
            def __enter__(self) -> None:
                syncing.append(user_id)

            def __exit__(self, *args: object) -> None:
                syncing.remove(user_id)

        return Sync()


class RelayTests(SynapseTestCase):
    """A process that does not write presence."""

    def setUp(self) -> None:
        """Synapse's own handler, as the module leaves it there."""
        super().setUp()
        self.synapse.config.worker.writers.presence = ["another"]
        homeserver: Any = self.synapse
        self.stocks = Stock()
        built = assembly.build(homeserver, parse_entry({}), lambda _: self.stocks)
        self.assertIs(self.stocks, built)
        self.relay = self.stocks.matrix_presence_relay  # type: ignore[attr-defined]  # set on it
        self.reactor.advance(0)

    def does(self, doing: Any) -> Any:
        """What a coroutine comes to at once."""
        return self.successResultOf(Deferred.fromCoroutine(doing))

    def test_sync_says_what_its_request_says(self) -> None:
        """Synapse's default is marked as nothing said (B-47)."""
        user = UserID.from_string(ALICE)
        state = {"presence": "online"}
        self.does(self.stocks.set_state(user, "DEVICE", state, is_sync=True))
        request = SimpleNamespace(url="/sync?set_presence=online")
        current = SimpleNamespace(request=request)
        self.patch(statements, "current_context", lambda: current)
        self.does(self.stocks.set_state(user, "DEVICE", state, is_sync=True))
        hidden = {"presence": "offline"}
        self.does(self.stocks.set_state(user, "DEVICE", hidden, is_sync=True))
        told = [state for _, _, state, _, _ in self.stocks.states]
        self.assertEqual([{**state, INPUT: SAYS_NOTHING}, state, hidden], told)

    def test_activity_is_told_although_a_sync_was(self) -> None:
        """Now and then, and at once after a status."""
        user = UserID.from_string(ALICE)
        for _ in range(3):
            self.does(self.stocks.bump_presence_active_time(user, "DEVICE"))
        self.assertEqual([(ALICE, "DEVICE")], self.stocks.bumps)
        self.assertEqual({}, self.stocks._last_sent_presence)
        self.pass_time(16)
        self.does(self.stocks.bump_presence_active_time(user, "DEVICE"))
        self.does(self.stocks.set_state(user, "DEVICE", {"presence": "unavailable"}))
        self.does(self.stocks.bump_presence_active_time(user, "DEVICE"))
        self.assertEqual(3, len(self.stocks.bumps))

    def test_messages_of_all_kinds_are_told(self) -> None:
        """They are sent here, and the writer does not see who sent them."""
        event = SimpleNamespace(
            is_state=lambda: False,
            type="m.room.encrypted",
            sender=ALICE,
            internal_metadata=SimpleNamespace(device_id="DEVICE"),
        )
        for _ in range(2):
            self.does(self.notifier.on_new_room_events([(event, None)], None))
        self.assertEqual([(ALICE, "DEVICE")], self.stocks.bumps)

    def test_writer_that_cannot_be_reached_fails_no_logout(self) -> None:
        """It is told otherwise, and else finds out in its own time."""
        self.does(self.relay.tell(ALICE, "DEVICE", LOGGED_OUT))
        state = {"presence": "offline", INPUT: LOGGED_OUT}
        told = ALICE, "DEVICE", state, True, True
        self.assertEqual([told], self.stocks.states)
        self.stocks.fault = ConnectionError("away")
        self.does(self.relay.tell(ALICE, "DEVICE", LOGGED_OUT))

    def test_sliding_sync_counts_as_a_sync(self) -> None:
        """While it lasts; a guest's does not."""
        for is_guest, syncing in ((False, [ALICE]), (True, [])):
            requester = SimpleNamespace(
                user=UserID.from_string(ALICE), device_id="DEVICE", is_guest=is_guest
            )
            waiting = self.synapse.sliding.wait_for_sync_for_user(requester, "config")
            done = Deferred.fromCoroutine(waiting)
            self.assertEqual(syncing, self.stocks.syncing)
            self.synapse.sliding_polls[-1].callback("answer")
            self.assertEqual("answer", self.successResultOf(done))
            self.assertEqual([], self.stocks.syncing)

    def test_only_the_writer_tells_other_servers(self) -> None:
        """Told here too they would hear everything twice."""
        self.assertIsNone(self.stocks._federation)

    def test_limits_are_the_writers(self) -> None:
        """No sync is dropped here; where each would be relayed they stay."""
        limit = self.synapse.config.ratelimiting.rc_presence_per_user
        self.assertGreater(limit.per_second, 1000)

    def test_unknown_handler_is_left_alone(self) -> None:
        """One line says so."""
        homeserver: Any = self.synapse
        other = SimpleNamespace(set_state=None)
        assembly.build(homeserver, parse_entry({}), lambda _: other)
        self.assertEqual(SimpleNamespace(set_state=None), other)
        (said,) = self.logged_errors()
        self.assertIn("user_syncing", said)

    def test_whatever_goes_wrong_leaves_it_in_place(self) -> None:
        """Synapse relays as it always did."""
        homeserver: Any = self.synapse
        homeserver.is_mine_id = property
        del homeserver.notifier
        stock = Stock()
        built = assembly.build(homeserver, parse_entry({}), lambda _: stock)
        self.assertIs(stock, built)
        (said,) = self.logged_errors()
        self.assertIn("as Synapse does it", said)
