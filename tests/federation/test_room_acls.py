"""Rooms that let some servers in and others not (C-13)."""

from __future__ import annotations

from typing import Any

from matrix_presence.rules.server_globs import room_acl
from tests.federation.rig import ALICE, BOB, REMOTE, ROOM, FederationTestCase, said

EVERYBODY = {"allow": ["*"]}


class RuleTests(FederationTestCase):
    """Which servers the content of the event means."""

    def test_lists_and_literals(self) -> None:
        """Without a port, denied before allowed, nobody unless allowed (C-13)."""
        names = ("a.org", "b.org:8448", "1.2.3.4", "[::1]:80")
        cases: list[tuple[dict[str, Any], str]] = [
            ({}, "nnnn"),
            (EVERYBODY, "yyyy"),
            (EVERYBODY | {"allow_ip_literals": False}, "yynn"),
            (EVERYBODY | {"allow_ip_literals": "no"}, "yyyy"),
            (EVERYBODY | {"deny": ["b.org"]}, "ynyy"),
            (EVERYBODY | {"deny": ["b.org:8448", 5, None]}, "yyyy"),
            ({"allow": ["?.org"], "deny": "*"}, "yynn"),
            ({"allow": "*"}, "nnnn"),
        ]
        for content, admitted in cases:
            found = "".join("ny"[room_acl(content)(name)] for name in names)
            self.assertEqual(admitted, found, content)


class RoomTests(FederationTestCase):
    """Alice and Bob share a room with users of two other servers."""

    def setUp(self) -> None:
        """One of the servers is not let in any more."""
        super().setUp()
        self.server.room(ROOM, ALICE, BOB, REMOTE, "@other:other.org")
        self.connect()
        self.pass_time(400)
        self.bar("there")
        self.taken()

    def bar(self, *denied: str, room_id: str = ROOM) -> None:
        """The room lets all servers in but these."""
        self.server.handler.server_acl(room_id, EVERYBODY | {"deny": list(denied)})

    def test_a_server_that_is_not_let_in_is_sent_nothing(self) -> None:
        """No change, no ping, nobody who comes in (C-13)."""
        self.put("unavailable")
        self.put("online", user=BOB)
        self.server.room(ROOM, "@new:hs", "@more:there")
        self.pass_time(3600, 5)
        self.assertEqual({"other.org"}, {name for name, _ in self.taken()})

    def test_another_room_is_another_matter(self) -> None:
        """A server that shares one in which it is let in is told (C-13)."""
        self.server.room("!second:hs", BOB, REMOTE)
        self.pass_time(10)
        self.taken()
        self.put("unavailable")
        self.put("unavailable", user=BOB)
        self.pass_time(10)
        self.assertEqual({BOB}, set(self.told()["there"]))

    def test_what_it_tells_is_taken(self) -> None:
        """Rules of rooms do not cover presence (C-13)."""
        self.receive(said("online"))
        self.assertEqual("online", self.seen()["presence"])

    def test_it_may_be_let_in_again(self) -> None:
        """And hears of changes, and with the next ping of everybody."""
        self.server.handler.server_acl(ROOM, None)
        self.pass_time(1600, 5)
        self.assertEqual({ALICE: "online"}, self.told()["there"])

    def test_who_leaves_such_a_room_leaves_nothing_behind(self) -> None:
        """Members of servers that are not let in come and go like others."""
        self.server.handler.left(ROOM, REMOTE)
        self.bar()
        self.put("unavailable")
        self.pass_time(3600, 5)
        self.assertEqual({"other.org"}, {name for name, _ in self.taken()})
