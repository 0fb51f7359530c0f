"""Ticks, what is written for them, and who is woken and reads."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import Any

from synapse.types import UserID
from twisted.internet.defer import Deferred

from matrix_presence.synapse import statements
from tests.synapse.rig import ALICE, BOB, CAROL, ROOM, SynapseTestCase


class JournalTests(SynapseTestCase):
    """A tick is in the database before anybody sees it."""

    def test_position_counts_only_once_it_is_written(self) -> None:
        """Nobody is told of a stream id that a crash could take back (X-12)."""
        self.store.db_pool.held = []
        done = self.putting(ALICE, "online")
        self.pass_time(0.5)
        before = self.synapse.sources.presence.get_current_key()
        self.store.db_pool.release()
        self.successResultOf(done)
        after = self.synapse.sources.presence.get_current_key()
        self.assertEqual((1, 2), (before, after))
        self.assertEqual(2, self.store.ids.current)

    def test_change_during_a_write_belongs_to_the_next_tick(self) -> None:
        """So the row at a position is what was shown at it, and nothing is lost."""
        self.store.db_pool.held = []
        first = self.putting(ALICE, "online", status_msg="one")
        self.pass_time(0.25)
        second = self.putting(ALICE, "online", status_msg="two")
        other = self.putting(BOB, "unavailable")
        self.pass_time(0.25)
        self.store.db_pool.release()
        self.successResultOf(first)
        self.assertEqual({ALICE: (2, "online", "one")}, self.store.db_pool.rows())
        self.pass_time(0.25)
        self.successResultOf(second)
        self.successResultOf(other)
        self.assertEqual(
            {ALICE: (3, "online", "two"), BOB: (3, "unavailable", None)},
            self.store.db_pool.rows(),
        )

    def test_changes_of_a_moment_share_a_write(self) -> None:
        """One stream id for all of them."""
        self.put(CAROL, "online")
        done = [self.putting(user, "online") for user in (ALICE, BOB)]
        self.pass_time(0.5)
        for one in done:
            self.successResultOf(one)
        positions = {user: row[0] for user, row in self.store.db_pool.rows().items()}
        self.assertEqual({CAROL: 2, ALICE: 3, BOB: 3}, positions)

    def test_activity_alone_takes_no_stream_id(self) -> None:
        """It is written in place, once a minute, so nobody is sent anything."""
        with self.poll(ALICE):
            self.pass_time(0.5)
            before = self.store.db_pool.rows()
            for _ in range(60):
                self.presence.active(ALICE, "DEVICE")
                self.pass_time(1.25)
            self.assertEqual(before, self.store.db_pool.rows())
            self.assertLessEqual(self.store.db_pool.log.count("presence_activity"), 2)

    def test_unchanged_status_writes_nothing(self) -> None:
        """The database says just this already."""
        self.put(ALICE, "online", status_msg="same")
        written = len(self.store.db_pool.log)
        self.put(ALICE, "online", status_msg="same")
        self.assertEqual(written, len(self.store.db_pool.log))

    def test_what_is_pending_is_written_at_the_end(self) -> None:
        """A shutdown waits for it."""
        self.put(BOB, "online")
        self.store.db_pool.held = []
        done = self.putting(ALICE, "online", status_msg="one")
        self.pass_time(0.25)
        more = self.putting(ALICE, "online", status_msg="two")
        ending = self.synapse.shutdown[0]()
        self.store.db_pool.release()
        self.reactor.advance(0)
        self.successResultOf(ending)
        for one in (done, more):
            self.successResultOf(one)
        self.assertEqual("two", self.store.db_pool.rows()[ALICE][2])


class WakingTests(SynapseTestCase):
    """Who waits is woken through Synapse's notifier."""

    def test_who_may_see_it_is_woken(self) -> None:
        """And with a token that covers what there is to see."""
        with self.poll(BOB, "offline"):
            waiting = self.notifier.poll(BOB)
            self.put(ALICE, "online")
            self.reactor.pump([0.01] * 3)
            token = self.successResultOf(waiting)
            self.assertEqual(2, token.presence_key)

    def test_who_may_not_see_it_sleeps_on(self) -> None:
        """Strangers are left alone, and so is their stream."""
        with self.poll(CAROL, "offline"):
            waiting = self.notifier.poll(CAROL)
            self.put(ALICE, "online")
            self.pass_time(5)
            self.assertNoResult(waiting)

    def test_client_is_woken_once_a_window(self) -> None:
        """However much happens; then with all of it."""
        with self.poll(BOB, "offline"):
            woken = 0
            waiting = self.notifier.poll(BOB)
            for number in range(8):
                self.put(ALICE, "online", status_msg=str(number))
                self.reactor.pump([0.05] * 10)
                if waiting.called:
                    woken += 1
                    waiting = self.notifier.poll(BOB)
            # Half a second each: four seconds and a window of two.
            self.assertIn(woken, (2, 3))

    def test_change_between_two_polls_is_not_slept_through(self) -> None:
        """Synapse's token of the last wake-up does not know of it yet."""
        with self.poll(BOB, "offline"):
            self.notifier.poll(BOB)
        self.pass_time(1.5)
        self.put(ALICE, "online")
        with self.poll(BOB, "offline"):
            # A client that came with the token of before the change.
            stream = self.notifier.user_to_user_stream[BOB]
            waiting: Deferred[Any] = Deferred()
            stream.listeners.append(waiting)
            self.pass_time(0.5)
            self.assertEqual(2, self.successResultOf(waiting).presence_key)

    def test_client_woken_for_another_reason_is_not_woken_again(self) -> None:
        """It took the presence along."""
        with self.poll(BOB, "offline"):
            self.notifier.poll(BOB)
            self.put(ALICE, "online")
            self.pass_time(0.25)
            waiting = self.notifier.poll(BOB)
            self.put(ALICE, "unavailable")
            # A message comes: Synapse itself wakes the client, which polls again.
            stream = self.notifier.user_to_user_stream[BOB]
            now = self.notifier.event_sources.get_current_token()
            stream.update_and_fetch_deferreds(now, 0)
            waiting = self.notifier.poll(BOB)
            self.pass_time(3)
            self.assertNoResult(waiting)

    def test_many_are_woken_a_few_at_a_time(self) -> None:
        """Each composes a whole sync, and others want the reactor too."""
        users, polls, waiting = self.crowd(20)
        pokes: list[int] = []
        current = self.notifier.event_sources.get_current_token

        def poked() -> object:
            pokes.append(sum(one.called for one in waiting))
            return current()

        self.notifier.event_sources.get_current_token = poked
        self.put(ALICE, "online")
        self.assertEqual(list(range(0, 20, 3)), pokes)
        self.assertEqual(len(users), sum(one.called for one in waiting))
        for poll in polls:
            poll.__exit__(None, None, None)

    def test_appservices_hear_of_each_change(self) -> None:
        """Of all users who changed, at the position at which they can be read."""
        self.put(ALICE, "online")
        self.assertEqual([(2, [ALICE])], self.synapse.told_appservices)


