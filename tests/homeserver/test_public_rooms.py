"""Aliases and the list of public rooms."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.homeserver.rooms import ALICE, BOB, CAROL, RoomsTestCase

ALIAS = "directory/room/" + quote("#tea:hs.test", safe="")


class AliasTests(RoomsTestCase):
    """Client-server API, "Room aliases"."""

    def test_life_of_an_alias(self) -> None:
        """It is given, found by anybody, survives a restart, and is taken away."""
        room_id = self.room(ALICE, BOB)
        self.assertRefused(self.ask(BOB, "GET", ALIAS), 404, "M_NOT_FOUND")
        self.put(BOB, ALIAS, {"room_id": room_id})
        self.start()
        found = self.ask(None, "GET", ALIAS).json
        self.assertEqual(found, {"room_id": room_id, "servers": ["hs.test"]})
        aliases = self.get(ALICE, f"rooms/{quote(room_id)}/aliases")
        self.assertEqual(aliases, {"aliases": ["#tea:hs.test"]})
        again = self.ask(ALICE, "PUT", ALIAS, {"room_id": room_id})
        self.assertRefused(again, 400, "M_ROOM_IN_USE")
        self.assertRefused(self.ask(CAROL, "DELETE", ALIAS), 403, "M_FORBIDDEN")
        self.assertEqual(self.ask(BOB, "DELETE", ALIAS).status, 200)
        self.start()
        self.assertRefused(self.ask(BOB, "GET", ALIAS), 404, "M_NOT_FOUND")

    def test_who_runs_the_room_removes_any(self) -> None:
        """The power to set the main alias is the power to remove aliases."""
        room_id = self.room(ALICE, BOB)
        self.put(BOB, ALIAS, {"room_id": room_id})
        self.assertEqual(self.ask(ALICE, "DELETE", ALIAS).status, 200)

    def test_refusals(self) -> None:
        """Aliases of others, rooms one is not in, and what is no alias."""
        room_id = self.room(ALICE)
        for user_id, alias, body, status, errcode in (
            (ALICE, "#a:elsewhere", {"room_id": room_id}, 400, "M_INVALID_PARAM"),
            (ALICE, "tea:hs.test", {"room_id": room_id}, 400, "M_INVALID_PARAM"),
            (ALICE, "#\0:hs.test", {"room_id": room_id}, 400, "M_INVALID_PARAM"),
            (BOB, "#a:hs.test", {"room_id": room_id}, 403, "M_FORBIDDEN"),
            (ALICE, "#a:hs.test", {"room_id": "!x"}, 403, "M_FORBIDDEN"),
            (ALICE, "#a:hs.test", {}, 400, "M_MISSING_PARAM"),
        ):
            path = "directory/room/" + quote(alias, safe="")
            self.assertRefused(self.ask(user_id, "PUT", path, body), status, errcode)


class PublicRoomsTests(RoomsTestCase):
    """Client-server API, "Listing rooms"."""

    def setUp(self) -> None:
        """Three listed rooms, the first with most members, and one that is not."""
        super().setUp()
        self.ids = [
            self.room(ALICE, BOB, CAROL, visibility="public", name="Big"),
            self.room(ALICE, BOB, visibility="public", topic="Of tea and CAKE"),
            self.room(ALICE, visibility="public", creation_content={"type": "m.space"}),
        ]
        self.room(ALICE, BOB, CAROL, name="Hidden")

    def _search(self, **body: Any) -> list[str]:
        chunk = self.post(BOB, "publicRooms", body)["chunk"]
        return [room["room_id"] for room in chunk]

    def test_the_list(self) -> None:
        """Anybody sees the listed rooms, the largest first."""
        answer = self.ask(None, "GET", "publicRooms").json
        self.assertEqual([room["room_id"] for room in answer["chunk"]], self.ids)
        self.assertEqual(answer["total_room_count_estimate"], 3)
        self.assertEqual(
            answer["chunk"][0],
            {
                "room_id": self.ids[0],
                "name": "Big",
                "num_joined_members": 3,
                "world_readable": False,
                "guest_can_join": False,
                "join_rule": "public",
            },
        )

    def test_pages(self) -> None:
        """Forwards and backwards, by the tokens in the answers."""
        first = self.get(BOB, "publicRooms", limit="2")
        self.assertEqual([r["room_id"] for r in first["chunk"]], self.ids[:2])
        self.assertNotIn("prev_batch", first)
        second = self.get(BOB, "publicRooms", limit="2", since=first["next_batch"])
        self.assertEqual([r["room_id"] for r in second["chunk"]], self.ids[2:])
        self.assertNotIn("next_batch", second)
        back = self.get(BOB, "publicRooms", limit="2", since=second["prev_batch"])
        self.assertEqual(back, first)

    def test_search(self) -> None:
        """By name, topic or alias in any case, and by type."""
        term = {"filter": {"generic_search_term": "cake"}}
        self.assertEqual(self._search(**term), [self.ids[1]])
        self.assertEqual(self._search(filter={"room_types": ["m.space"]}), self.ids[2:])
        self.assertEqual(self._search(filter={"room_types": [None]}), self.ids[:2])
        self.assertEqual(self._search(filter={}, limit=1), self.ids[:1])
        self.start()
        self.assertEqual(self._search(), self.ids)

    def test_listing(self) -> None:
        """Who runs a room takes it out of the list, and puts it back."""
        path = f"directory/list/room/{quote(self.ids[0])}"
        body = {"visibility": "private"}
        self.assertRefused(self.ask(BOB, "PUT", path, body), 403, "M_FORBIDDEN")
        self.put(ALICE, path, body)
        self.assertEqual(self._search(), self.ids[1:])
        self.assertEqual(self.get(BOB, path), {"visibility": "private"})
        self.put(ALICE, path, {})
        self.assertEqual(self._search(), self.ids)

    def test_refusals(self) -> None:
        """Other servers, and what has a wrong form."""
        for query, status, errcode in (
            ({"server": "elsewhere"}, 404, "M_NOT_FOUND"),
            ({"limit": "x"}, 400, "M_INVALID_PARAM"),
            ({"since": "x"}, 400, "M_INVALID_PARAM"),
        ):
            response = self.ask(BOB, "GET", "publicRooms", **query)
            self.assertRefused(response, status, errcode)
        bad: Any
        for bad in (
            {"filter": []},
            {"limit": "x"},
            {"filter": {"room_types": "x"}},
            {"filter": {"room_types": [[]]}},
            {"filter": {"generic_search_term": 1}},
        ):
            response = self.ask(BOB, "POST", "publicRooms", bad)
            self.assertRefused(response, 400, "M_BAD_JSON")
        path = "directory/list/room/!x"
        self.assertRefused(self.ask(BOB, "GET", path), 404, "M_NOT_FOUND")
