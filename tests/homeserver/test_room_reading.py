"""Reading a room: state, members, pages of history, and who may see what."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from tests.homeserver.rooms import ALICE, BOB, CAROL, RoomsTestCase


class StateTests(RoomsTestCase):
    """The state and the members."""

    def setUp(self) -> None:
        """A room of Alice, which Bob has left."""
        super().setUp()
        self.room_id = self.room(ALICE, BOB)
        self.path = f"rooms/{quote(self.room_id)}"
        self.state(ALICE, self.room_id, "m.room.name", {"name": "then"})
        self.since = self.sync(BOB)["next_batch"]
        self.post(BOB, f"{self.path}/leave")
        self.state(ALICE, self.room_id, "m.room.name", {"name": "now"})

    def test_who_left_sees_the_state_then(self) -> None:
        """Members see the state as it is, others as they left it or not at all."""
        path = f"{self.path}/state/m.room.name"
        self.assertEqual(self.get(ALICE, path), {"name": "now"})
        self.assertEqual(self.get(BOB, path), {"name": "then"})
        for name in ("state", "state/m.room.name", "members", "messages", "aliases"):
            response = self.ask(CAROL, "GET", f"{self.path}/{name}", dir="b")
            self.assertRefused(response, 403, "M_FORBIDDEN")

    def test_one_state_event(self) -> None:
        """Its content, or with `format=event` all of it; 404 where there is none."""
        path = f"{self.path}/state/m.room.name"
        event = self.get(ALICE, path, format="event")
        self.assertEqual(event["sender"], ALICE)
        self.assertEqual(event["unsigned"]["prev_content"], {"name": "then"})
        response = self.ask(ALICE, "GET", f"{self.path}/state/x/y")
        self.assertRefused(response, 404, "M_NOT_FOUND")

    def test_members(self) -> None:
        """By membership, by what it is not, and as of an earlier time."""

        def members(**query: Any) -> list[str]:
            chunk = self.get(ALICE, f"{self.path}/members", **query)["chunk"]
            return sorted(event["state_key"] for event in chunk)

        self.assertEqual(members(), [ALICE, BOB])
        self.assertEqual(members(membership="join"), [ALICE])
        self.assertEqual(members(not_membership="join"), [BOB])
        self.assertEqual(members(membership="join", at=self.since), [ALICE, BOB])
        for query in ({"membership": "x"}, {"at": "x"}):
            response = self.ask(ALICE, "GET", f"{self.path}/members", **query)
            self.assertRefused(response, 400, "M_INVALID_PARAM")

    def test_joined_members(self) -> None:
        """Names and pictures of who is there, for who is there."""
        joined = self.get(ALICE, f"{self.path}/joined_members")["joined"]
        self.assertEqual(joined, {ALICE: {"display_name": "Alice"}})
        response = self.ask(BOB, "GET", f"{self.path}/joined_members")
        self.assertRefused(response, 403, "M_FORBIDDEN")


class MessagesTests(RoomsTestCase):
    """Client-server API, `GET /messages` and `/context`."""

    def setUp(self) -> None:
        """A room with twelve messages."""
        super().setUp()
        self.room_id = self.room(ALICE, BOB)
        self.path = f"rooms/{quote(self.room_id)}"
        self.ids = [self.say(ALICE, self.room_id, str(n)) for n in range(12)]

    def _page(self, **query: Any) -> Any:
        return self.get(BOB, f"{self.path}/messages", **query)

    def test_backwards_to_the_beginning(self) -> None:
        """Page by page, newest first, each event once, until there is no more."""
        events, page = [], self._page(dir="b", limit="5")
        while True:
            events += page["chunk"]
            if "end" not in page:
                break
            page = self._page(dir="b", limit="5", **{"from": page["end"]})
        self.assertEqual(self.bodies(events), [str(n) for n in reversed(range(12))])
        self.assertEqual(events[-1]["type"], "m.room.create")
        self.assertEqual(len({event["event_id"] for event in events}), len(events))

    def test_forwards(self) -> None:
        """From the beginning in the other direction."""
        events, page = [], self._page(dir="f", limit="7")
        while "end" in page:
            events += page["chunk"]
            page = self._page(dir="f", limit="7", **{"from": page["end"]})
        events += page["chunk"]
        self.assertEqual(self.bodies(events), [str(n) for n in range(12)])
        self.assertEqual(events[0]["type"], "m.room.create")

    def test_an_empty_token_is_none(self) -> None:
        """`from=` begins at the end of the room, as Quaternion asks."""
        page = self._page(dir="b", limit="108", **{"from": ""})
        self.assertEqual(self.bodies(page["chunk"])[0], "11")

    def test_until(self) -> None:
        """`to` ends a page, and never turns it round."""
        page = self._page(dir="b", limit="4")
        rest = self._page(dir="b", limit="100", to=page["end"])
        self.assertEqual(self.bodies(rest["chunk"]), self.bodies(page["chunk"]))
        none = self._page(dir="f", to=page["end"], **{"from": page["start"]})
        self.assertEqual(none["chunk"], [])

    def test_filter(self) -> None:
        """A filter chooses; with lazy loading the speakers come along."""
        only = json.dumps({"types": ["m.room.member"], "lazy_load_members": True})
        page = self._page(dir="b", filter=only)
        self.assertEqual(len(page["chunk"]), 2)
        senders = {event["state_key"] for event in page["state"]}
        self.assertEqual(senders, {ALICE, BOB})

    def test_refusals(self) -> None:
        """A direction is needed; numbers, tokens and filters have their forms."""
        for query in (
            {},
            {"dir": "x"},
            {"dir": "b", "limit": "x"},
            {"dir": "b", "limit": "-1"},
            {"dir": "b", "from": "x"},
            {"dir": "b", "to": "t"},
            {"dir": "b", "filter": "[]"},
        ):
            response = self.ask(BOB, "GET", f"{self.path}/messages", **query)
            self.assertRefused(response, 400, "M_INVALID_PARAM")

    def test_context(self) -> None:
        """An event between those before and after it, and the state at the end."""
        answer = self.get(BOB, f"{self.path}/context/{quote(self.ids[5])}", limit="4")
        self.assertEqual(answer["event"]["event_id"], self.ids[5])
        self.assertEqual(self.bodies(answer["events_before"]), ["4", "3"])
        self.assertEqual(self.bodies(answer["events_after"]), ["6", "7"])
        self.assertIn("m.room.create", [event["type"] for event in answer["state"]])
        earlier = self._page(dir="b", limit="1", **{"from": answer["start"]})
        self.assertEqual(self.bodies(earlier["chunk"]), ["2"])
        later = self._page(dir="f", limit="1", **{"from": answer["end"]})
        self.assertEqual(self.bodies(later["chunk"]), ["8"])

    def test_events_that_are_not_there(self) -> None:
        """Unknown events, and events of other rooms, are not found."""
        other = self.room(BOB)
        for name in ("event", "context"):
            for event_id in ("$x", self.say(BOB, other)):
                path = f"{self.path}/{name}/{quote(event_id)}"
                self.assertRefused(self.ask(BOB, "GET", path), 404, "M_NOT_FOUND")


class VisibilityTests(RoomsTestCase):
    """Client-server API, "Room History Visibility"."""

    def _seen(self, user_id: str, visibility: str) -> list[str]:
        """What a user sees who is invited after one message and joins after two."""
        room_id = self.room(
            initial_state=[
                {
                    "type": "m.room.history_visibility",
                    "content": {"history_visibility": visibility},
                }
            ]
        )
        path = f"rooms/{quote(room_id)}"
        self.say(ALICE, room_id, "before")
        self.post(ALICE, f"{path}/invite", {"user_id": BOB})
        self.say(ALICE, room_id, "invited")
        self.post(BOB, f"join/{quote(room_id)}")
        self.say(ALICE, room_id, "joined")
        self.post(BOB, f"{path}/leave")
        self.say(ALICE, room_id, "left")
        response = self.ask(user_id, "GET", f"{path}/messages", dir="f", limit="99")
        if response.status == 403:
            return []
        return self.bodies(response.json["chunk"])

    def test_each_visibility(self) -> None:
        """One who was invited, joined and left; one who was never there."""
        for visibility, seen in (
            ("joined", ["joined"]),
            ("invited", ["invited", "joined"]),
            ("shared", ["before", "invited", "joined"]),
            ("world_readable", ["before", "invited", "joined", "left"]),
        ):
            self.assertEqual(self._seen(BOB, visibility), seen, visibility)
            other = seen if visibility == "world_readable" else []
            self.assertEqual(self._seen(CAROL, visibility), other)

    def test_a_first_sync_keeps_to_it(self) -> None:
        """What was said before one came is not in the timeline."""
        room_id = self.room(
            initial_state=[
                {
                    "type": "m.room.history_visibility",
                    "content": {"history_visibility": "joined"},
                }
            ]
        )
        event_id = self.say(ALICE, room_id, "before")
        self.post(BOB, f"join/{quote(room_id)}")
        timeline = self.sync(BOB)["rooms"]["join"][room_id]["timeline"]
        self.assertEqual(self.bodies(timeline["events"]), [])
        path = f"rooms/{quote(room_id)}/event/{quote(event_id)}"
        self.assertRefused(self.ask(BOB, "GET", path), 404, "M_NOT_FOUND")
