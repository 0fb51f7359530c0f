"""What Synapse's servlets and handlers ask of the handler."""

from __future__ import annotations

from typing import Any

from synapse.api.errors import SynapseError
from synapse.handlers.presence import PresenceHandler
from synapse.types import UserID
from twisted.internet.defer import Deferred

from tests.synapse.rig import ALICE, BOB, CAROL, ROOM, SynapseTestCase


class StatusTests(SynapseTestCase):
    """Statuses that are set and read."""

    def test_it_passes_for_synapses_own(self) -> None:
        """Synapse asserts that the handler is its own, and is content."""
        self.assertIsInstance(self.presence, PresenceHandler)

    def test_status_is_read_as_it_was_set(self) -> None:
        """State and message, and that the user is there now."""
        self.put(ALICE, "online", status_msg="hello")
        state = self.state(ALICE)
        self.assertEqual(("online", "hello"), (state.state, state.status_msg))
        self.assertTrue(state.currently_active)

    def test_status_is_stored_before_it_is_acknowledged(self) -> None:
        """Whoever set it waits for the commit (X-12)."""
        self.store.db_pool.held = []
        done = self.putting(ALICE, "online", status_msg="hello")
        self.pass_time(1)
        self.assertNoResult(done)
        self.store.db_pool.release()
        self.successResultOf(done)
        self.assertEqual({ALICE: (2, "online", "hello")}, self.store.db_pool.rows())

    def test_omitted_message_is_kept_and_an_empty_one_clears(self) -> None:
        """A client that goes idle by itself erases nothing."""
        self.put(ALICE, "online", status_msg="hello")
        self.put(ALICE, "unavailable")
        self.assertEqual("hello", self.state(ALICE).status_msg)
        self.put(ALICE, "unavailable", status_msg="")
        self.assertIsNone(self.state(ALICE).status_msg)

    def test_states_that_are_none_are_refused(self) -> None:
        """With the words that Synapse has for it."""
        names: list[Any] = ["sleepy", None, 1, ["online"], {}, "free_for_chat"]
        for name in names:
            failed = self.failureResultOf(self.putting(ALICE, name))
            self.assertEqual("Invalid presence state", failed.value.msg)

    def test_messages_no_store_can_hold_are_refused(self) -> None:
        """A NUL, half a character, or more than the limit (A-26)."""
        for message, code in (("\0", 400), ("\ud800", 400), ("x" * 1025, 413)):
            refused = self.failureResultOf(
                self.putting(ALICE, "online", status_msg=message), SynapseError
            )
            self.assertEqual(code, refused.value.code)
        self.assertEqual({}, self.store.db_pool.rows())

    def test_status_above_the_limit_comes_later(self) -> None:
        """It is refused, and applied all the same when the limit allows (A-83)."""
        for number in range(10):
            self.put(ALICE, "online", status_msg=str(number))
        refused = self.failureResultOf(
            self.putting(ALICE, "unavailable", status_msg="last"), SynapseError
        )
        self.assertEqual(429, refused.value.code)
        with self.poll(ALICE, "unavailable"):
            self.pass_time(12)
            self.assertEqual("last", self.state(ALICE).status_msg)

    def test_status_that_cannot_be_stored_is_not_acknowledged(self) -> None:
        """The client is told, and it is tried again."""
        self.store.db_pool.refused.add("poison")
        done = self.putting(ALICE, "online", status_msg="poison")
        self.pass_time(0.5)
        self.assertEqual(500, self.failureResultOf(done, SynapseError).value.code)
        self.store.db_pool.refused.clear()
        self.pass_time(2)
        self.assertEqual("poison", self.store.db_pool.rows()[ALICE][2])
        self.assertEqual(1, len(self.logged_errors()))

    def test_row_that_is_refused_harms_no_other(self) -> None:
        """The rows beside it are stored."""
        self.store.db_pool.refused.add("poison")
        self.store.db_pool.held = []
        first = self.putting(CAROL, "online")
        self.pass_time(0.5)
        # These two share a tick.
        one = self.putting(ALICE, "online", status_msg="poison")
        other = self.putting(BOB, "online", status_msg="fine")
        self.store.db_pool.release()
        self.pass_time(0.5)
        for done in (first, one, other):
            self.successResultOf(done)
        self.assertEqual("fine", self.store.db_pool.rows()[BOB][2])
        self.assertNotIn(ALICE, self.store.db_pool.rows())
        self.assertEqual(1, len(self.logged_errors()))


