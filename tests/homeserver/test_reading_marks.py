"""Typing notices, receipts, read markers and unread counts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.homeserver.rooms import ALICE, BOB, CAROL, RoomsTestCase


class ReadingMarkTests(RoomsTestCase):
    """A room of Alice and Bob."""

    def setUp(self) -> None:
        """Make the room."""
        super().setUp()
        self.room_id = self.room(ALICE, BOB)
        self.path = f"rooms/{quote(self.room_id)}"
        self.event_id = self.say(ALICE, self.room_id)
        self.active.clear()

    def _ephemeral(self, user_id: str, since: str | None = None) -> Any:
        answer = self.sync(user_id, since)
        joined = answer.get("rooms", {}).get("join", {})
        events = joined.get(self.room_id, {}).get("ephemeral", {}).get("events", [])
        return {event["type"]: event["content"] for event in events}

    def _type(self, user_id: str, **body: Any) -> None:
        self.put(user_id, f"{self.path}/typing/{quote(user_id)}", body)

    def _typing(self) -> Any:
        return self._ephemeral(ALICE).get("m.typing")

    def test_typing_and_stopping(self) -> None:
        """Typing is activity and shown to all, stopping is shown too (B-17)."""
        since = self.sync(ALICE)["next_batch"]
        self._type(BOB, typing=True, timeout=20000)
        self.assertEqual(self.active, [(BOB, "BOB")])
        self.assertEqual(
            self._ephemeral(ALICE, since), {"m.typing": {"user_ids": [BOB]}}
        )
        since = self.sync(ALICE)["next_batch"]
        self._type(BOB, typing=False)
        self.assertEqual(self.active, [(BOB, "BOB")])
        self.assertEqual(self._ephemeral(ALICE, since), {"m.typing": {"user_ids": []}})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_typing_ends_with_its_time(self) -> None:
        """A notice ends by itself, a renewed one later, with one delayed call."""
        self._type(BOB, typing=True, timeout=20000)
        self._type(ALICE, typing=True, timeout=5000)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(6)
        self.assertEqual(self._typing(), {"user_ids": [BOB]})
        self._type(BOB, typing=True, timeout=20000)
        self.clock.advance(15)
        self.assertEqual(self._typing(), {"user_ids": [BOB]})
        self.clock.advance(6)
        self.assertEqual(self._typing(), None)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_leaves_types_no_more(self) -> None:
        """Leaving ends a notice."""
        self._type(BOB, typing=True)
        self.post(BOB, f"{self.path}/leave")
        self.assertEqual(self._typing(), None)

    def test_refused_typing(self) -> None:
        """Nobody types for others, or where they are not, or what is no flag."""
        for user_id, name, body, status, errcode in (
            (BOB, ALICE, {"typing": True}, 403, "M_FORBIDDEN"),
            (CAROL, CAROL, {"typing": True}, 403, "M_FORBIDDEN"),
            (BOB, BOB, {"typing": 1}, 400, "M_BAD_JSON"),
            (BOB, BOB, {"typing": True, "timeout": "x"}, 400, "M_BAD_JSON"),
        ):
            path = f"{self.path}/typing/{quote(name)}"
            self.assertRefused(self.ask(user_id, "PUT", path, body), status, errcode)

    def test_receipts(self) -> None:
        """A receipt is activity, shown to all, and never moves back (B-17)."""
        later = self.say(ALICE, self.room_id)
        for event_id in (later, self.event_id):
            self.post(BOB, f"{self.path}/receipt/m.read/{quote(event_id)}")
        receipts = self._ephemeral(ALICE)["m.receipt"]
        self.assertEqual(list(receipts), [later])
        ts = int(self.clock.seconds() * 1000)
        self.assertEqual(receipts[later], {"m.read": {BOB: {"ts": ts}}})
        self.assertIn((BOB, "BOB"), self.active)
        self.start()
        self.assertEqual(self._ephemeral(ALICE)["m.receipt"], receipts)

    def test_private_receipts(self) -> None:
        """They are shown to oneself only."""
        path = f"{self.path}/receipt/m.read.private/{quote(self.event_id)}"
        self.post(BOB, path)
        self.assertEqual(self._ephemeral(ALICE), {})
        receipts = self._ephemeral(BOB)["m.receipt"]
        self.assertIn(BOB, receipts[self.event_id]["m.read.private"])

    def test_threads(self) -> None:
        """A receipt for a thread says so."""
        path = f"{self.path}/receipt/m.read/{quote(self.event_id)}"
        self.post(BOB, path, {"thread_id": "main"})
        receipts = self._ephemeral(ALICE)["m.receipt"]
        self.assertEqual(receipts[self.event_id]["m.read"][BOB]["thread_id"], "main")

    def test_read_markers(self) -> None:
        """One request sets the marker and both receipts."""
        body = {
            "m.fully_read": self.event_id,
            "m.read": self.event_id,
            "m.read.private": self.event_id,
        }
        self.post(BOB, f"{self.path}/read_markers", body)
        part = self.sync(BOB)["rooms"]["join"][self.room_id]
        self.assertEqual(
            part["account_data"]["events"],
            [{"type": "m.fully_read", "content": {"event_id": self.event_id}}],
        )
        self.assertEqual(part["unread_notifications"]["notification_count"], 0)
        marker = f"{self.path}/receipt/m.fully_read/{quote(self.event_id)}"
        self.post(BOB, marker)

    def test_refused_receipts(self) -> None:
        """Unknown kinds and events are refused, and rooms one is not in."""
        for user_id, path, body, status, errcode in (
            (BOB, f"receipt/x/{self.event_id}", {}, 400, "M_INVALID_PARAM"),
            (BOB, "receipt/m.read/$x", {}, 404, "M_NOT_FOUND"),
            (CAROL, f"receipt/m.read/{self.event_id}", {}, 403, "M_FORBIDDEN"),
            (BOB, "receipt/m.read/$x", {"thread_id": 1}, 400, "M_BAD_JSON"),
            (BOB, "read_markers", {"m.read": 1}, 400, "M_BAD_JSON"),
            (BOB, "read_markers", {"m.read": "$x"}, 404, "M_NOT_FOUND"),
        ):
            response = self.ask(user_id, "POST", f"{self.path}/{path}", body)
            self.assertRefused(response, status, errcode)

    def test_unread_counts(self) -> None:
        """Messages after the last receipt, mentions apart, one's own not."""

        def counts(user_id: str) -> tuple[int, int]:
            part = self.sync(user_id)["rooms"]["join"][self.room_id]
            unread = part["unread_notifications"]
            return unread["notification_count"], unread["highlight_count"]

        mentions: Any
        for mentions in ({"user_ids": [BOB, 1]}, {"user_ids": 1}, 1):
            self.say(ALICE, self.room_id, **{"m.mentions": mentions})
        self.assertEqual(counts(BOB), (4, 1))
        self.assertEqual(counts(ALICE), (0, 0))
        last = self.say(ALICE, self.room_id)
        self.post(BOB, f"{self.path}/receipt/m.read.private/{quote(last)}")
        self.assertEqual(counts(BOB), (0, 0))
        self.say(ALICE, self.room_id)
        self.assertEqual(counts(BOB), (1, 0))
        self.say(BOB, self.room_id)
        self.assertEqual(counts(BOB), (0, 0))
        self.assertEqual(counts(ALICE), (1, 0))
