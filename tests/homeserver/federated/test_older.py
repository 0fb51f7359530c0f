"""What happened in a room before this server came in, as clients page back to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.wire.older_token import older_token
from tests.homeserver.federated.rig import FederatedTestCase

MALLORY = "@mallory:far.test"


class OlderTests(FederatedTestCase):
    """Alice has talked for a while when Bob comes in from another server."""

    def setUp(self) -> None:
        """Both servers run."""
        super().setUp()
        self.here, self.there = self.homeserver("a.test"), self.homeserver("b.test")
        self.alice = self.here.register("alice")
        self.bob = self.there.register("bob")

    def meet(self, messages: int = 25, visibility: str = "shared") -> None:
        """Bob comes in after so many messages."""
        self.room_id = self.here.create(self.alice)
        content = {"history_visibility": visibility}
        self.here.set(self.alice, self.room_id, "m.room.history_visibility", content)
        self.ids = [
            self.here.say(self.alice, self.room_id, str(number))
            for number in range(messages)
        ]
        self.there.join(self.bob, self.room_id, "a.test")
        self.here.say(self.alice, self.room_id, "hello Bob")
        self.pass_time()

    def ask(self, token: str | None, **query: Any) -> Any:
        """The response to Bob's request for a page, newest first."""
        if token is not None:
            query["from"] = token
        path = f"rooms/{quote(self.room_id)}/messages"
        return self.there.ask(self.bob, "GET", path, dir="b", **query)

    def read(self, limit: int = 10, **query: Any) -> list[str]:
        """All texts that Bob can page back to, the newest first."""
        texts: list[str] = []
        token: str | None = None
        for _ in range(40):
            page = self.ask(token, limit=limit, **query)
            self.assertEqual(200, page.status, page.body)
            self.assertLessEqual(len(page.json["chunk"]), limit)
            texts += [
                event["content"].get("body", "-")
                for event in page.json["chunk"]
                if event["type"] == "m.room.message"
            ]
            token = page.json.get("end")
            if token is None:
                return texts
        raise AssertionError("there is no end of it")

    def backfilled(self, change: Callable[[list[Any]], list[Any]]) -> None:
        """Other servers tell something else from now on."""
        before = RoomRequests.backfill

        async def told(*args: Any) -> list[Any]:
            return change(list(await before(*args)))

        self.patch(RoomRequests, "backfill", told)

    def test_what_was_shared_before_is_read(self) -> None:
        """Up to where the history was shared for sure, each event once, in order."""
        self.meet()
        expected = ["hello Bob", *(str(number) for number in reversed(range(25)))]
        self.assertEqual(expected, self.read())
        self.assertEqual(expected, self.read(limit=100))
        self.assertEqual(["hello Bob"], self.there.texts(self.room_id)[-1:])
        self.there.restart()
        self.assertEqual(expected, self.read(limit=3))

    def test_what_was_not_shared_stays_so(self) -> None:
        """Nobody is asked for it, nor for what was before it was shared."""
        for visibility in ("joined", "invited"):
            self.meet(3, visibility)
            self.assertEqual(["hello Bob"], self.read())
        self.room_id = self.here.create(self.alice)
        kind = "m.room.history_visibility"
        self.here.set(self.alice, self.room_id, kind, {"history_visibility": "joined"})
        self.here.say(self.alice, self.room_id, "secret")
        self.here.set(self.alice, self.room_id, kind, {"history_visibility": "shared"})
        self.here.say(self.alice, self.room_id, "open")
        self.there.join(self.bob, self.room_id, "a.test")
        self.assertEqual(["open"], self.read(limit=100))
        self.assertEqual(["open"], self.read(limit=1))
        first = self.there.room(self.room_id).timeline[0]
        secret = older_token(
            [self.here.room(self.room_id).timeline[-4].event_id, *first.prev_ids]
        )
        page = self.ask(secret, limit=50).json
        self.assertNotIn("secret", str(page))

    def test_what_came_later_is_not_read_this_way(self) -> None:
        """Whoever names an event of our time learns no more than from our time."""
        self.meet(3)
        kind = "m.room.history_visibility"
        content = {"history_visibility": "joined"}
        self.here.set(self.alice, self.room_id, kind, content)
        secret = self.here.say(self.alice, self.room_id, "secret")
        self.pass_time()
        self.bob = self.there.register("carol")
        self.there.join(self.bob, self.room_id, "a.test")
        page = self.ask(older_token([secret]), limit=50)
        self.assertEqual((502, False), (page.status, b"secret" in page.body))
        page = self.ask(older_token([secret, *self.ids[-1:]]), limit=50)
        self.assertEqual((200, False), (page.status, b"secret" in page.body))
        first = self.there.room(self.room_id).timeline[0].event_id
        page = self.ask(older_token([first]), limit=50)
        self.assertEqual((200, False), (page.status, first in str(page.json["chunk"])))

    def test_who_is_not_in_the_room_reads_nothing(self) -> None:
        """Whatever they know of its events."""
        self.meet()
        token = older_token(self.ids[-1:])
        self.assertEqual(200, self.ask(token).status)
        self.there.leave(self.bob, self.room_id)
        self.assertEqual(403, self.ask(token).status)
        self.bob = self.there.register("carol")
        self.assertEqual(403, self.ask(token).status)

    def test_a_token_that_is_none_is_refused(self) -> None:
        """Whatever it holds."""
        self.meet(1)
        for token in ("o", "o%", "oW10=", "oWzFd", "oe30=", older_token(["x"] * 2)):
            self.assertEqual(400, self.ask(token).status, token)
        many = older_token(f"${number}" for number in range(21))
        self.assertEqual(400, self.ask(many).status)

    def test_what_does_not_hang_together_is_left_out(self) -> None:
        """Another server shows no event that the room does not lead to."""
        self.meet(5)
        far = self.peer("far.test")
        lie = far.message(self.here.room(self.room_id), MALLORY, "a lie", depth=7)
        self.backfilled(lambda told: [lie.pdu, *told])
        self.assertEqual(["hello Bob", "4", "3", "2", "1", "0"], self.read())

    def test_what_was_changed_on_the_way_is_not_shown(self) -> None:
        """Nothing is left of what the hash is not of, nor of what is not signed."""
        self.meet(3)

        def change(told: list[Any]) -> list[Any]:
            changed = {"content": {"body": "changed"}}
            for pdu in told:
                if pdu["type"] == "m.room.message":
                    pdu |= changed
            del told[0]["signatures"]
            return told

        self.backfilled(change)
        token = older_token(self.ids[2:])
        self.assertEqual(502, self.ask(token, limit=1).status)
        page = self.ask(older_token(self.ids), limit=3).json
        self.assertEqual([{}, {}], [event["content"] for event in page["chunk"]])

    def test_what_was_redacted_meanwhile_is_not_shown(self) -> None:
        """Though the server that is asked has not heard of it."""
        self.meet(3)
        whole = self.here.room(self.room_id).events[self.ids[1]].pdu
        path = f"rooms/{quote(self.room_id)}/redact/{quote(self.ids[1])}/1"
        self.here.call(self.alice, "PUT", path, {})
        self.pass_time()

        def unredacted(told: list[Any]) -> list[Any]:
            return [whole if pdu["depth"] == whole["depth"] else pdu for pdu in told]

        self.backfilled(unredacted)
        for _ in range(2):
            self.assertEqual(["hello Bob", "2", "-", "0"], self.read())

    def test_state_that_was_redacted_meanwhile_is_not_shown(self) -> None:
        """Though we had it, and the server that is asked has not heard of it."""
        self.meet(0)
        self.room_id = self.here.create(self.alice)
        content = {"topic": "insult"}
        self.here.set(self.alice, self.room_id, "m.room.topic", content)
        whole = self.here.room(self.room_id).timeline[-1]
        self.here.say(self.alice, self.room_id, "well")
        self.there.join(self.bob, self.room_id, "a.test")
        path = f"rooms/{quote(self.room_id)}/redact/{quote(whole.event_id)}/1"
        pdu = whole.pdu
        self.here.call(self.alice, "PUT", path, {})
        self.pass_time()
        self.backfilled(
            lambda told: [pdu if one["depth"] == pdu["depth"] else one for one in told]
        )
        first = self.there.room(self.room_id).timeline[0]
        page = self.ask(older_token(first.prev_ids), limit=50)
        self.assertEqual((200, False), (page.status, b"insult" in page.body))
        self.assertIn(whole.event_id, str(page.json))

    def test_what_the_filter_leaves_out_is_left_out(self) -> None:
        """And the pages go on."""
        self.meet(4)
        only = '{"types": ["m.room.topic"]}'
        self.assertEqual([], self.read(limit=2, filter=only))

    def test_nobody_reads_without_a_limit(self) -> None:
        """Each page costs other servers something (A-28)."""
        self.meet(1)
        token = older_token(self.ids)
        statuses = {self.ask(token, limit=1).status for _ in range(40)}
        self.assertEqual({200, 429}, statuses)

    def test_servers_that_are_down_are_no_end(self) -> None:
        """The client is told that it failed, and may try again."""
        self.meet(1)
        token = older_token(self.ids)
        self.internet.down.add(b"a.test")
        self.assertEqual(502, self.ask(token).status)
        self.internet.down.clear()
        self.assertEqual(200, self.ask(token).status)

    def test_a_room_of_ours_has_nothing_before_it(self) -> None:
        """Its first event is here."""
        self.meet(2)
        path = f"rooms/{quote(self.room_id)}/messages"
        found = self.here.call(self.alice, "GET", path, dir="b", limit=100)
        self.assertNotIn("end", found)
