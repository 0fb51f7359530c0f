"""Redactions of other servers, which come before or after what they redact."""

from __future__ import annotations

from typing import Any

from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.room import Room
from tests.homeserver.federated.rig import FederatedTestCase

MALLORY, OSCAR = "@mallory:far.test", "@oscar:far.test"


class RedactionTests(FederatedTestCase):
    """A room of ours that a server is in whose events come in any order."""

    version = "11"

    def setUp(self) -> None:
        """Two of its users are there."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.alice = self.here.register("alice")
        self.far = self.peer("far.test")
        self.room_id = self.here.create(self.alice, room_version=self.version)
        self.far.join("a.test", self.room_id, MALLORY)
        self.far.join("a.test", self.room_id, OSCAR)

    @property
    def room(self) -> Room:
        """The room as we know it."""
        return self.here.room(self.room_id)

    def redaction(self, target: str, sender: str, **fields: Any) -> Event:
        """What redacts an event, wherever the version of the room names it."""
        more = {"redacts": target} | fields
        content = {"redacts": target}
        return self.far.event(
            self.room, sender, "m.room.redaction", content, None, **more
        )

    def take(self, *events: Event) -> None:
        """These events come, one after the other."""
        for event in events:
            taken = self.far.send("a.test", event.pdu)
            self.assertEqual({event.event_id: {}}, taken)

    def shown(self, event: Event) -> Any:
        """What a client is shown of an event."""
        path = f"rooms/{self.room_id}/event/{event.event_id}"
        return self.here.call(self.alice, "GET", path)

    def test_a_redaction_that_came_before_its_event_counts(self) -> None:
        """The text is neither shown nor kept, also after a restart."""
        message = self.far.message(self.room, OSCAR, "hush")
        redaction = self.redaction(message.event_id, MALLORY)
        self.take(redaction, message)
        for _ in range(2):
            shown = self.shown(message)
            self.assertEqual({}, shown["content"])
            because = shown["unsigned"]["redacted_because"]
            self.assertEqual(redaction.event_id, because["event_id"])
            rows = self.successResultOf(
                self.here.database.run(
                    lambda cursor: (
                        cursor.execute("SELECT pdu FROM room_events")
                        or cursor.fetchall()
                    )
                )
            )
            self.assertNotIn("hush", str(rows))
            self.here.restart()

    def test_it_counts_only_if_its_sender_had_the_right(self) -> None:
        """One server's users are not another's to redact."""
        draft = self.far.message(self.room, MALLORY, "mine")
        self.take(self.redaction(draft.event_id, OSCAR))
        other = self.peer("other.test")
        other.join("a.test", self.room_id, "@eve:other.test")
        theirs = other.message(self.room, "@eve:other.test", "theirs")
        # Of old, the authorization rules themselves refuse it.
        self.far.send("a.test", self.redaction(theirs.event_id, MALLORY).pdu)
        other.send("a.test", theirs.pdu)
        self.assertEqual("theirs", self.shown(theirs)["content"]["body"])
        self.take(draft)
        self.assertEqual({}, self.shown(draft)["content"])

    def test_state_that_comes_later_is_redacted_too(self) -> None:
        """A topic, which holds no more than what is left of it."""
        self.here.set(
            self.alice,
            self.room_id,
            "m.room.power_levels",
            {"users": {self.alice: 100, MALLORY: 50}},
        )
        topic = self.far.event(
            self.room, MALLORY, "m.room.topic", {"topic": "rude"}, ""
        )
        self.take(self.redaction(topic.event_id, MALLORY), topic)
        self.assertIsNone(self.room.text("m.room.topic", "topic"))


class ChosenIdTests(RedactionTests):
    """The same in a room of old, where servers choose the ids of events."""

    version = "1"

    def test_redactions_of_each_other_are_shown(self) -> None:
        """Neither of them for ever within the other."""
        second = {"event_id": "$second:far.test"}
        first = self.redaction("$second:far.test", MALLORY)
        self.take(first, self.redaction(first.event_id, MALLORY, **second))
        because = self.shown(first)["unsigned"]["redacted_because"]
        self.assertEqual("$second:far.test", because["event_id"])
        self.assertNotIn("redacted_because", because["unsigned"])
        own = self.redaction("$own:far.test", MALLORY, event_id="$own:far.test")
        self.take(own)
        self.shown(own)
