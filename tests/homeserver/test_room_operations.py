"""Random operations: the state is the fold of the timeline, also after a restart."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_presence.homeserver.events import Event, StateKey
from matrix_presence.homeserver.room import Room
from tests.homeserver.rooms import ALICE, BOB, CAROL, RoomsTestCase

USERS = st.sampled_from((ALICE, BOB, CAROL))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "join",
                "leave",
                "invite",
                "kick",
                "ban",
                "unban",
                "say",
                "name",
                "power",
                "redact",
                "forget",
                "read",
            )
        ),
        USERS,
        USERS,
        st.integers(0, 100),
    ),
    max_size=25,
)


def _fold(room: Room, up_to: int) -> dict[StateKey, Event]:
    """The state in the plainest way."""
    return {
        event.key: event
        for event in room.timeline
        if event.key is not None and event.position <= up_to
    }


class OperationTests(RoomsTestCase):
    """Whatever the members of a room do."""

    def _do(self, room_id: str, step: tuple[str, str, str, int]) -> None:
        name, user_id, other, number = step
        path = f"rooms/{quote(room_id)}"
        self.txn += 1
        room = self.rooms.get(room_id)
        assert room is not None
        event = quote(room.timeline[number % len(room.timeline)].event_id)
        if name in ("invite", "kick", "ban", "unban"):
            self.ask(user_id, "POST", f"{path}/{name}", {"user_id": other})
        elif name == "say":
            target = f"{path}/send/m.room.message/{self.txn}"
            self.ask(user_id, "PUT", target, {"body": str(number)})
        elif name == "name":
            self.ask(user_id, "PUT", f"{path}/state/m.room.name", {"name": str(number)})
        elif name == "power":
            content = {"users": {ALICE: 100, other: number}}
            self.ask(user_id, "PUT", f"{path}/state/m.room.power_levels", content)
        elif name == "redact":
            self.ask(user_id, "PUT", f"{path}/redact/{event}/{self.txn}", {})
        elif name == "read":
            self.ask(user_id, "POST", f"{path}/receipt/m.read/{event}", {})
        else:
            self.ask(user_id, "POST", f"{path}/{name}", {})

    def _everything(self) -> Any:
        """All that clients can see of all rooms."""
        return [
            {
                key: value
                for key, value in self.sync(
                    user_id, filter='{"room":{"include_leave":true}}'
                ).items()
                if key != "next_batch"
            }
            for user_id in (ALICE, BOB, CAROL)
        ]

    @settings(max_examples=40)
    @given(STEPS)
    def test_state_is_the_fold_and_survives(self, steps: list[Any]) -> None:
        """State, members and what clients see are the same before and after."""
        self.moves.clear()
        room_id = self.room(ALICE)
        for step in steps:
            self._do(room_id, step)
        room = self.rooms.get(room_id)
        assert room is not None
        self.assertEqual(room.state, _fold(room, room.changed))
        for event in room.timeline:
            self.assertEqual(room.state_at(event.position), _fold(room, event.position))
        joined = {
            key[1]
            for key, event in room.state.items()
            if key[0] == "m.room.member" and event.membership == "join"
        }
        self.assertEqual(room.joined, joined)
        # Joins and leaves were told in turn, so the listener knows who is there.
        told: set[str] = set()
        for kind, where, user_id in self.moves:
            if where == room_id:
                self.assertEqual(user_id in told, kind == "left")
                told ^= {user_id}
        self.assertEqual(told, joined)
        positions = [event.position for event in room.timeline]
        self.assertEqual(positions, sorted(set(positions)))
        before = self._everything()
        self.start()
        self.assertEqual(self._everything(), before)

    @given(st.lists(st.tuples(USERS, st.booleans()), max_size=12))
    def test_increments_add_up_to_everything(self, steps: list[Any]) -> None:
        """A client that syncs now and then misses nothing and gets nothing twice."""
        room_id = self.room(ALICE, BOB, CAROL)
        since = self.sync(CAROL)["next_batch"]
        said, heard = [], []
        for number, (user_id, syncs) in enumerate(steps):
            self.say(user_id, room_id, str(number))
            said.append(str(number))
            if syncs or number == len(steps) - 1:
                answer = self.sync(CAROL, since)
                since = answer["next_batch"]
                timeline = answer["rooms"]["join"][room_id]["timeline"]
                heard += self.bodies(timeline["events"])
        self.assertEqual(heard, said)
