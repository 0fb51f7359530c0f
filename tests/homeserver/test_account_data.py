"""Tests of account data, tags and filters."""

from __future__ import annotations

from typing import Any

from tests.homeserver.accounts import AccountsTestCase
from tests.web.connection import Response

ALICE = "@alice:hs.test"


class DataTestCase(AccountsTestCase):
    """Alice, and requests below `/user/@alice:hs.test`."""

    def setUp(self) -> None:
        """Alice."""
        super().setUp()
        self.token = self.register("alice")["access_token"]
        self.told.clear()

    def of_alice(self, method: str, path: str, *body: Any) -> Response:
        """The response to a request of Alice below her own path."""
        return self.ask(method, f"user/{ALICE}/{path}", *body, token=self.token)


class AccountDataTests(DataTestCase):
    """/user/{userId}/account_data and the part in /sync."""

    def test_what_was_put_is_got(self) -> None:
        """Globally and for a room, each on its own; the rest is not found."""
        room = "rooms/!r:hs.test/account_data/m.test"
        self.of_alice("PUT", "account_data/m.test", {"a": 1})
        self.of_alice("PUT", room, {"a": 2})
        self.assertEqual(self.of_alice("GET", "account_data/m.test").json, {"a": 1})
        self.assertEqual(self.of_alice("GET", room).json, {"a": 2})
        response = self.of_alice("GET", "account_data/m.other")
        self.assert_refused(response, 404, "M_NOT_FOUND")

    def test_sync_has_what_is_new(self) -> None:
        """Since a position, each type once with its newest content."""
        self.of_alice("PUT", "account_data/m.old", {})
        since = self.accounts.position
        self.assertEqual(self.accounts.sync_account_data(ALICE, since), ([], {}))
        for number in (1, 2):
            self.of_alice("PUT", "account_data/m.new", {"a": number})
        self.of_alice("PUT", "rooms/!r:hs.test/account_data/m.new", {"a": 3})
        self.assertIn(("something_for", ALICE), self.told)
        expected = (
            [{"type": "m.new", "content": {"a": 2}}],
            {"!r:hs.test": [{"type": "m.new", "content": {"a": 3}}]},
        )
        self.assertEqual(self.accounts.sync_account_data(ALICE, since), expected)
        self.start()
        self.assertEqual(self.accounts.sync_account_data(ALICE, since), expected)
        since = self.accounts.position
        self.assertEqual(self.accounts.sync_account_data(ALICE, since), ([], {}))

    def test_first_sync_has_push_rules(self) -> None:
        """Also when the user never changed any."""
        events, _ = self.accounts.sync_account_data(ALICE, None)
        (rules,) = events
        self.assertEqual(rules["type"], "m.push_rules")
        self.assertEqual(
            rules["content"], self.of_alice("GET", "account_data/m.push_rules").json
        )

    def test_positions_grow_over_restarts(self) -> None:
        """A position is never used again, also when the clock was put back."""
        self.of_alice("PUT", "account_data/m.test", {})
        position = self.accounts.position
        self.clock.rightNow -= 3600
        self.start()
        self.assertGreaterEqual(self.accounts.position, position)

    def test_ignored_users_are_told(self) -> None:
        """A change of the list is told with all who are ignored now (A-94)."""
        path = "account_data/m.ignored_user_list"
        bob: dict[str, Any] = {"ignored_users": {"@bob:hs.test": {}, "nobody": {}}}
        for _ in range(2):
            self.of_alice("PUT", path, bob)
        self.of_alice("PUT", path, {"ignored_users": [7]})
        told = [one[2] for one in self.told if one[0] == "ignores"]
        self.assertEqual(told, [frozenset({"@bob:hs.test"}), frozenset()])

    def test_ignored_users_survive_a_restart(self) -> None:
        """The list is there before anybody asks for it."""
        bob: dict[str, Any] = {"ignored_users": {"@bob:hs.test": {}}}
        self.of_alice("PUT", "account_data/m.ignored_user_list", bob)
        self.start()
        self.assertEqual(self.accounts.ignored(ALICE), {"@bob:hs.test"})
        self.assertEqual(
            self.accounts.data.all_ignored(), {ALICE: frozenset({"@bob:hs.test"})}
        )

    def test_some_types_belong_to_the_server(self) -> None:
        """Push rules and the read marker are refused with 405."""
        for path in (
            "account_data/m.push_rules",
            "rooms/!r:hs.test/account_data/m.fully_read",
        ):
            self.assert_refused(self.of_alice("PUT", path, {}), 405, "M_BAD_JSON")

    def test_nobody_elses_data(self) -> None:
        """Somebody else's path is M_FORBIDDEN for reading and writing."""
        self.register("bob")
        for method in ("GET", "PUT"):
            path = "user/@bob:hs.test/account_data/m.test"
            response = self.ask(method, path, {}, token=self.token)
            self.assert_refused(response, 403, "M_FORBIDDEN")

    def test_change_that_cannot_be_stored_is_not_acknowledged(self) -> None:
        """When the database fails, the answer is 500 M_UNKNOWN; it is logged."""
        self.successResultOf(self.database.close())
        response = self.of_alice("PUT", "account_data/m.test", {})
        self.assert_refused(response, 500, "M_UNKNOWN")
        (error,) = self.logged_errors()
        self.assertIn("could not be stored", error)


class TagTests(DataTestCase):
    """/user/{userId}/rooms/{roomId}/tags."""

    def test_tags_come_and_go(self) -> None:
        """Tags are the m.tag of the room, changed one by one."""
        tags = "rooms/!r:hs.test/tags"
        self.assertEqual(self.of_alice("GET", tags).json, {"tags": {}})
        self.of_alice("PUT", f"{tags}/m.favourite", {"order": 0.5})
        self.of_alice("PUT", f"{tags}/u.work", {})
        self.assertEqual(
            self.of_alice("GET", tags).json,
            {"tags": {"m.favourite": {"order": 0.5}, "u.work": {}}},
        )
        self.of_alice("DELETE", f"{tags}/u.work")
        self.of_alice("DELETE", f"{tags}/u.none")
        content = self.accounts.room_account_data(ALICE, "!r:hs.test", "m.tag")
        self.assertEqual(content, {"tags": {"m.favourite": {"order": 0.5}}})

    def test_order_is_a_number(self) -> None:
        """Anything else is M_BAD_JSON."""
        order: Any
        for order in ("1", True, [], None):
            path = "rooms/!r:hs.test/tags/u.work"
            response = self.of_alice("PUT", path, {"order": order})
            self.assert_refused(response, 400, "M_BAD_JSON")


class FilterTests(DataTestCase):
    """/user/{userId}/filter."""

    def test_filter_is_stored_once(self) -> None:
        """The same filter has the same id, another another, also after a restart."""
        one = {"room": {"timeline": {"limit": 1}}}
        two: dict[str, Any] = {"presence": {"types": []}}
        ids = [self.of_alice("POST", "filter", each).json for each in (one, two, one)]
        self.assertEqual(ids[0], ids[2])
        self.start()
        self.assertEqual(self.accounts.filter(ALICE, ids[0]["filter_id"]), one)
        path = f"filter/{ids[1]['filter_id']}"
        self.assertEqual(self.of_alice("GET", path).json, two)

    def test_unknown_filter_is_not_found(self) -> None:
        """Numbers that were not given out, and what is no number."""
        for filter_id in ("0", "-1", "9" * 30, "a", "%C2%B2", ""):
            response = self.of_alice("GET", f"filter/{filter_id}")
            self.assert_refused(response, 404, "M_NOT_FOUND")
