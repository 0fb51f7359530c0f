"""What a /sync says of rooms, accounts and presence."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from tests.homeserver.rooms import ALICE, BOB, CAROL, RoomsTestCase


def _types(part: dict[str, Any]) -> list[str]:
    return [event["type"] for event in part["events"]]


class SyncRoomsTests(RoomsTestCase):
    """Client-server API, "Syncing": the rooms."""

    def _filter(self, **room: Any) -> str:
        return json.dumps({"room": room})

    def test_first_sync(self) -> None:
        """It has timeline, state before it, summary and counts of each room."""
        room_id = self.room(ALICE, BOB, name="Tea")
        for n in range(30):
            self.say(ALICE, room_id, str(n))
        part = self.sync(BOB)["rooms"]["join"][room_id]
        texts = self.bodies(part["timeline"]["events"])
        self.assertEqual(texts, [str(n) for n in range(10, 30)])
        self.assertTrue(part["timeline"]["limited"])
        self.assertIn("m.room.name", _types(part["state"]))
        self.assertIn("m.room.create", _types(part["state"]))
        self.assertEqual(part["unread_notifications"]["notification_count"], 30)
        self.assertEqual(
            part["summary"],
            {
                "m.heroes": [ALICE],
                "m.joined_member_count": 2,
                "m.invited_member_count": 0,
            },
        )
        earlier = self.get(
            BOB,
            f"rooms/{quote(room_id)}/messages",
            dir="b",
            **{"from": part["timeline"]["prev_batch"]},
        )
        self.assertEqual(self.bodies(earlier["chunk"])[0], "9")

    def test_only_what_is_new(self) -> None:
        """With a token, only rooms with news are there, with the news only."""
        quiet, busy = self.room(ALICE, BOB), self.room(ALICE, BOB)
        since = self.sync(BOB)["next_batch"]
        again = self.sync(BOB, since)
        self.assertNotIn("rooms", again)
        self.say(ALICE, busy, "new")
        answer = self.sync(BOB, again["next_batch"])
        self.assertEqual(list(answer["rooms"]["join"]), [busy])
        part = answer["rooms"]["join"][busy]
        self.assertEqual(self.bodies(part["timeline"]["events"]), ["new"])
        self.assertFalse(part["timeline"]["limited"])
        self.assertEqual(part["state"]["events"], [])
        self.assertEqual(part["summary"], {})
        self.assertNotIn(quiet, answer["rooms"]["join"])
        self.assertNotIn("rooms", self.sync(BOB, answer["next_batch"]))

    def test_a_gap_has_the_state_in_between(self) -> None:
        """What the timeline leaves out shows in the state, and nothing else does."""
        room_id = self.room(ALICE, BOB)
        since = self.sync(BOB)["next_batch"]
        self.state(ALICE, room_id, "m.room.name", {"name": "old"})
        self.state(ALICE, room_id, "m.room.name", {"name": "new"})
        for n in range(3):
            self.say(ALICE, room_id, str(n))
        self.state(ALICE, room_id, "m.room.topic", {"topic": "shown"})
        only = self._filter(timeline={"limit": 3})
        part = self.sync(BOB, since, filter=only)["rooms"]["join"][room_id]
        self.assertTrue(part["timeline"]["limited"])
        self.assertEqual(
            _types(part["timeline"]), ["m.room.message"] * 2 + ["m.room.topic"]
        )
        (name,) = part["state"]["events"]
        self.assertEqual(name["content"], {"name": "new"})

    def test_state_that_the_timeline_filter_hides(self) -> None:
        """A change that the timeline may not show is in the state."""
        room_id = self.room(ALICE, BOB)
        since = self.sync(BOB)["next_batch"]
        self.state(ALICE, room_id, "m.room.name", {"name": "x"})
        only = self._filter(timeline={"types": ["m.room.message"]})
        part = self.sync(BOB, since, filter=only)["rooms"]["join"][room_id]
        self.assertEqual(part["timeline"]["events"], [])
        self.assertEqual(_types(part["state"]), ["m.room.name"])

    def test_a_room_that_was_joined_meanwhile(self) -> None:
        """It comes whole, as in a first sync."""
        room_id = self.room(ALICE, name="Tea")
        since = self.sync(BOB)["next_batch"]
        self.post(BOB, f"join/{quote(room_id)}")
        only = self._filter(timeline={"limit": 1})
        answer = self.sync(BOB, since, filter=only)
        part = answer["rooms"]["join"][room_id]
        self.assertEqual(_types(part["timeline"]), ["m.room.member"])
        self.assertIn("m.room.name", _types(part["state"]))
        self.assertTrue(part["timeline"]["limited"])
        self.assertEqual(answer["device_lists"], {"changed": [ALICE], "left": []})
        answer = self.sync(ALICE, since)
        self.assertIn(BOB, answer["device_lists"]["changed"])

    def test_lazy_loading(self) -> None:
        """Only the members who speak, and oneself, are in the state."""
        room_id = self.room(ALICE, BOB, CAROL)
        for n in range(20):
            self.say(ALICE, room_id, str(n))
        lazy = self._filter(state={"lazy_load_members": True})
        first = self.sync(CAROL, filter=lazy)
        self.assertEqual(self._members(first, room_id), [ALICE, CAROL])
        self.say(BOB, room_id)
        second = self.sync(CAROL, first["next_batch"], filter=lazy)
        self.assertEqual(self._members(second, room_id), [BOB])
        self.assertEqual(self._members(self.sync(CAROL), room_id), [ALICE, BOB, CAROL])

    def _members(self, answer: Any, room_id: str) -> list[str]:
        events = answer["rooms"]["join"][room_id]["state"]["events"]
        return sorted(e["state_key"] for e in events if e["type"] == "m.room.member")

    def test_invites(self) -> None:
        """An invite shows the room's stripped state, once; a rejected one ends."""
        first = self.sync(BOB)["next_batch"]
        room_id = self.room(preset="private_chat", name="Tea", invite=[BOB])
        answer = self.sync(BOB, first)
        events = answer["rooms"]["invite"][room_id]["invite_state"]["events"]
        types = [event["type"] for event in events]
        self.assertIn("m.room.create", types)
        self.assertIn("m.room.name", types)
        self.assertEqual(types.count("m.room.member"), 2)
        self.assertNotIn("event_id", events[0])
        since = answer["next_batch"]
        self.assertNotIn("rooms", self.sync(BOB, since))
        self.assertIn(room_id, self.sync(BOB)["rooms"]["invite"])
        self.post(BOB, f"rooms/{quote(room_id)}/leave")
        left = self.sync(BOB, since)["rooms"]["leave"][room_id]
        self.assertEqual(left["state"]["events"], [])
        self.assertEqual(set(_types(left["timeline"])), {"m.room.member"})

    def test_leaving(self) -> None:
        """Who leaves or is kicked gets the room up to there, and nothing after."""
        room_id = self.room(ALICE, BOB)
        since = self.sync(BOB)["next_batch"]
        self.say(ALICE, room_id, "before")
        self.post(ALICE, f"rooms/{quote(room_id)}/kick", {"user_id": BOB})
        self.say(ALICE, room_id, "after")
        answer = self.sync(BOB, since)
        part = answer["rooms"]["leave"][room_id]
        self.assertEqual(self.bodies(part["timeline"]["events"]), ["before"])
        self.assertEqual(part["timeline"]["events"][-1]["state_key"], BOB)
        self.assertEqual(answer["device_lists"]["left"], [ALICE])
        self.assertNotIn("rooms", self.sync(BOB, answer["next_batch"]))
        self.assertNotIn("rooms", self.sync(BOB))

    def test_a_ban_without_a_membership(self) -> None:
        """Who was never in a room and is banned from it learns only that."""
        room_id = self.room(ALICE)
        self.say(ALICE, room_id, "secret")
        since = self.sync(BOB)["next_batch"]
        self.post(ALICE, f"rooms/{quote(room_id)}/ban", {"user_id": BOB})
        part = self.sync(BOB, since)["rooms"]["leave"][room_id]
        self.assertEqual(_types(part["timeline"]), ["m.room.member"])
        self.assertEqual(part["state"]["events"], [])

    def test_full_state(self) -> None:
        """Asked for, the state comes whole, with nothing but news in the timeline."""
        room_id = self.room(ALICE, BOB)
        since = self.sync(BOB)["next_batch"]
        answer = self.sync(BOB, since, full_state="true", timeout="30000")
        part = answer["rooms"]["join"][room_id]
        self.assertIn("m.room.create", _types(part["state"]))
        self.assertEqual(part["timeline"]["events"], [])

    def test_filters(self) -> None:
        """Rooms, types, senders, URLs, fields and format are filtered."""
        room_id, other = self.room(ALICE, BOB), self.room(ALICE, BOB)
        since = self.sync(BOB)["next_batch"]
        self.say(ALICE, room_id, "by alice")
        self.say(BOB, room_id, "by bob", url="mxc://x/y")
        self.say(BOB, other, "elsewhere")

        def texts(**room: Any) -> dict[str, list[str]]:
            answer = self.sync(BOB, since, filter=self._filter(**room))
            joined = answer.get("rooms", {}).get("join", {})
            return {
                key: self.bodies(part["timeline"]["events"])
                for key, part in joined.items()
            }

        self.assertEqual(texts(rooms=[other]), {other: ["elsewhere"]})
        self.assertEqual(texts(not_rooms=[room_id]), {other: ["elsewhere"]})
        only: dict[str, Any]
        for only in (
            {"senders": [ALICE]},
            {"not_senders": [BOB]},
            {"contains_url": False, "rooms": [room_id]},
        ):
            self.assertEqual(texts(timeline=only), {room_id: ["by alice"]})
        only = {"contains_url": True, "types": ["m.room.*"]}
        self.assertEqual(texts(timeline=only), {room_id: ["by bob"]})
        self.assertEqual(texts(timeline={"not_types": ["*message"]}), {})
        raw = json.dumps({"event_format": "federation"})
        joined = self.sync(BOB, since, filter=raw)["rooms"]["join"]
        self.assertIn("hashes", joined[other]["timeline"]["events"][0])
        fields = json.dumps({"event_fields": ["content.body", "type"]})
        joined = self.sync(BOB, since, filter=fields)["rooms"]["join"]
        self.assertEqual(
            joined[other]["timeline"]["events"],
            [{"type": "m.room.message", "content": {"body": "elsewhere"}}],
        )

    def test_a_stored_filter(self) -> None:
        """A filter can be stored and named; another's cannot."""
        room_id = self.room(ALICE, BOB)
        only: dict[str, Any] = {"room": {"rooms": []}}
        filter_id = self.done(self.accounts.filters.add(BOB, only))
        self.assertNotIn("rooms", self.sync(BOB, filter=filter_id))
        self.assertIn("rooms", self.sync(BOB))
        response = self.ask(ALICE, "GET", "sync", filter=filter_id)
        self.assertRefused(response, 400, "M_INVALID_PARAM")
        self.say(BOB, room_id)

    def test_the_ignored_are_not_heard(self) -> None:
        """Their messages and invites do not come, their state does (A-94)."""
        room_id = self.room(ALICE, BOB)
        ignored: dict[str, Any] = {"ignored_users": {ALICE: {}}}
        self.done(self.accounts.data.put(BOB, "m.ignored_user_list", ignored))
        since = self.sync(BOB)["next_batch"]
        self.say(ALICE, room_id)
        self.state(ALICE, room_id, "m.room.name", {"name": "x"})
        self.room(invite=[BOB])
        rooms = self.sync(BOB, since)["rooms"]
        self.assertEqual(_types(rooms["join"][room_id]["timeline"]), ["m.room.name"])
        self.assertNotIn("invite", rooms)

    def test_the_past_survives_a_restart(self) -> None:
        """A token from before a restart goes on where it was."""
        room_id = self.room(ALICE, BOB)
        since = self.sync(BOB)["next_batch"]
        self.say(ALICE, room_id, "x")
        first = self.sync(BOB, since)
        self.start()
        second = self.sync(BOB, since)
        self.assertEqual(first["rooms"], second["rooms"])
        self.clock.advance(1)
        self.start()
        self.say(ALICE, room_id, "y")
        part = self.sync(BOB, second["next_batch"])["rooms"]["join"][room_id]
        self.assertEqual(self.bodies(part["timeline"]["events"]), ["y"])


