"""Initial syncs that are too long for one turn of the reactor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from matrix_presence.homeserver import encoded_events, slices
from tests.homeserver.old_client import ALICE, BOB, OldClientTestCase, bodies
from tests.web.connection import Connection


class SlicedInitialSyncTests(OldClientTestCase):
    """Bob's, of which a turn of the reactor composes no more than one step."""

    def setUp(self) -> None:
        """He is in five rooms, one of which has a long state, and invited to one."""
        super().setUp()
        self.room_ids = [self.room_id]
        for _ in range(4):
            made = self.do("POST", "createRoom", {"preset": "public_chat"}, self.alice)
            self.room_ids.append(made["room_id"])
            self.do("POST", f"join/{quote(made['room_id'])}", {}, self.bob)
        for number in range(10):
            self.state(self.room_ids[2], f"x.{number}", {})
        self.do("POST", "createRoom", {"invite": [BOB]}, self.alice)
        self.reactor.advance(1)
        self.txn = 0

    def state(self, room_id: str, event_type: str, content: Any) -> None:
        """Alice sets state."""
        path = f"rooms/{quote(room_id)}/state/{event_type}"
        self.do("PUT", path, content, self.alice)

    def message(self, room_id: str) -> None:
        """Alice says something."""
        self.txn += 1
        path = f"rooms/{quote(room_id)}/send/m.room.message/{self.txn}"
        self.do("PUT", path, {"msgtype": "m.text", "body": "meanwhile"}, self.alice)

    def meanwhile(self, path: str, acts: Sequence[Callable[[], object]]) -> Any:
        """The answer, one of these acts having been done in each turn before it.

        It is what is composed at once in the same moment.
        """
        self.patch(encoded_events, "AT_ONCE", 4)
        self.patch(slices, "SLICE", 0)
        asking = Connection(self.root, self.reactor)
        asking.start("GET", self.target(self.bob, path))
        self.assertEqual(asking.responses(), [])
        left = list(acts)
        answers: list[tuple[Any, Any]] = []

        def turned() -> None:
            # The step of this turn comes after this: what is called first is first.
            responses = asking.responses()
            if responses:
                (response,) = responses
                self.assertEqual(response.status, 200, response.body)
                self.patch(slices, "SLICE", 1)
                answers.append((response.json, self.old_json(self.bob, path)))
                return
            if left:
                left.pop(0)()
            self.reactor.callLater(0, turned)

        self.reactor.callLater(0, turned)
        self.reactor.advance(0)
        self.assertEqual(left, [])
        ((answer, at_once),) = answers
        self.assertEqual(answer, at_once)
        return answer

    def test_a_message_between_two_slices_comes_once(self) -> None:
        """In the snapshot, as it was not yet sent, and not after its end (A-100)."""
        for room_id in self.room_ids:
            body = self.meanwhile("initialSync", [partial(self.message, room_id)] * 2)
            (room,) = [one for one in body["rooms"] if one["room_id"] == room_id]
            said = bodies(room["messages"]["chunk"])
            self.assertEqual(said.count("meanwhile"), 2)
            self.assertEqual(bodies(self.events(self.bob, body["end"])["chunk"]), [])

    def test_whoever_comes_and_goes_meanwhile(self) -> None:
        """The rooms are those that the user is in at the end (A-100)."""
        first, second = self.room_ids[0], self.room_ids[4]
        data = f"user/{quote(BOB)}/rooms/{quote(self.room_ids[1])}/account_data/x"
        acts = [
            partial(self.do, "POST", f"rooms/{quote(first)}/leave", {}, self.bob),
            partial(self.do, "PUT", data, {"n": 1}, self.bob),
            partial(self.do, "POST", f"rooms/{quote(second)}/leave", {}, self.bob),
            partial(self.do, "POST", f"join/{quote(first)}", {}, self.bob),
            partial(self.do, "POST", "createRoom", {"invite": [BOB]}, self.alice),
        ]
        body = self.meanwhile("initialSync", acts)
        memberships = [room["membership"] for room in body["rooms"]]
        self.assertEqual(sorted(memberships), ["invite"] * 2 + ["join"] * 4)

    def test_one_large_room(self) -> None:
        """What changes while it is written out is in it (A-103)."""
        room_id = self.room_ids[2]
        rename = partial(self.state, room_id, "m.room.name", {"name": "meanwhile"})
        body = self.meanwhile(f"rooms/{quote(room_id)}/initialSync", [rename])
        (name,) = [one for one in body["state"] if one["type"] == "m.room.name"]
        self.assertEqual(name["content"], {"name": "meanwhile"})
        self.assertEqual(name["sender"], ALICE)
