"""Anything that is JSON, sent to any endpoint of rooms, gets an answer of ours."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.homeserver.rooms import ALICE, BOB, RoomsTestCase

#: Every endpoint with a body; R is the room, E an event in it, U the requester.
ENDPOINTS = (
    ("POST", "createRoom"),
    ("POST", "join/R"),
    ("POST", "knock/R"),
    *(
        ("POST", f"rooms/R/{name}")
        for name in ("join", "invite", "kick", "ban", "unban", "forget", "read_markers")
    ),
    ("POST", "rooms/R/receipt/m.read/E"),
    ("PUT", "rooms/R/typing/U"),
    ("PUT", "rooms/R/send/m.room.message/T"),
    ("PUT", "rooms/R/send/m.room.redaction/T"),
    ("PUT", "rooms/R/redact/E/T"),
    *(
        ("PUT", f"rooms/R/state/{event_type}")
        for event_type in (
            "m.room.name",
            "m.room.topic",
            "m.room.avatar",
            "m.room.join_rules",
            "m.room.power_levels",
            "m.room.history_visibility",
            "m.room.guest_access",
            "m.room.canonical_alias",
            "m.room.create",
            "m.room.member/U",
            "m.room.member/@bob:hs.test",
        )
    ),
    ("PUT", "directory/room/%23x%3Ahs.test"),
    ("PUT", "directory/list/room/R"),
    ("POST", "publicRooms"),
)
READINGS = (
    "sync",
    "rooms/R/state",
    "rooms/R/members",
    "rooms/R/joined_members",
    "rooms/R/messages?dir=b",
    "rooms/R/context/E",
    "rooms/R/aliases",
    "publicRooms",
)
KEYS = st.sampled_from(
    "membership users events ban name topic alias alt_aliases join_rule allow type "
    "history_visibility redacts m.mentions user_ids user_id reason typing timeout "
    "visibility preset invite initial_state creation_content room_version is_direct "
    "power_level_content_override additional_creators room_id filter limit since "
    "generic_search_term room_types thread_id m.read m.fully_read url".split()
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=9)
    | st.sampled_from(
        ("join", "invite", "12", "1", ALICE, BOB, "public", "restricted")
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=6) | VALUES


class HostileTests(RoomsTestCase):
    """No status 500, no logged error, and the room still works."""

    def setUp(self) -> None:
        """A room."""
        super().setUp()
        self.names = {
            "R": quote(self.room(ALICE, BOB), safe=""),
            "U": quote(ALICE, safe=""),
        }
        self.txn = 0

    def _target(self, path: str, event_id: str) -> str:
        names = {**self.names, "E": quote(event_id, safe=""), "T": str(self.txn)}
        return "/".join(names.get(part, part) for part in path.split("/"))

    @settings(max_examples=300)
    @given(st.sampled_from(ENDPOINTS), BODIES)
    def test_any_json(self, endpoint: tuple[str, str], body: Any) -> None:
        """Any JSON gets an answer, after which everything can be read."""
        room = next(iter(self.rooms))
        self.txn += 1
        method, path = endpoint
        event_id = room.timeline[self.txn % len(room.timeline)].event_id
        response = self.ask(ALICE, method, self._target(path, event_id), body)
        self.assertLess(response.status, 500, response.body)
        for reading in READINGS:
            response = self.ask(BOB, "GET", self._target(reading, event_id))
            self.assertIn(response.status, (200, 403, 404), response.body)

    @given(st.text(max_size=20), st.sampled_from(("b", "f", "")), st.text(max_size=9))
    def test_any_query(self, text: str, direction: str, token: str) -> None:
        """Any query gets an answer."""
        for path in ("sync", self._target("rooms/R/messages", ""), "publicRooms"):
            response = self.ask(
                ALICE,
                "GET",
                path,
                dir=direction,
                since=token,
                filter=text,
                limit=text,
                timeout=token,
                **{"from": token, "to": text},
            )
            self.assertLess(response.status, 500, response.body)

    def test_deep_nesting(self) -> None:
        """Nesting without end is refused and exhausts nothing."""
        path = self._target("rooms/R/send/x/T", "")
        for depth in (200, 900, 50_000):
            raw = b'{"a":' * depth + b"1" + b"}" * depth
            response = self.connection.request(
                "PUT",
                f"/_matrix/client/v3/{path}",
                raw=raw,
                token=self.tokens[ALICE],
            )
            self.assertEqual(response.status, 400, depth)

    def test_odd_paths(self) -> None:
        """Slashes, NULs and colons within a segment stay there."""
        for segment in ("%2F", "%00", "a%2Fb", "%3A", "%20", ".."):
            for path in (
                f"rooms/{segment}/state",
                f"join/{segment}",
                f"rooms/{self.names['R']}/state/{segment}/{segment}",
                f"rooms/{self.names['R']}/event/{segment}",
                f"directory/room/{segment}",
            ):
                for method in ("GET", "PUT", "POST", "DELETE"):
                    response = self.ask(ALICE, method, path, {})
                    self.assertLess(response.status, 500, (method, path))
