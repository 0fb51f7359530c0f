"""How presence starts, ends and comes back; other servers and other processes."""

from __future__ import annotations

from typing import Any

from synapse.types import UserID
from twisted.internet.defer import Deferred

from matrix_presence.synapse.parts import Parts
from tests.synapse.rig import ALICE, BOB, CAROL, REMOTE, ROOM, SynapseTestCase


class RestartTests(SynapseTestCase):
    """One life after another on the same database."""

    def restart(self) -> None:
        """An orderly end and a new beginning."""
        self.stop()
        self.start()
        self.reactor.advance(0)

    def test_status_and_tokens_go_on(self) -> None:
        """What was seen is not shown again; what was not, is."""
        self.put(ALICE, "online", status_msg="one")
        _, before = self.events(BOB, None)
        self.put(ALICE, "unavailable", status_msg="two")
        self.restart()
        shown, position = self.events(BOB, before)
        self.assertEqual("two", shown[ALICE].status_msg)
        self.assertEqual(({}, position), self.events(BOB, position))
        self.put(ALICE, "online")
        self.assertEqual({ALICE}, set(self.events(BOB, position)[0]))

    def test_who_does_not_come_back_goes_offline(self) -> None:
        """After the usual time, with the message (B-53)."""
        self.put(ALICE, "online", status_msg="here")
        self.restart()
        self.pass_time(28)
        self.assertEqual("online", self.state(ALICE).state)
        self.pass_time(5)
        state = self.state(ALICE)
        self.assertEqual(("offline", "here"), (state.state, state.status_msg))

    def test_who_comes_back_is_what_they_say(self) -> None:
        """Not what they were before the restart; and nothing is told twice."""
        self.put(ALICE, "online")
        _, position = self.events(BOB, None)
        self.restart()
        with self.poll(ALICE):
            self.pass_time(1)
            self.assertEqual({}, self.events(BOB, position)[0])
        self.sync(ALICE, "unavailable")
        self.assertEqual("unavailable", self.state(ALICE).state)

    def test_hiding_is_remembered(self) -> None:
        """Also of somebody who never had a row (B-47)."""
        self.put(ALICE, "offline")
        self.put(BOB, "online")
        self.put(BOB, "offline")
        self.restart()
        for user in (ALICE, BOB):
            self.sync(user)
            self.assertEqual("offline", self.state(user).state)
            self.put(user, "online")
        self.restart()
        self.assertEqual("online", self.state(ALICE).state)

    def test_states_of_a_bridge_stay(self) -> None:
        """Its users have no polls that could end (D-50)."""
        self.store.appservice_users.add(ALICE)
        self.put(ALICE, "online")
        self.restart()
        self.pass_time(100)
        self.assertEqual("online", self.state(ALICE).state)

    def test_rows_synapse_left_behind_are_read(self) -> None:
        """Whatever is NULL in them."""
        self.stop()
        self.store.db_pool.connection.execute(
            "INSERT INTO presence_stream (stream_id, user_id) VALUES (1, ?)", (CAROL,)
        )
        self.start()
        self.assertEqual("offline", self.state(CAROL).state)


class EndTests(SynapseTestCase):
    """An end with clients connected."""

    def test_polls_that_are_open_at_the_end_end_after_it(self) -> None:
        """Synapse cuts them off when we have already stopped."""
        with self.poll(BOB):
            waiting = self.notifier.poll(BOB)
            self.put(ALICE, "online")
            self.stop()
            self.pass_time(5)
            self.assertTrue(waiting.called)
        self.assertEqual(0, len(self.presence.parts.listeners))


