"""The long poll of /sync: what ends it, and that nothing is left of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from matrix_presence.homeserver.sync.rooms import RoomNews
from tests.homeserver.rooms import ALICE, BOB, CAROL, RoomsTestCase
from tests.web.connection import Connection


class WaitingTests(RoomsTestCase):
    """One waiting /sync of Bob, who shares a room with Alice."""

    def setUp(self) -> None:
        """Let Bob wait."""
        super().setUp()
        self.room_id = self.room(ALICE, BOB)
        self.since = self.sync(BOB)["next_batch"]
        self.poll = self.connect()

    def start_poll(self, **query: Any) -> None:
        """Begin a /sync that waits for 30 seconds."""
        query = {"since": self.since, "timeout": 30000, **query}
        self.poll.start(
            "GET",
            "/_matrix/client/v3/sync?" + urlencode(query),
            token=self.tokens[BOB],
        )

    def answer(self) -> Any:
        """What the poll was answered; nothing is left of it."""
        (response,) = self.poll.responses()
        self.assertEqual(response.status, 200)
        self.assertEqual(self.presence.connections, [])
        self.assertEqual(len(self.rooms.waiting), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return response.json

    def assertWaits(self) -> None:
        """The poll has not been answered."""
        self.assertEqual(self.poll.responses(), [])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_ends_with_its_time(self) -> None:
        """After the time-out the answer is empty, and its token goes on."""
        self.start_poll()
        self.clock.advance(29.9)
        self.assertWaits()
        self.clock.advance(0.2)
        answer = self.answer()
        self.assertNotIn("rooms", answer)
        self.assertNotIn("presence", answer)
        self.since = answer["next_batch"]
        self.start_poll()
        self.assertWaits()
        self.clock.advance(30)
        self.answer()

    def test_an_event_ends_it(self) -> None:
        """A message in a room of the user is answered at once."""
        self.start_poll()
        self.assertWaits()
        self.say(ALICE, self.room_id, "x")
        part = self.answer()["rooms"]["join"][self.room_id]
        self.assertEqual(self.bodies(part["timeline"]["events"]), ["x"])

    def test_presence_ends_it(self) -> None:
        """A change of presence is answered at once, and touches no room (A-90)."""
        self.start_poll(set_presence="unavailable")
        self.assertEqual(self.presence.connections, [(BOB, "unavailable")])
        self.patch(RoomNews, "steps", None)
        self.presence.changed()
        answer = self.answer()
        self.assertEqual(
            set(answer),
            {
                "next_batch",
                "presence",
                "device_one_time_keys_count",
                "device_unused_fallback_key_types",
            },
        )

    def test_events_elsewhere_do_not(self) -> None:
        """What does not concern the user does not wake them, nor is it lost."""
        self.start_poll()
        other = self.room(ALICE)
        self.say(ALICE, other)
        self.assertWaits()
        self.say(ALICE, self.room_id, "x")
        self.assertEqual(list(self.answer()["rooms"]["join"]), [self.room_id])

    def test_what_the_filter_hides_does_not(self) -> None:
        """A wake-up without news for this client goes on waiting."""
        self.start_poll(filter='{"room":{"rooms":[]}}')
        self.say(ALICE, self.room_id)
        self.assertWaits()
        self.clock.advance(30)
        self.answer()

    def test_an_invite_ends_it(self) -> None:
        """An invite is news before one is in the room; a kick after one is out."""
        self.start_poll()
        other = self.room(ALICE, invite=[BOB])
        answer = self.answer()
        self.assertIn(other, answer["rooms"]["invite"])
        self.since = answer["next_batch"]
        self.start_poll()
        path = f"rooms/{quote(self.room_id)}/kick"
        self.post(ALICE, path, {"user_id": BOB})
        self.assertIn(self.room_id, self.answer()["rooms"]["leave"])

    def test_typing_and_receipts_end_it(self) -> None:
        """So does what is no event."""
        event_id = self.say(ALICE, self.room_id)
        self.since = self.sync(BOB)["next_batch"]
        self.start_poll()
        path = f"rooms/{quote(self.room_id)}"
        self.post(ALICE, f"{path}/receipt/m.read/{quote(event_id)}")
        answer = self.answer()
        part = answer["rooms"]["join"][self.room_id]
        self.assertEqual(part["ephemeral"]["events"][0]["type"], "m.receipt")
        self.since = answer["next_batch"]
        self.start_poll()
        self.put(ALICE, f"{path}/typing/{quote(ALICE)}", {"typing": True})
        self.put(ALICE, f"{path}/typing/{quote(ALICE)}", {"typing": False})
        self.answer()

    def test_account_data_ends_it(self) -> None:
        """Account data of the user is news, that of others is not."""
        self.start_poll()
        self.done(self.accounts.data.put(CAROL, "x", {}))
        self.assertWaits()
        self.done(self.accounts.data.put(BOB, "x", {}))
        self.assertIn("account_data", self.answer())

    def test_news_that_are_there_are_answered_at_once(self) -> None:
        """There is no wait when there is something to say."""
        self.say(ALICE, self.room_id)
        self.start_poll()
        self.answer()

    def test_a_client_that_leaves(self) -> None:
        """A client that hangs up leaves nothing behind."""
        self.start_poll()
        self.poll.hang_up()
        self.assertEqual(self.presence.connections, [])
        self.assertEqual(len(self.rooms.waiting), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.say(ALICE, self.room_id)
        self.presence.changed()

    def test_the_end_of_the_server_ends_it(self) -> None:
        """Who waits is answered that there is nothing new, and nobody waits again."""
        self.start_poll()
        self.rooms.waiting.stop()
        answer = self.answer()
        self.assertEqual(answer["next_batch"], self.since)
        self.assertNotIn("rooms", answer)
        self.start_poll()
        self.assertEqual(self.answer()["next_batch"], self.since)

    def test_two_devices_wait_for_the_same(self) -> None:
        """Each poll of a user is woken."""
        polls: list[Connection] = [self.poll, self.connect()]
        for self.poll in polls:
            self.start_poll()
        self.say(ALICE, self.room_id)
        for poll in polls:
            self.assertEqual(len(poll.responses()), 1)
        self.assertEqual(len(self.rooms.waiting), 0)