class SyncOtherTests(RoomsTestCase):
    """What else is in a /sync."""

    def test_account_data(self) -> None:
        """Global and room account data come once, also without other news."""
        room_id = self.room(ALICE, BOB)
        since = self.sync(BOB)["next_batch"]
        self.done(self.accounts.data.put(BOB, "x.y", {"a": 1}))
        self.done(self.accounts.data.put(BOB, "x.z", {"b": 1}, room_id))
        answer = self.sync(BOB, since)
        self.assertEqual(
            answer["account_data"]["events"], [{"type": "x.y", "content": {"a": 1}}]
        )
        part = answer["rooms"]["join"][room_id]
        self.assertEqual(
            part["account_data"]["events"], [{"type": "x.z", "content": {"b": 1}}]
        )
        self.assertNotIn("rooms", self.sync(BOB, answer["next_batch"]))
        self.assertNotIn("account_data", self.sync(BOB, answer["next_batch"]))

    def test_keys(self) -> None:
        """The counts of keys are always there: their absence would mean none."""
        answer = self.sync(BOB)
        self.assertIn("device_one_time_keys_count", answer)
        self.assertEqual(answer["device_unused_fallback_key_types"], [])

    def test_presence(self) -> None:
        """Presence comes with a first sync, and then when it changed (A-84, A-87)."""
        first = self.sync(BOB)
        (event,) = first["presence"]["events"]
        self.assertEqual(event["type"], "m.presence")
        self.assertNotIn("presence", self.sync(BOB, first["next_batch"]))
        self.presence.changed()
        self.assertIn("presence", self.sync(BOB, first["next_batch"]))
        none = json.dumps({"presence": {"types": []}})
        self.assertNotIn("presence", self.sync(BOB, filter=none))

    def test_refusals(self) -> None:
        """Whatever is not understood is refused by name."""
        for query in (
            {"since": "x"},
            {"since": "s1_2_3"},
            {"since": "s1_2_3_x"},
            {"since": "s1_2_3_" + "9" * 30},
            {"since": "s1_2_3_٣"},
            {"timeout": "x"},
            {"timeout": "-1"},
            {"full_state": "maybe"},
            {"filter": "{"},
            {"filter": "99"},
            {"filter": '{"room":[]}'},
            {"filter": '{"room":{"timeline":{"limit":"x"}}}'},
            {"filter": '{"room":{"timeline":{"types":"x"}}}'},
            {"filter": '{"room":{"include_leave":1}}'},
            {"set_presence": "bad"},
        ):
            response = self.ask(BOB, "GET", "sync", **query)
            self.assertRefused(response, 400, "M_INVALID_PARAM")
        self.assertRefused(self.ask(None, "GET", "sync"), 401, "M_MISSING_TOKEN")
        self.assertEqual(self.presence.connections, [])
