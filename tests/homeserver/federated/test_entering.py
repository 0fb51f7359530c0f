"""Entering a room of another server in steps, and what happens between them (C-81)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from matrix_presence.homeserver import entered_rooms, known_rooms, slices
from matrix_presence.homeserver.entered_rooms import EnteredRooms
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.room_side import RoomSide
from tests.homeserver.federated.rig import FederatedTestCase
from tests.web.connection import Connection

Act = Callable[[], object]

#: More pauses than there are in any of these tests.
_PAUSES = 60


class EnteringTests(FederatedTestCase):
    """Bob comes into a room of another server, one event or member in each step."""

    def setUp(self) -> None:
        """Two servers, which share another room already."""
        super().setUp()
        self.patch(entered_rooms, "AT_ONCE", 1)
        self.patch(known_rooms, "AT_ONCE", 1)
        self.here, self.there = self.homeserver("a.test"), self.homeserver("b.test")
        self.alice, self.carl = self.here.register("alice"), self.here.register("carl")
        self.eve = self.here.register("eve")
        self.bob, self.dora = self.there.register("bob"), self.there.register("dora")
        self.other = self.here.create(self.alice)
        self.there.join(self.dora, self.other, "a.test")
        entering = EnteredRooms.entering
        self.patch(EnteredRooms, "entering", lambda *args: self.paused(entering(*args)))
        self.prepare()

    def prepare(self) -> None:
        """A room of Alice and Carl, into which Dora is invited."""
        self.patch(slices, "SLICE", 0)
        for room_id in tuple(self.there.rooms.of(self.bob).joined):
            self.there.leave(self.bob, room_id)
        self.room_id = self.here.create(self.alice, self.dora)
        self.here.join(self.carl, self.room_id)
        self.pauses = 0
        self.known = self.what_is_known()
        #: By the number of the pause: what happens in it.
        self.acts: dict[int, list[Act]] = {}
        self.said: list[str] = []
        self.joining: Connection | None = None

    def paused(self, steps: Iterator[None]) -> Iterator[None]:
        """The steps, with something happening between them."""
        for _ in steps:
            self.look()
            for act in self.acts.get(self.pauses, ()):
                act()
            self.pauses += 1
            yield

    def look(self) -> None:
        """Nothing of the room is to be seen yet, nor written down."""
        rooms = self.there.rooms
        self.assertEqual(self.known, self.what_is_known())
        self.assertFalse(rooms.is_in(self.room_id))
        self.assertEqual(set(), rooms.neighbours(self.bob))
        self.assertNotIn("rooms", self.there.sync(self.bob))
        path = f"presence/{self.carl}/status"
        self.assertEqual(403, self.there.ask(self.bob, "GET", path).status)

    def what_is_known(self) -> tuple[Any, ...]:
        """What Bob's server knows of the room, and has written down of it."""
        room = self.there.rooms.get(self.room_id)
        if room is None:
            return None, self.stored()
        return {*room.events}, {*room.others}, {*room.joined}, self.stored()

    def stored(self) -> list[Any]:
        """What is written down of the room."""
        sql = "SELECT event_id FROM room_events WHERE room_id = ?"

        def read(cursor: Any) -> list[Any]:
            cursor.execute(sql, (self.room_id,))
            rows: list[Any] = cursor.fetchall()
            return rows

        # What others had written meanwhile goes first.
        self.done(self.there.rooms.journal.stored())
        return list(self.done(self.there.database.run(read)))

    # What may happen.

    def say(self) -> None:
        """Alice says something in the room."""
        self.said.append(f"message {len(self.said)}")
        self.here.say(self.alice, self.room_id, self.said[-1])

    def come_or_go(self) -> None:
        """Eve comes in, or goes again."""
        if self.eve in self.here.room(self.room_id).joined:
            self.here.leave(self.eve, self.room_id)
        else:
            self.here.join(self.eve, self.room_id)

    def go(self) -> None:
        """Carl, whom Bob's server takes for a member already, is gone."""
        if self.carl in self.here.room(self.room_id).joined:
            self.here.leave(self.carl, self.room_id)

    def chat(self) -> None:
        """There is something else to be written down at Bob's server."""
        self.there.say(self.dora, self.other, "elsewhere")

    def follow(self) -> None:
        """Dora wants to come in as well."""
        if self.joining is None:
            self.joining = Connection(self.there.root, self.reactor)
            path = f"/_matrix/client/v3/join/{self.room_id}"
            self.joining.start("POST", path, {}, token=self.there.tokens[self.dora])

    def work(self) -> None:
        """Time passes: what servers send each other arrives."""
        self.pass_time(0.2)

    # What is to come of it.

    def enter(self) -> None:
        """Bob comes in; what was missed comes with the next message."""
        self.there.join(self.bob, self.room_id, "a.test")
        self.pass_time(5)
        self.said.append("the last")
        self.here.say(self.alice, self.room_id, "the last")
        self.pass_time(10)

    def check(self) -> None:
        """Both servers know the same room, also after a restart of Bob's."""
        self.patch(slices, "SLICE", 1)
        for _ in range(2):
            here, there = self.here.room(self.room_id), self.there.room(self.room_id)
            self.assertEqual(self.said, self.there.texts(self.room_id))
            self.assertEqual(
                {key: event.event_id for key, event in here.state.items()},
                {key: event.event_id for key, event in there.state.items()},
            )
            self.assertEqual(here.joined, there.joined)
            self.assertEqual(here.servers, there.servers)
            rooms = self.there.rooms
            self.assertEqual(here.joined, rooms.neighbours(self.bob) | {self.bob})
            cache = self.there.service.presence.cache
            members = cache.rooms.members_of([cache.rooms.index[self.room_id]])
            known = {cache.users.ids[member] for member in members}
            self.assertEqual(here.joined, known)
            ids = [event.event_id for event in there.timeline]
            self.assertEqual(len(set(ids)), len(ids))
            self.there.restart()

    def go_and_miss_something(self) -> None:
        """Bob was in the room before; much has changed since he left."""
        self.enter()
        self.there.leave(self.bob, self.room_id)
        self.pass_time(1)
        self.here.set(self.alice, self.room_id, "m.room.topic", {"topic": "new"})
        self.here.join(self.eve, self.room_id)
        self.here.leave(self.carl, self.room_id)
        self.here.call(
            self.alice, "PUT", f"profile/{self.alice}/displayname", {"displayname": "A"}
        )
        self.here.say(self.alice, self.room_id, "unheard")
        self.pass_time(1)
        self.pauses, self.known = 0, self.what_is_known()

    @settings(max_examples=12)
    @given(st.booleans(), st.data())
    def test_nothing_is_lost_or_done_twice(
        self, is_known: bool, data: st.DataObject
    ) -> None:
        """Whatever happens between the steps (C-81)."""
        self.prepare()
        if is_known:
            self.go_and_miss_something()
        acts = (self.say, self.come_or_go, self.go, self.chat, self.follow, self.work)
        drawn = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(acts)))
        for pause, act in data.draw(drawn):
            self.acts.setdefault(pause, []).append(act)
        self.enter()
        self.assertLess(12, self.pauses)
        if self.joining is not None:
            (answer,) = self.joining.responses()
            self.assertEqual(200, answer.status)
            self.assertIn(self.dora, self.there.room(self.room_id).joined)
        self.check()

    def test_what_was_said_in_the_absence_is_not_missing(self) -> None:
        """Also where the history has branched since."""
        self.go_and_miss_something()
        self.acts = {9: [self.follow, self.say]}
        self.enter()
        self.check()

    def test_what_was_under_way_is_not_lost(self) -> None:
        """An event is put into the room, where nobody of ours is, after all."""
        self.go_and_miss_something()
        room = self.there.room(self.room_id)
        here = self.here.room(self.room_id)
        late = next(event for event in here.timeline if event.type == "m.room.topic")

        def receive() -> None:
            event = Event(late.event_id, late.room_id, late.pdu, late.version)
            self.there.rooms.receive(room, event)
            self.known = self.what_is_known()

        self.acts = {10: [receive]}
        self.enter()
        self.assertIn(late.event_id, [event.event_id for event in room.timeline])
        self.check()

    def test_an_invited_user_is_not_shown_the_room_before(self) -> None:
        """And misses nothing of it, however often they look."""
        self.pass_time(1)
        tokens = [self.there.sync(self.dora)["next_batch"]]

        def sync() -> None:
            answer = self.there.sync(self.dora, since=tokens[-1])
            self.assertNotIn("rooms", answer)
            tokens.append(answer["next_batch"])

        self.acts = {number: [sync] for number in range(_PAUSES)}
        self.enter()
        for token in tokens:
            rooms = self.there.sync(self.dora, since=token)["rooms"]
            self.assertEqual({self.room_id}, set(rooms["invite"]))

    def test_who_enters_is_shown_all_of_it(self) -> None:
        """With whichever token they come: their own and one from between."""
        tokens: list[str] = []
        self.acts = {
            number: [lambda: tokens.append(self.there.sync(self.bob)["next_batch"])]
            for number in range(_PAUSES)
        }
        self.enter()
        state = self.here.room(self.room_id).state
        for token in (None, tokens[0], tokens[len(tokens) // 2], tokens[-1]):
            asked = {} if token is None else {"since": token}
            part = self.there.sync(self.bob, **asked)["rooms"]["join"][self.room_id]
            events = part["state"]["events"] + part["timeline"]["events"]
            shown = {event["event_id"] for event in events}
            self.assertLessEqual({each.event_id for each in state.values()}, shown)

    def test_presence_is_seen_from_then_on(self) -> None:
        """Also what was said between the steps; the members are told of Bob (C-12)."""
        status = {"presence": "online", "status_msg": "here"}

        def state() -> None:
            path = f"presence/{self.carl}/status"
            self.here.call(self.carl, "PUT", path, status)
            self.pass_time(1)

        self.there.call(self.bob, "PUT", f"presence/{self.bob}/status", status)
        self.acts = {8: [state]}
        self.enter()
        path = f"presence/{self.carl}/status"
        seen = self.there.call(self.bob, "GET", path)
        self.assertEqual("here", seen["status_msg"])
        seen = self.here.call(self.carl, "GET", f"presence/{self.bob}/status")
        self.assertEqual("here", seen["status_msg"])

    def test_a_room_is_read_back_in_slices(self) -> None:
        """However little is done in each turn of the reactor, nothing is missing."""
        self.go_and_miss_something()
        self.enter()
        self.patch(known_rooms, "_MANY", 0)
        there = self.there
        loading = Deferred.fromCoroutine(
            RoomSide.load(there.database, there.accounts, there.key, self.reactor)
        )
        self.assertNoResult(loading)
        self.pass_time()
        rooms, before = self.successResultOf(loading).rooms, self.there.rooms
        found, room = rooms.get(self.room_id), self.there.room(self.room_id)
        assert found is not None
        ids = {key: event.event_id for key, event in room.state.items()}
        self.assertEqual(
            ids, {key: event.event_id for key, event in found.state.items()}
        )
        self.assertEqual(room.joined, found.joined)
        self.assertEqual(room.heads.keys(), found.heads.keys())
        for position in (0, room.timeline[0].position - 1, room.changed):
            self.assertEqual(
                room.state_at(position).keys(), found.state_at(position).keys()
            )
        for user_id in room.joined:
            self.assertEqual(before.neighbours(user_id), rooms.neighbours(user_id))