class BudgetTests(SynapseTestCase):
    """Only so many are woken in a second."""

    options = MappingProxyType({"client_wakeups_per_second": 1})

    def test_who_polls_again_with_all_of_it_takes_nobodys_turn(self) -> None:
        """They were woken by a message, say; those who still wait are next."""
        users, polls, (*_, last) = self.crowd(10)
        self.pass_time(5)
        self.put(ALICE, "online")
        for number, user in enumerate(users[:-1]):
            polls[number].__exit__(None, None, None)
            self.notifier.poll(user)
            polls[number] = self.poll(user, "offline")
            polls[number].__enter__()
        self.assertNoResult(last)
        self.pass_time(1.5)
        self.successResultOf(last)
        for poll in polls:
            poll.__exit__(None, None, None)


class SourceTests(SynapseTestCase):
    """What the event source shows."""

    def test_first_sync_shows_who_is_there(self) -> None:
        """Offline users only where that is asked for (A-90)."""
        self.put(ALICE, "online")
        shown, position = self.events(BOB, None, include_offline=False)
        self.assertEqual({ALICE}, set(shown))
        shown, _ = self.events(BOB, None, include_offline=True)
        self.assertEqual({ALICE, BOB}, set(shown))
        self.assertEqual(2, position)

    def test_later_syncs_show_what_changed(self) -> None:
        """Also that somebody went offline; and nothing at the newest position."""
        _, position = self.events(BOB, None)
        self.put(ALICE, "online")
        shown, position = self.events(BOB, position)
        self.assertEqual("online", shown[ALICE].state)
        self.assertEqual(({}, position), self.events(BOB, position))
        self.put(ALICE, "offline")
        shown, _ = self.events(BOB, position)
        self.assertEqual("offline", shown[ALICE].state)

    def test_who_hides_does_not_show_when_they_were_here(self) -> None:
        """An explicit offline says nothing of the last activity (B-51)."""
        self.put(ALICE, "online")
        self.put(ALICE, "offline")
        self.assertEqual(0, self.events(BOB, 1)[0][ALICE].last_active_ts)

    def test_room_that_is_looked_into_counts(self) -> None:
        """A peeking `/events` shows the members of that room."""
        self.put(ALICE, "online")
        shown, _ = self.events(CAROL, 1, explicit_room_id=ROOM)
        self.assertEqual({ALICE}, set(shown))
        self.assertEqual({}, self.events(CAROL, 1)[0])

    def test_deactivated_user_is_shown_a_last_time(self) -> None:
        """Offline, without a message; then never again (D-40)."""
        self.put(ALICE, "online", status_msg="bye")
        _, position = self.events(BOB, None)
        self.handler.deactivated(ALICE)
        self.pass_time(0.5)
        shown, position = self.events(BOB, position)
        self.assertEqual("offline", shown[ALICE].state)
        self.assertIsNone(shown[ALICE].status_msg)
        self.assertNotIn(ALICE, self.events(BOB, None)[0])


