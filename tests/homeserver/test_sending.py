"""Sending messages, state and redactions."""

from __future__ import annotations

from urllib.parse import quote

from matrix_presence.storage.connection import Cursor
from tests.homeserver.rooms import ALICE, BOB, CAROL, RoomsTestCase


def _stored_events(cursor: Cursor) -> list[str]:
    """All events as they are on disk."""
    cursor.execute("SELECT pdu FROM room_events")
    return [pdu for (pdu,) in cursor.fetchall()]


class SendingTests(RoomsTestCase):
    """Client-server API, "Sending events to a room"."""

    def setUp(self) -> None:
        """A room of Alice and Bob."""
        super().setUp()
        self.room_id = self.room(ALICE, BOB)
        self.path = f"rooms/{quote(self.room_id)}"
        self.active.clear()

    def test_the_same_transaction_is_the_same_event(self) -> None:
        """A repeated request of a device makes no second event, even after restart."""
        path = f"{self.path}/send/m.room.message/t1"
        first = self.put(BOB, path, {"body": "x"})
        self.assertEqual(self.put(BOB, path, {"body": "y"}), first)
        self.start()
        self.assertEqual(self.put(BOB, path, {"body": "z"}), first)
        self.assertNotEqual(self.put(ALICE, path, {"body": "x"}), first)
        other = f"{self.path}/send/m.sticker/t1"
        self.assertNotEqual(self.put(BOB, other, {"body": "x"}), first)
        found = self.get(BOB, f"{self.path}/event/{quote(first['event_id'])}")
        self.assertEqual(found["unsigned"]["transaction_id"], "t1")
        found = self.get(ALICE, f"{self.path}/event/{quote(first['event_id'])}")
        self.assertNotIn("transaction_id", found["unsigned"])

    def test_all_that_is_sent_counts_as_activity(self) -> None:
        """Messages of any type, state and redactions are pro-active (B-17)."""
        event_id = self.say(BOB, self.room_id)
        self.put(BOB, f"{self.path}/send/m.room.encrypted/e", {})
        self.put(BOB, f"{self.path}/redact/{quote(event_id)}/r", {})
        self.state(ALICE, self.room_id, "m.room.name", {"name": "x"})
        self.assertEqual(self.active, [(BOB, "BOB")] * 3 + [(ALICE, "ALICE")])

    def test_what_is_refused_is_no_activity(self) -> None:
        """A refused message changes nothing."""
        for user_id, path, body, status, errcode in (
            (CAROL, "send/x/1", {}, 403, "M_FORBIDDEN"),
            (BOB, "state/m.room.name", {"name": "x"}, 403, "M_FORBIDDEN"),
            (BOB, "send/x/1", {"a": 1.5}, 400, "M_BAD_JSON"),
            (BOB, "send/x/1", {"a": 2**53}, 400, "M_BAD_JSON"),
            (BOB, "send/x/1", {"a": "x" * 65536}, 413, "M_TOO_LARGE"),
            (BOB, "send/x/%00", {}, 400, "M_INVALID_PARAM"),
            (BOB, "send/" + "x" * 300 + "/1", {}, 400, "M_INVALID_PARAM"),
            (ALICE, "state/x/" + "x" * 300, {}, 413, "M_TOO_LARGE"),
            (BOB, "redact/$x/1", {}, 404, "M_NOT_FOUND"),
            (ALICE, "state/m.room.member/x", {}, 400, "M_INVALID_PARAM"),
        ):
            response = self.ask(user_id, "PUT", f"{self.path}/{path}", body)
            self.assertRefused(response, status, errcode)
        self.assertEqual(self.active, [])

    def test_the_state_key_may_be_left_out(self) -> None:
        """With, without and with an empty state key it is the same state."""
        for path in ("state/m.room.topic", "state/m.room.topic/"):
            self.put(ALICE, f"{self.path}/{path}", {"topic": path})
            for again in ("state/m.room.topic", "state/m.room.topic/"):
                content = self.get(ALICE, f"{self.path}/{again}")
                self.assertEqual(content, {"topic": path})

    def test_power_levels_by_put(self) -> None:
        """Nobody gives themself more power than they have."""
        levels = self.get(ALICE, f"{self.path}/state/m.room.power_levels")
        levels["users"][BOB] = 100
        path = f"{self.path}/state/m.room.power_levels"
        self.assertRefused(self.ask(BOB, "PUT", path, levels), 403, "M_FORBIDDEN")
        self.put(ALICE, path, levels)
        self.state(BOB, self.room_id, "m.room.name", {"name": "Bob's"})

    def test_invites_by_put(self) -> None:
        """A member event by the state endpoint is held to the same rules."""
        path = f"{self.path}/state/m.room.member/"
        self.put(ALICE, path + quote(CAROL), {"membership": "invite"})
        response = self.ask(
            ALICE, "PUT", path + quote("@x:elsewhere"), {"membership": "invite"}
        )
        self.assertRefused(response, 403, "M_FORBIDDEN")

    def test_canonical_alias(self) -> None:
        """The main alias has to point here."""
        path = f"{self.path}/state/m.room.canonical_alias"
        bad: object
        for bad in ({"alias": "#x:hs.test"}, {"alias": 1}, {"alt_aliases": ["#x:y"]}):
            self.assertRefused(self.ask(ALICE, "PUT", path, bad), 400, "M_BAD_ALIAS")
        alias = quote("#here:hs.test")
        self.put(ALICE, f"directory/room/{alias}", {"room_id": self.room_id})
        self.put(ALICE, path, {"alias": "#here:hs.test"})
        self.put(ALICE, path, {})


