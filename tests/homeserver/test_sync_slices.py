"""A /sync that is too long for one turn of the reactor, and what happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_presence.homeserver import encoded_events, slices
from tests.homeserver.rooms import ALICE, BOB, CAROL, RoomsTestCase
from tests.web.connection import Connection

Act = Callable[[], object]


class SlicedSyncTests(RoomsTestCase):
    """Bob's /sync, of which a turn of the reactor composes no more than one step."""

    def setUp(self) -> None:
        """Six rooms, of which one has a long state."""
        super().setUp()
        self.room_ids = [self.room(ALICE, BOB) for _ in range(6)]
        for number in range(10):
            self.state(ALICE, self.room_ids[2], f"x.{number}", {})
        self.poll: Connection = self.connect()

    def begin(self, since: str | None = None, **query: Any) -> None:
        """Begin Bob's /sync; a step of it is done now."""
        self.patch(encoded_events, "AT_ONCE", 4)
        self.patch(slices, "SLICE", 0)
        if since is not None:
            query["since"] = since
        target = "/_matrix/client/v3/sync?" + urlencode(query)
        self.poll.start("GET", target, token=self.tokens[BOB])

    def meanwhile(self, acts: Sequence[Act], since: str | None = None) -> Any:
        """The answer, one of these acts having been done in each turn before it.

        It is what a /sync that is composed at once says in the same moment.
        """
        left = list(acts)
        answers: list[tuple[Any, Any]] = []

        def turned() -> None:
            # The step of this turn comes after this: what is called first is first.
            responses = self.poll.responses()
            if responses:
                (response,) = responses
                self.assertEqual(response.status, 200, response.body)
                self.patch(slices, "SLICE", 1)
                answers.append((response.json, self.sync(BOB, since)))
                return
            if left:
                left.pop(0)()
            self.clock.callLater(0, turned)

        self.clock.callLater(0, turned)
        self.clock.advance(0)
        self.acts_left = len(left)
        ((answer, at_once),) = answers
        self.assertEqual(answer, at_once)
        return answer

    def texts(self, answer: Any) -> list[str]:
        """The messages in an answer."""
        joined = answer.get("rooms", {}).get("join", {})
        return [
            text
            for part in joined.values()
            for text in self.bodies(part["timeline"]["events"])
        ]

    def test_it_takes_several_turns(self) -> None:
        """The reactor has its turn between two rooms, and within a large one."""
        self.begin()
        acts = 0

        def act() -> None:
            nonlocal acts
            acts += 1

        answer = self.meanwhile([act] * 100)
        self.assertEqual(set(answer["rooms"]["join"]), set(self.room_ids))
        self.assertGreater(acts, len(self.room_ids) + 2)

    def test_a_message_between_two_slices_comes_once(self) -> None:
        """Whenever it comes, and in whichever room: now, or with the next /sync."""
        for turn in range(12):
            for room_id in (self.room_ids[0], self.room_ids[2], self.room_ids[5]):
                text = f"{turn} {room_id}"
                acts: list[Act] = [lambda: None] * turn
                acts.append(partial(self.say, ALICE, room_id, text))
                self.poll = self.connect()
                self.begin()
                first = self.meanwhile(acts)
                for act in acts[len(acts) - self.acts_left :]:
                    act()
                second = self.sync(BOB, first["next_batch"])
                texts = self.texts(first) + self.texts(second)
                self.assertEqual(texts.count(text), 1, texts)
                third = self.sync(BOB, second["next_batch"])
                self.assertEqual(self.texts(third), [])

    def test_state_and_timeline_fit(self) -> None:
        """A name that changes meanwhile is in the one or the other, and the newest."""
        self.begin()
        acts: list[Act] = [
            partial(
                self.state,
                ALICE,
                self.room_ids[0],
                "m.room.name",
                {"name": str(number)},
            )
            for number in range(3)
        ]
        part = self.meanwhile(acts)["rooms"]["join"][self.room_ids[0]]
        names = [
            event["content"]["name"]
            for event in part["state"]["events"] + part["timeline"]["events"]
            if event["type"] == "m.room.name"
        ]
        self.assertEqual(names, ["0", "1", "2"])

    def test_it_ends_where_there_is_always_news(self) -> None:
        """A room in which something happens all the time is looked at so many times."""
        self.begin()
        room_id = self.room_ids[2]
        answer = self.meanwhile([lambda: self.say(ALICE, room_id, "x")] * 400)
        self.assertGreater(self.acts_left, 200)
        self.assertIn(room_id, answer["rooms"]["join"])

    def test_a_client_that_leaves_meanwhile(self) -> None:
        """Nothing goes on for a client that has hung up."""
        self.begin()
        self.assertEqual(self.poll.responses(), [])
        self.poll.hang_up()
        self.assertEqual(self.presence.connections, [])
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_short_one_does_not_wait_for_a_long_one(self) -> None:
        """News of one room is told at once, whoever else is being told of many."""
        since = self.sync(BOB)["next_batch"]
        self.begin()
        self.assertEqual(self.poll.responses(), [])
        self.say(ALICE, self.room_ids[1], "x")
        self.assertEqual(self.texts(self.sync(BOB, since)), ["x"])
        self.meanwhile([])

    def test_a_wait_after_a_long_look(self) -> None:
        """Where there was nothing to tell in the end, the client waits as ever."""
        since = self.sync(BOB)["next_batch"]
        for room_id in self.room_ids:
            self.say(ALICE, room_id)
        only = '{"room":{"timeline":{"types":[]}}}'
        self.begin(since, filter=only, timeout=30000)
        self.clock.advance(0)
        self.assertEqual(self.poll.responses(), [])
        self.state(ALICE, self.room_ids[0], "m.room.name", {"name": "x"})
        (response,) = self.poll.responses()
        self.assertEqual(list(response.json["rooms"]["join"]), [self.room_ids[0]])

    @settings(max_examples=25)
    @given(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), max_size=16),
        st.booleans(),
    )
    def test_it_is_as_if_composed_at_once(
        self, wishes: list[tuple[int, int]], is_first: bool
    ) -> None:
        """Whatever happens meanwhile, the answer is that of the moment it is sent."""
        since = None if is_first else self.sync(BOB)["next_batch"]
        for room_id in self.room_ids:
            self.say(ALICE, room_id, "before")
        acts: list[Act] = [
            partial(self.act, kind, self.room_ids[number]) for kind, number in wishes
        ]
        self.poll = self.connect()
        self.begin(since)
        self.meanwhile(acts, since)
        for room_id in self.room_ids:
            self.ask(BOB, "POST", f"join/{quote(room_id)}", {})
            self.ask(CAROL, "POST", f"rooms/{quote(room_id)}/leave", {})

    def act(self, kind: int, room_id: str) -> None:
        """Something of this kind happens, in this room if in any and if it may."""
        path = f"rooms/{quote(room_id)}"
        match kind:
            case 0:
                self.say(ALICE, room_id, "meanwhile")
            case 1:
                self.state(ALICE, room_id, "m.room.topic", {"topic": str(self.txn)})
            case 2:
                self.ask(BOB, "POST", f"{path}/leave", {})
            case 3:
                self.ask(BOB, "POST", f"join/{quote(room_id)}", {})
            case 4:
                self.ask(CAROL, "POST", f"join/{quote(room_id)}", {})
            case 5:
                event_id = self.say(ALICE, room_id)
                self.post(ALICE, f"{path}/receipt/m.read/{quote(event_id)}")
                self.put(ALICE, f"{path}/redact/{quote(event_id)}/{self.txn}", {})
            case 6:
                self.done(self.accounts.data.put(BOB, "x", {}, room_id))
            case 7:
                self.done(self.accounts.data.put(BOB, "x", {"n": self.txn}))
            case 8:
                self.room(ALICE, invite=[BOB])
            case 9:
                self.presence.changed()