class LoadingTests(SynapseTestCase):
    """Before everything is loaded nothing wrong is said."""

    def setUp(self) -> None:
        """A life that hangs in its loading."""
        super().setUp()
        self.put(ALICE, "online", status_msg="stored")
        self.stop()
        self.store.db_pool.held = []
        self.start()

    def loaded(self) -> None:
        """The loading goes on."""
        self.store.db_pool.release()
        self.reactor.pump([0.01] * 10)

    def test_questions_wait(self) -> None:
        """And are answered with what is stored."""
        asking = Deferred.fromCoroutine(self.presence.current_state_for_user(ALICE))
        self.assertNoResult(asking)
        self.loaded()
        self.assertEqual("stored", self.successResultOf(asking).status_msg)

    def test_sync_is_answered_without_presence_which_comes_later(self) -> None:
        """With the same token the next one shows it."""
        self.assertEqual(({}, 1), self.events(BOB, 1))
        self.loaded()
        self.assertEqual({ALICE}, set(self.events(BOB, 1)[0]))

    def test_polls_that_began_early_count(self) -> None:
        """Their users are there, and they are woken for what they have missed."""
        self.notifier.user_to_user_stream.clear()
        with self.poll(BOB):
            waiting = self.notifier.poll(BOB)
            self.notifier.user_to_user_stream[BOB].current_token = type(
                self.notifier.event_sources.get_current_token()
            )(1)
            self.loaded()
            self.assertEqual("online", self.state(BOB).state)
            self.pass_time(2)
            self.successResultOf(waiting)
        with self.poll(CAROL):
            pass

    def test_poll_that_ended_early_is_forgotten(self) -> None:
        """It leaves nothing open."""
        with self.poll(BOB):
            pass
        self.loaded()
        self.assertEqual(0, len(self.presence.parts.listeners))

    def test_what_fails_then_fails_alone(self) -> None:
        """What else has waited is done, and questions are answered."""
        done: list[str] = []
        readiness = self.presence.parts.readiness
        readiness.then(lambda: [].pop())
        readiness.then(lambda: done.append("the next"))
        asking = Deferred.fromCoroutine(self.presence.current_state_for_user(ALICE))
        self.loaded()
        self.assertEqual(["the next"], done)
        self.assertEqual("stored", self.successResultOf(asking).status_msg)
        (said,) = self.logged_errors()
        self.assertIn("pop from empty list", said)

    def test_request_that_goes_away_waits_no_more(self) -> None:
        """And takes nothing along."""
        asking = Deferred.fromCoroutine(self.presence.current_state_for_user(ALICE))
        asking.addErrback(lambda _: None)
        asking.cancel()
        self.loaded()
        self.assertEqual("stored", self.state(ALICE).status_msg)

    def test_database_that_fails_leaves_a_presence_that_heals(self) -> None:
        """One line in the log, and no request that waits for ever."""
        self.loaded()
        self.stop()
        self.patch(
            Parts, "_restore", lambda parts: Deferred.fromCoroutine(self.broken())
        )
        self.start()
        self.reactor.pump([0.01] * 10)
        self.assertEqual("offline", self.state(ALICE).state)
        self.assertEqual(1, len(self.logged_errors()))

    async def broken(self) -> int:
        """What the database does."""
        raise OSError("no database")