class RedactionTests(RoomsTestCase):
    """Client-server API, "Redactions"."""

    def test_content_goes_everywhere(self) -> None:
        """A redaction takes the content, in memory and on disk, in all versions."""
        for version in ("1", "10", "11", "12"):
            room_id = self.room(ALICE, BOB, room_version=version)
            path = f"rooms/{quote(room_id)}"
            event_id = self.say(BOB, room_id, "secret")
            body = {"reason": "spam"}
            self.put(ALICE, f"{path}/redact/{quote(event_id)}/1", body)
            for _ in range(2):
                event = self.get(BOB, f"{path}/event/{quote(event_id)}")
                self.assertEqual(event["content"], {})
                because = event["unsigned"]["redacted_because"]
                self.assertEqual(because["content"]["reason"], "spam")
                self.assertEqual(because["redacts"], event_id)
                self.assertEqual(because["content"]["redacts"], event_id)
                self.start()
            rows = self.successResultOf(self.database.run(_stored_events))
            self.assertFalse([pdu for pdu in rows if "secret" in pdu])

    def test_who_may_redact(self) -> None:
        """One's own messages, or those of others with the power to."""
        room_id = self.room(ALICE, BOB, CAROL)
        path = f"rooms/{quote(room_id)}"
        event_id = self.say(BOB, room_id)
        redact = f"{path}/redact/{quote(event_id)}/1"
        self.assertRefused(self.ask(CAROL, "PUT", redact, {}), 403, "M_FORBIDDEN")
        direct = {"redacts": event_id}
        response = self.ask(CAROL, "PUT", f"{path}/send/m.room.redaction/1", direct)
        self.assertRefused(response, 403, "M_FORBIDDEN")
        self.put(BOB, redact, {})

    def test_redacted_state(self) -> None:
        """State that is redacted is still the state, without its content."""
        room_id = self.room()
        event_id = self.state(ALICE, room_id, "m.room.name", {"name": "x"})
        path = f"rooms/{quote(room_id)}"
        self.put(ALICE, f"{path}/redact/{quote(event_id)}/1", {})
        self.assertEqual(self.get(ALICE, f"{path}/state/m.room.name"), {})