class SyncTests(SynapseTestCase):
    """What the polls of a client say about its user."""

    def test_poll_makes_online_until_it_is_long_over(self) -> None:
        """The time counts from the end of the last poll (B-46)."""
        with self.poll(ALICE):
            self.pass_time(60)
            self.assertEqual("online", self.state(ALICE).state)
        self.pass_time(25)
        self.assertEqual("online", self.state(ALICE).state)
        self.pass_time(8)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_poll_that_hides_does_not_show(self) -> None:
        """`set_presence=offline`: Synapse says that it does not count."""
        self.sync(ALICE, "offline", counts=False)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_guest_that_looks_does_not_show(self) -> None:
        """Synapse passes online, and that it does not count (D-41)."""
        self.sync(ALICE, "online", counts=False)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_poll_that_says_nothing_does_not_reveal(self) -> None:
        """Only one that says online in so many words does (B-47)."""
        self.put(ALICE, "offline")
        self.sync(ALICE)
        self.assertEqual("offline", self.state(ALICE).state)
        request = SimpleNamespace(url="/sync?timeout=0&set_presence=online")
        current = SimpleNamespace(request=request)
        self.patch(statements, "current_context", lambda: current)
        self.sync(ALICE)
        self.assertEqual("online", self.state(ALICE).state)

    def slide(self, *, is_guest: bool = False) -> Deferred[str]:
        """A sliding sync of Alice begins."""
        requester = SimpleNamespace(
            user=UserID.from_string(ALICE), device_id="DEVICE", is_guest=is_guest
        )
        sliding = self.synapse.get_sliding_sync_handler()
        return Deferred.fromCoroutine(
            sliding.wait_for_sync_for_user(requester, "its config")
        )

    def test_sliding_sync_keeps_connected(self) -> None:
        """As long as one is open, and for a while after (B-46)."""
        poll = self.slide()
        self.pass_time(100)
        self.assertEqual("online", self.state(ALICE).state)
        self.synapse.sliding_polls[0].callback("answer")
        self.assertEqual("answer", self.successResultOf(poll))
        self.pass_time(33)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_sliding_sync_of_a_guest_does_not_show(self) -> None:
        """Guests have no presence (D-41)."""
        self.slide(is_guest=True)
        self.assertEqual("offline", self.state(ALICE).state)

    def test_messages_of_any_kind_are_activity(self) -> None:
        """Encrypted ones too; not those of others, of state, or told already."""
        with self.poll(ALICE):
            self.pass_time(301)
            self.assertEqual("unavailable", self.state(ALICE).state)
            for type_, sender, is_state in (
                ("m.room.message", ALICE, False),
                ("m.room.topic", ALICE, True),
                ("m.room.encrypted", "@dave:far", False),
            ):
                self.send(type_, sender, is_state)
                self.assertEqual("unavailable", self.state(ALICE).state)
            self.send("m.room.encrypted", ALICE, False)
            self.assertEqual("online", self.state(ALICE).state)
        self.assertEqual(4, len(self.notifier.seen))

    def send(self, type_: str, sender: str, is_state: bool) -> None:
        """An event passes the notifier."""
        event = SimpleNamespace(
            type=type_,
            sender=sender,
            is_state=lambda: is_state,
            internal_metadata=SimpleNamespace(device_id="DEVICE"),
        )
        passing = self.notifier.on_new_room_events([(event, None)], None)
        self.successResultOf(Deferred.fromCoroutine(passing))

    def test_puppets_of_a_bridge_do_not_come_online_by_speaking(self) -> None:
        """What a bridge does as its users is no activity of theirs (B-21)."""
        self.store.appservice_users.add(ALICE)
        self.presence.active(ALICE, None)
        self.pass_time(0.5)
        self.assertEqual("offline", self.state(ALICE).state)
        self.assertEqual({}, self.store.db_pool.rows())
