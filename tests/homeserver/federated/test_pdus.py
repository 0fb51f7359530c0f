"""What has the form of an event, in each room version."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from signedjson.key import generate_signing_key
from twisted.internet.task import Clock

from matrix_presence.homeserver.drafts import Draft, Signer
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.pdus import BadPdu, read_pdu
from matrix_presence.homeserver.room import Room
from matrix_presence.wire.room_versions import ROOM_VERSIONS, RoomVersion
from tests.base import TestCase

ALICE = "@alice:a.test"
versions = st.sampled_from(list(ROOM_VERSIONS.values()))
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = (
    "type",
    "sender",
    "state_key",
    "room_id",
    "event_id",
    "content",
    "depth",
    "origin_server_ts",
    "prev_events",
    "auth_events",
    "hashes",
    "signatures",
)


@lru_cache
def events(version: RoomVersion) -> list[Event]:
    """A create event, a join and a message."""
    signer = Signer("a.test", generate_signing_key("a"), Clock())
    create = {"creator": ALICE, "room_version": version.identifier}
    first = signer.first_event(Draft(ALICE, "m.room.create", create, ""), version)
    room = Room(first.room_id, version)
    room.add(first)
    for draft in (
        Draft(ALICE, "m.room.member", {"membership": "join"}, ALICE),
        Draft(ALICE, "m.room.message", {"body": "hello"}),
    ):
        event = signer.next_event(draft, room)
        event.parents = room.follow(event)
        event.position = len(room.timeline) + 1
        room.add(event)
    return room.timeline


class PduTests(TestCase):
    """Reading events."""

    def test_what_we_make_is_read(self) -> None:
        """With the same ids, in every version."""
        for version in ROOM_VERSIONS.values():
            for event in events(version):
                read = read_pdu(event.pdu, version)
                self.assertEqual(event.event_id, read.event_id)
                self.assertEqual(event.room_id, read.room_id)
                self.assertEqual(event.pdu, read.pdu)

    @settings(max_examples=150)
    @given(versions, st.dictionaries(st.sampled_from(KEYS), json), st.integers(0, 2))
    def test_whatever_is_read_can_be_worked_with(
        self, version: RoomVersion, changed: dict[str, Any], which: int
    ) -> None:
        """Anything else is refused, and nothing else is raised."""
        pdu = events(version)[which].pdu | changed
        try:
            event = read_pdu(pdu, version)
        except BadPdu:
            return
        self.assertIsInstance(event.event_id, str)
        self.assertTrue(event.room_id.startswith("!"))
        for event_id in (*event.prev_ids, *event.auth_ids):
            self.assertIsInstance(event_id, str)
        self.assertGreaterEqual(event.depth, 0)
        room = Room(event.room_id, version)
        room.add(events(version)[0])
        event.parents, event.position = room.follow(event), 7
        room.add(event)

    @given(json)
    def test_what_is_no_object_is_no_event(self, value: Any) -> None:
        """Nor is an object without the keys of one."""
        for version in (ROOM_VERSIONS["1"], ROOM_VERSIONS["12"]):
            self.assertRaises(BadPdu, read_pdu, value, version)

    def test_limits_are_kept(self) -> None:
        """Of each part, and of the whole without what is no part of it."""
        version = ROOM_VERSIONS["11"]
        message = events(version)[2].pdu
        for fields in (
            {"content": {"body": "x" * 65536}},
            {"content": {"body": "\ud800"}},
            {"content": {"n": 2**53}},
            {"content": {"n": 1.5}},
            {"type": "é" * 128},
            {"sender": "@" + "x" * 255 + ":a"},
            {"state_key": "x" * 256},
            {"state_key": "\0"},
            {"room_id": "!" + "x" * 255},
            {"room_id": "#x:a.test"},
            {"origin_server_ts": 2**53},
            {"prev_events": ["$x"] * 21},
            {"prev_events": [["$x", {}]]},
            {"prev_events": ["$" + "x" * 255]},
            {"auth_events": ["$x"] * 11},
        ):
            self.assertRaises(BadPdu, read_pdu, message | fields, version)
        for fields in (
            {"type": "é" * 127},
            {"unsigned": {"body": "x" * 65536}},
            {"prev_events": ["$x"] * 20},
        ):
            read_pdu(message | fields, version)

    def test_the_first_versions_choose_their_ids(self) -> None:
        """And name what they follow with its hash."""
        for identifier in ("1", "2"):
            version = ROOM_VERSIONS[identifier]
            message = events(version)[2].pdu
            for fields in (
                {"event_id": None},
                {"event_id": "x:a.test"},
                {"event_id": "$x"},
                {"prev_events": ["$x:a.test"]},
                {"prev_events": [["$x:a.test"]]},
                {"prev_events": [[7, {}]]},
            ):
                self.assertRaises(BadPdu, read_pdu, message | fields, version)

    def test_version_12_names_its_room_by_the_create_event(self) -> None:
        """Which does not name a room itself."""
        version = ROOM_VERSIONS["12"]
        create = events(version)[0].pdu
        self.assertRaises(BadPdu, read_pdu, create | {"room_id": "!x"}, version)
        read = read_pdu(create, version)
        self.assertEqual(read.room_id[1:], read.event_id[1:])
