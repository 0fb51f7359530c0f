"""Options of presence lists and of old events over HTTP."""

from __future__ import annotations

from typing import Any

from matrix_presence.wire.content import event_id
from tests.web.test_lists import (
    ALICE,
    BOB,
    CAROL,
    VERSIONS,
    ListsTestCase,
    list_path,
)


class OnV3Tests(ListsTestCase):
    """`presence_lists_on_v3`."""

    def setUp(self) -> None:
        """Switch it on, and have Alice observe Bob, who is free for chat."""
        self.begin(presence_lists_on_v3=True)
        for user_id, key, other in ((ALICE, "invite", BOB), (BOB, "accept", ALICE)):
            path = list_path(user_id, "v3")
            reply = self.reply("POST", user_id, path, body={key: [other]})
            self.assertEqual(reply.status, 200)
        self.rig.put(self.tokens[BOB], BOB, {"presence": "free_for_chat"}, "r0")
        self.rig.advance(1)

    def test_lists_are_found_on_v3(self) -> None:
        """They are the same lists in the same shape, in the states of v3 (A-5, X-1)."""
        (entry,) = self.reply("GET", ALICE, list_path(ALICE, "v3")).json
        self.assertEqual((entry["user_id"], entry["presence"]), (BOB, "online"))
        self.assertEqual(entry["content"]["user_id"], BOB)
        self.assertEqual(self.listed(ALICE)[BOB]["presence"], "free_for_chat")

    def test_clients_of_v3_are_invited_then(self) -> None:
        """Their syncs have the event of the invite, and the old shape in nothing else
        (A-5, A-69)."""
        self.post(ALICE, invite=[CAROL])
        self.rig.advance(1)
        reply = self.successResultOf(self.rig.sync(self.tokens[CAROL]))
        types = [event["type"] for event in reply.json["presence"]["events"]]
        self.assertIn("m.presence_invite", types)
        seen = self.successResultOf(self.rig.sync(self.tokens[ALICE])).seen
        self.assertNotIn("user_id", seen[BOB])


class EventIdTests(ListsTestCase):
    """`synthetic_event_id`."""

    def ids(self, version: str) -> list[str | None]:
        """The ids of the events about Bob that a first sync of Alice's has."""
        reply = self.successResultOf(self.rig.sync(self.tokens[ALICE], version=version))
        events = reply.json["presence"]["events"]
        return [event.get("event_id") for event in events if event["sender"] == BOB]

    def put(self, state: str) -> None:
        """Bob sets a status."""
        self.successResultOf(self.rig.put(self.tokens[BOB], BOB, {"presence": state}))
        self.rig.advance(1)

    def see(self, **options: Any) -> None:
        """Alice sees Bob, on a server with these options."""
        self.begin(**options)
        self.rig.presence.room("!r:hs", ALICE, BOB)
        self.put("online")

    def test_there_are_none_by_default(self) -> None:
        """No event of presence has an id on any path (A-85, A-110)."""
        self.see()
        for version in (*VERSIONS, "v3"):
            self.assertEqual(self.ids(version), [None])

    def test_events_have_ids_on_old_paths(self) -> None:
        """The id is that of the change: the same wherever it is told, another with the
        next one. On v3 there is none (A-110)."""
        self.see(synthetic_event_id=True)
        (first,) = {*self.ids("r0"), *self.ids("api/v1"), *self.ids("unstable")}
        assert first is not None
        self.assertTrue(first.startswith("$") and first.endswith(":hs"))
        self.put("unavailable")
        (second,) = self.ids("r0")
        self.assertNotEqual(first, second)
        self.assertEqual(self.ids("v3"), [None])

    def test_entries_of_lists_have_them_too(self) -> None:
        """And the last word on who has revoked has one of its own (A-71, A-110)."""
        self.see(synthetic_event_id=True)
        self.post(CAROL, invite=[BOB])
        self.post(BOB, accept=[CAROL])
        self.rig.advance(1)
        entry_id = self.listed(CAROL)[BOB]["event_id"]
        self.assertEqual([entry_id], self.ids("r0"))
        carol = self.tokens[CAROL]
        token = self.successResultOf(self.rig.sync(carol, version="r0")).next_batch
        self.post(BOB, deny=[CAROL])
        self.rig.advance(1)
        reply = self.successResultOf(self.rig.sync(carol, token, version="r0"))
        (farewell,) = reply.json["presence"]["events"]
        self.assertEqual(farewell["content"]["presence"], "offline")
        self.assertNotIn(farewell["event_id"], (entry_id, None))

    def test_an_id_is_of_a_user_and_a_position(self) -> None:
        """Nobody else's change has it, and it is short enough for an id (A-110)."""
        odd = "@" + "\N{SNOWMAN}" * 80 + ":hs"
        ids = {event_id(user, n, "hs") for user in (ALICE, BOB, odd) for n in (1, 11)}
        self.assertEqual(len(ids), 6)
        self.assertLess(max(map(len, ids)), 255)


class LimitTests(ListsTestCase):
    """`rc_presence.per_list`."""

    def setUp(self) -> None:
        """Three names at once, and one more each second."""
        self.begin(rc_presence={"per_list": {"per_second": 1, "burst_count": 3}})

    def test_a_flood_of_changes_is_refused(self) -> None:
        """With 429 and the time to wait, before anything is changed; others have their
        own limit (A-28, A-66)."""
        for _ in range(3):
            self.assertEqual(self.post(ALICE, invite=[BOB]).status, 200)
        reply = self.post(ALICE, drop=[BOB])
        self.assertEqual(reply.refusal, (429, "M_LIMIT_EXCEEDED"))
        self.assertEqual(reply.json["retry_after_ms"], 1000)
        self.assertEqual(self.pending(ALICE, "out"), [BOB])
        self.assertEqual(self.post(CAROL, invite=[BOB]).status, 200)
        self.rig.advance(1)
        self.assertEqual(self.post(ALICE, drop=[BOB]).status, 200)

    def test_a_long_request_is_taken_and_paid_for(self) -> None:
        """What names many users counts for each of them (A-66)."""
        names = [f"@n{number}:hs" for number in range(13)]
        self.assertEqual(self.post(ALICE, invite=names).status, 200)
        self.assertEqual(self.post(ALICE).json["retry_after_ms"], 11_000)
        self.rig.advance(11)
        self.assertEqual(self.post(ALICE).status, 200)
