"""Tests of matrix_presence.homeserver.push_rules and its endpoints."""

from __future__ import annotations

from typing import Any

from tests.homeserver.accounts import AccountsTestCase
from tests.web.connection import Response


class PushRuleTests(AccountsTestCase):
    """/pushrules/…"""

    def setUp(self) -> None:
        """Alice."""
        super().setUp()
        self.token = self.register("alice")["access_token"]

    def rules(self, method: str, path: str, *body: Any) -> Response:
        """The response to a request below `/pushrules`."""
        return self.ask(method, f"pushrules{path}", *body, token=self.token)

    def ids(self, kind: str) -> list[str]:
        """The ids of the rules of a kind that are not predefined."""
        rules = self.rules("GET", f"/global/{kind}/").json
        return [one["rule_id"] for one in rules if not one["default"]]

    def test_predefined_rules_are_there(self) -> None:
        """With and without the slash, from the top and one by one."""
        everything = self.rules("GET", "/").json
        self.assertEqual(self.rules("GET", "").json, everything)
        self.assertEqual(self.rules("GET", "/global/").json, everything["global"])
        self.assertEqual(
            set(everything["global"]),
            {"override", "content", "room", "sender", "underride"},
        )
        master = self.rules("GET", "/global/override/.m.rule.master").json
        self.assertFalse(master["enabled"])
        name = self.rules("GET", "/global/content/.m.rule.contains_user_name").json
        self.assertEqual(name["pattern"], "alice")

    def test_rule_of_ones_own(self) -> None:
        """A rule comes first of its kind, is replaced, and goes again."""
        path = "/global/content/cake"
        self.rules("PUT", path, {"pattern": "cake", "actions": ["notify"]})
        self.rules("PUT", path, {"pattern": "cak*", "actions": []})
        rule = {
            "rule_id": "cake",
            "default": False,
            "enabled": True,
            "pattern": "cak*",
            "actions": [],
        }
        self.assertEqual(self.rules("GET", path).json, rule)
        self.start()
        self.assertEqual(self.rules("GET", "/global/content/").json[0], rule)
        self.assertEqual(self.rules("DELETE", path).json, {})
        self.assert_refused(self.rules("DELETE", path), 404, "M_NOT_FOUND")

    def test_order_can_be_said(self) -> None:
        """`before` and `after` name the neighbour."""
        body: dict[str, Any] = {"conditions": [], "actions": ["notify"]}
        self.rules("PUT", "/global/override/a", body)
        self.rules("PUT", "/global/override/b?after=a", body)
        self.rules("PUT", "/global/override/c?before=b", body)
        self.assertEqual(self.ids("override"), ["a", "c", "b"])
        first = self.rules("GET", "/global/override").json[0]["rule_id"]
        self.assertEqual(first, ".m.rule.master")
        response = self.rules("PUT", "/global/override/d?after=none", body)
        self.assert_refused(response, 404, "M_NOT_FOUND")

    def test_predefined_rules_are_switched_not_replaced(self) -> None:
        """Enabled and actions of any rule can change, the rest only of one's own."""
        path = "/global/underride/.m.rule.message"
        self.rules("PUT", f"{path}/enabled", {"enabled": False})
        self.rules("PUT", f"{path}/actions", {"actions": []})
        self.assertEqual(self.rules("GET", f"{path}/enabled").json, {"enabled": False})
        self.assertEqual(self.rules("GET", f"{path}/actions").json, {"actions": []})
        body: dict[str, Any] = {"conditions": [], "actions": []}
        self.assert_refused(self.rules("PUT", path, body), 400, "M_INVALID_PARAM")
        self.assert_refused(self.rules("DELETE", path), 400, "M_INVALID_PARAM")

    def test_change_is_account_data(self) -> None:
        """A change of rules comes with the next /sync."""
        since = self.accounts.position
        path = "/global/override/.m.rule.master/enabled"
        self.rules("PUT", path, {"enabled": True})
        (event,), _ = self.accounts.sync_account_data("@alice:hs.test", since)
        self.assertEqual(event["type"], "m.push_rules")
        self.assertTrue(event["content"]["global"]["override"][0]["enabled"])

    def test_unknown_kinds_and_rules_are_not_found(self) -> None:
        """404 for reading and switching."""
        for path in ("/global/none", "/global/none/a", "/global/room/!a:b"):
            self.assert_refused(self.rules("GET", path), 404, "M_NOT_FOUND")
        path = "/global/room/!a:b/enabled"
        response = self.rules("PUT", path, {"enabled": True})
        self.assert_refused(response, 404, "M_NOT_FOUND")

    def test_there_are_no_pushers(self) -> None:
        """The list is empty."""
        response = self.ask("GET", "pushers", token=self.token)
        self.assertEqual(response.json, {"pushers": []})