class QuestionTests(SynapseTestCase):
    """What may be asked about users."""

    def test_unknown_user_is_offline_and_stays_unknown(self) -> None:
        """Asking for users does not fill the memory."""
        known = len(self.handler.cache.users)
        self.assertEqual("offline", self.state("@nobody:hs").state)
        self.assertEqual(known, len(self.handler.cache.users))

    def test_sharing_a_room_makes_visible(self) -> None:
        """Rooms that are excluded do not count (D-20, D-31)."""
        self.assertTrue(self.visible(ALICE, BOB))
        self.assertFalse(self.visible(ALICE, CAROL))
        self.handler.joined("!excluded:hs", ALICE)
        self.handler.joined("!excluded:hs", CAROL)
        self.assertFalse(self.visible(ALICE, CAROL))
        self.handler.joined("!other:hs", ALICE)
        self.handler.joined("!other:hs", CAROL)
        self.assertTrue(self.visible(ALICE, CAROL))

    def visible(self, observed: str, observer: str) -> bool:
        """What a GET asks first."""
        asking = self.presence.is_visible(
            observed_user=UserID.from_string(observed),
            observer_user=UserID.from_string(observer),
        )
        found = self.successResultOf(Deferred.fromCoroutine(asking))
        return bool(found)

    def test_many_are_asked_for_at_once(self) -> None:
        """By id, and as a list."""
        self.put(ALICE, "online")
        both = [ALICE, "@nobody:hs"]
        asking: Any = self.presence.current_state_for_users(both)
        states = self.successResultOf(Deferred.fromCoroutine(asking))
        self.assertEqual(
            {ALICE: "online", "@nobody:hs": "offline"},
            {user_id: state.state for user_id, state in states.items()},
        )
        asking = self.presence.get_states(both)
        states = self.successResultOf(Deferred.fromCoroutine(asking))
        self.assertEqual(both, [state.user_id for state in states])


class ModuleApiTests(SynapseTestCase):
    """What other modules can do with presence."""

    def impose(self, user_id: str, presence: str, message: str | None) -> None:
        """What `set_presence_for_users` does."""
        state = attrs_evolve(self.state(user_id), presence, message)
        done = self.presence._update_states([state], force_notify=True)
        self.successResultOf(Deferred.fromCoroutine(done))
        self.pass_time(0.5)

    def test_presence_can_be_set_for_ours_and_for_others(self) -> None:
        """A local user and one of another server; both are stored."""
        for user_id in (ALICE, "@dave:far"):
            self.impose(user_id, "unavailable", "by a module")
            state = self.state(user_id)
            self.assertEqual("unavailable", state.state)
            self.assertEqual("by a module", self.store.db_pool.rows()[user_id][2])

    def test_full_presence_is_sent_once(self) -> None:
        """With the next sync, all who are there; not with the one after it."""
        self.put(ALICE, "online")
        _, position = self.events(BOB, None)
        sending = self.presence.send_full_presence_to_users([BOB])
        self.successResultOf(Deferred.fromCoroutine(sending))
        self.pass_time(0.5)
        shown, position = self.events(BOB, position)
        self.assertIn(ALICE, shown)
        shown, _ = self.events(BOB, position)
        self.assertEqual({}, shown)


def attrs_evolve(state: Any, presence: str, message: str | None) -> Any:
    """The state with these two changed, as Synapse makes it."""
    return state.copy_and_replace(state=presence, status_msg=message)


class RoomTests(SynapseTestCase):
    """Memberships follow Synapse's."""

    def shown(self, viewer: str) -> set[str]:
        """Whom a first sync shows, offline or not."""
        return set(self.events(viewer, None, include_offline=True)[0])

    def poke(self) -> None:
        """Something has happened on the server."""
        for callback in self.notifier.callbacks:
            callback()
        self.pass_time(0.25)

    def test_members_from_before_the_start_are_known(self) -> None:
        """They are read from the database."""
        self.assertEqual({ALICE, BOB}, self.shown(BOB))

    def test_joins_and_leaves_are_followed(self) -> None:
        """In order, as the stream of changed state tells them."""
        self.store.change(ROOM, CAROL, "join")
        self.store.change(ROOM, ALICE, "leave")
        self.poke()
        self.assertEqual({BOB, CAROL}, self.shown(BOB))
        self.store.change(ROOM, CAROL, "ban")
        self.store.change(ROOM, ALICE, "join")
        self.poke()
        self.assertEqual({BOB, ALICE}, self.shown(BOB))

    def test_state_that_is_gone_counts_as_left(self) -> None:
        """This server has left the room: the change has no event."""
        self.store.change(ROOM, ALICE, None)
        self.poke()
        self.assertEqual({BOB}, self.shown(BOB))

    def test_pokes_without_changes_ask_nothing(self) -> None:
        """Messages change no membership: no transaction, no process."""
        asked = len(self.store.db_pool.log)
        for _ in range(10):
            self.store.head += 1
            self.poke()
        self.assertEqual(asked, len(self.store.db_pool.log))

    def test_failure_is_tried_again(self) -> None:
        """From the same place, with the next poke."""
        self.store.change(ROOM, CAROL, "join")
        membership = self.store.memberships.popitem()
        self.poke()
        self.assertEqual({ALICE, BOB}, self.shown(BOB))
        self.assertEqual(1, len(self.logged_errors()))
        self.store.memberships.update([membership])
        self.poke()
        self.assertEqual({ALICE, BOB, CAROL}, self.shown(BOB))