class FederationTests(SynapseTestCase):
    """Other servers, by Synapse's sender and receiver."""

    def setUp(self) -> None:
        """Dave is on another server and in the room."""
        super().setUp()
        self.handler.joined(ROOM, REMOTE)
        self.pass_time(10)

    def push(self, *push: Any, origin: str = "far") -> None:
        """An EDU arrives."""
        take = self.synapse.registry.edu_handlers["m.presence"]
        done = take(origin, {"push": list(push)})
        self.successResultOf(Deferred.fromCoroutine(done))
        self.pass_time(0.25)

    def test_what_they_say_is_shown_and_stored(self) -> None:
        """State, message and activity."""
        self.push({"user_id": REMOTE, "presence": "online", "status_msg": "far away"})
        self.assertEqual("far away", self.events(BOB, 1)[0][REMOTE].status_msg)
        self.assertEqual("online", self.store.db_pool.rows()[REMOTE][1])

    def test_malformed_entries_are_left_out_alone(self) -> None:
        """Nothing fails, and the others are taken (C-4)."""
        malformed: list[Any] = [None, 5, [], {"push": 5}, {"push": {"a": 1}}]
        for content in malformed:
            take = self.synapse.registry.edu_handlers["m.presence"]
            self.successResultOf(Deferred.fromCoroutine(take("far", content)))
        self.push(
            5,
            {"user_id": 5, "presence": "online"},
            {"user_id": REMOTE, "presence": ["online"]},
            {"user_id": REMOTE, "presence": "online", "last_active_ago": "x"},
            {"user_id": ALICE, "presence": "online"},
            {"user_id": "@stranger:far", "presence": "online"},
            {"user_id": REMOTE, "presence": "unavailable"},
        )
        self.assertEqual({REMOTE}, set(self.store.db_pool.rows()))
        self.assertEqual("unavailable", self.state(REMOTE).state)

    def test_server_that_falls_silent_has_nobody_online(self) -> None:
        """After half an hour (C-9)."""
        self.push({"user_id": REMOTE, "presence": "online"})
        self.pass_time(29 * 60)
        self.assertEqual("online", self.state(REMOTE).state)
        self.pass_time(2 * 60)
        self.assertEqual("offline", self.state(REMOTE).state)

    def test_they_are_told_of_ours(self) -> None:
        """Through Synapse's queue, with what it needs to compose an EDU."""
        self.put(ALICE, "online", status_msg="hello")
        self.pass_time(10)
        (destination, states), *_ = self.synapse.queue.sent
        self.assertEqual(("far", "hello"), (destination, states[0].status_msg))

    def test_a_storm_is_a_few_messages(self) -> None:
        """One in each window, with the newest state (C-10)."""
        with self.poll(ALICE):
            for number in range(10):
                self.put(ALICE, "online", status_msg=str(number))
                self.pass_time(0.25)
            self.pass_time(6)
        # A ping may come on top, by chance.
        self.assertLessEqual(len(self.synapse.queue.sent), 4)
        self.assertEqual("9", self.synapse.queue.sent[-1][1][0].status_msg)

    def test_server_that_comes_in_is_told_who_is_there(self) -> None:
        """And of nobody of whom there is nothing to say (C-12)."""
        self.put(ALICE, "online")
        self.pass_time(10)
        self.store.change(ROOM, "@eve:elsewhere", "join")
        for callback in self.notifier.callbacks:
            callback()
        self.pass_time(10)
        # The other one may be due for a ping by chance.
        told = dict(self.synapse.queue.sent)["elsewhere"]
        self.assertEqual([ALICE], [state.user_id for state in told])


class WorkerTests(SynapseTestCase):
    """Polls that are open on other processes."""

    def row(self, process: str, user_id: str, syncing: bool) -> None:
        """What replication tells."""
        done = self.presence.update_external_syncs_row(
            process, user_id, "DEVICE", syncing, 0
        )
        self.successResultOf(Deferred.fromCoroutine(done))

    def test_poll_on_a_worker_keeps_its_user_there(self) -> None:
        """Until it ends, or the worker does."""
        self.row("worker", ALICE, True)
        self.row("worker", BOB, True)
        self.pass_time(100)
        self.assertEqual("online", self.state(ALICE).state)
        self.row("worker", ALICE, False)
        self.pass_time(33)
        self.assertEqual("offline", self.state(ALICE).state)
        self.assertEqual("online", self.state(BOB).state)
        clearing = self.presence.update_external_syncs_clear("worker")
        self.successResultOf(Deferred.fromCoroutine(clearing))
        self.pass_time(33)
        self.assertEqual("offline", self.state(BOB).state)

    def test_worker_that_falls_silent_is_gone(self) -> None:
        """And the polls on it."""
        self.row("worker", ALICE, True)
        self.pass_time(340)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_what_a_device_has_said_stays(self) -> None:
        """That it polls does not make an unavailable device online."""
        self.sync(ALICE, "unavailable")
        self.row("worker", ALICE, True)
        self.assertEqual("unavailable", self.state(ALICE).state)

    def test_sync_on_a_worker_is_relayed_as_a_status(self) -> None:
        """It changes the state and leaves the message alone."""
        self.put(ALICE, "online", status_msg="kept")
        relayed = self.presence.set_state(
            UserID.from_string(ALICE),
            "DEVICE",
            {"presence": "unavailable"},
            is_sync=True,
        )
        self.successResultOf(Deferred.fromCoroutine(relayed))
        state = self.state(ALICE)
        self.assertEqual(("unavailable", "kept"), (state.state, state.status_msg))
