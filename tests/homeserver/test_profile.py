"""Tests of matrix_presence.homeserver.api.profile and directory."""

from __future__ import annotations

from typing import Any

from matrix_presence.interfaces import Profile
from tests.homeserver.accounts import AccountsTestCase


class ProfileTests(AccountsTestCase):
    """/profile/…"""

    def setUp(self) -> None:
        """Alice."""
        super().setUp()
        self.token = self.register("alice")["access_token"]
        self.told.clear()

    def put(self, key: str, body: object) -> int:
        """The status of a PUT of one key of Alice's profile."""
        path = f"profile/@alice:hs.test/{key}"
        return self.ask("PUT", path, body, token=self.token).status

    def test_name_is_the_localpart_at_first(self) -> None:
        """A new account has a name and no picture; reading takes no token."""
        response = self.ask("GET", "profile/@alice:hs.test", version="r0")
        self.assertEqual(response.json, {"displayname": "alice"})
        response = self.ask("GET", "profile/@alice:hs.test/avatar_url")
        self.assertEqual(response.json, {})

    def test_change_is_told_with_the_whole_profile(self) -> None:
        """Listeners get name and picture, whichever changed (D-1, D-3)."""
        self.assertEqual(self.put("avatar_url", {"avatar_url": "mxc://a/b"}), 200)
        self.assertEqual(self.put("displayname", {"displayname": "Alice"}), 200)
        profile = Profile("Alice", "mxc://a/b")
        self.assertEqual(self.told[-1], ("profile_changed", "@alice:hs.test", profile))
        self.start()
        self.assertEqual(self.accounts.profile("@alice:hs.test"), profile)

    def test_change_of_nothing_is_not_told(self) -> None:
        """The same name again makes no noise."""
        self.assertEqual(self.put("displayname", {"displayname": "alice"}), 200)
        self.assertEqual(self.told, [])

    def test_three_ways_to_unset(self) -> None:
        """An empty text, null and DELETE leave nothing."""
        path = "profile/@alice:hs.test/displayname"
        for unset in ({"displayname": ""}, {"displayname": None}):
            self.put("displayname", {"displayname": "Alice"})
            self.assertEqual(self.put("displayname", unset), 200)
            self.assertEqual(self.ask("GET", path).json, {})
        self.put("displayname", {"displayname": "Alice"})
        self.assertEqual(self.ask("DELETE", path, token=self.token).json, {})
        self.assertEqual(self.ask("GET", path).json, {})

    def test_values_are_short_texts(self) -> None:
        """Wrong types, NUL and more than 256 characters are refused."""
        value: Any
        for value in (7, [], {}, True, "a\0b", "a" * 257):
            self.assertEqual(self.put("displayname", {"displayname": value}), 400)
        self.assertEqual(self.put("displayname", {}), 400)
        self.assertEqual(self.put("displayname", {"displayname": "é" * 256}), 200)

    def test_only_ones_own_can_be_changed(self) -> None:
        """Somebody else's profile is M_FORBIDDEN, whether they exist or not."""
        self.register("bob")
        for user in ("@bob:hs.test", "@nobody:hs.test", "@a:elsewhere", "x"):
            path = f"profile/{user}/displayname"
            response = self.ask("PUT", path, {"displayname": "x"}, token=self.token)
            self.assert_refused(response, 403, "M_FORBIDDEN")

    def test_suspended_user_may_not_change_it(self) -> None:
        """A suspended account reads but does not write (A-14)."""
        account = self.accounts.account("@alice:hs.test")
        assert account is not None
        self.done(self.accounts.set_flags(account, is_locked=False, is_suspended=True))
        self.assertEqual(self.put("displayname", {"displayname": "x"}), 403)
        response = self.ask("GET", "account/whoami", token=self.token)
        self.assertEqual(response.status, 200)

    def test_profile_of_nobody_is_not_found(self) -> None:
        """Unknown and remote users are 404."""
        for user in ("@nobody:hs.test", "@a:elsewhere", "x"):
            for path in (f"profile/{user}", f"profile/{user}/displayname"):
                self.assert_refused(self.ask("GET", path), 404, "M_NOT_FOUND")


class DirectoryTests(AccountsTestCase):
    """/user_directory/search."""

    def test_users_are_found_by_name_and_id(self) -> None:
        """The requester is not among them, and the answer says if there are more."""
        token = self.register("alice")["access_token"]
        for name in ("bob", "bert", "carol"):
            self.register(name)

        def search(term: str, **more: int) -> tuple[list[str], bool]:
            body = {"search_term": term, **more}
            answer = self.ask("POST", "user_directory/search", body, token=token).json
            return [one["user_id"] for one in answer["results"]], answer["limited"]

        self.assertEqual(search("B"), (["@bob:hs.test", "@bert:hs.test"], False))
        self.assertEqual(search("@carol"), (["@carol:hs.test"], False))
        self.assertEqual(search("b", limit=1), (["@bob:hs.test"], True))
        self.assertEqual(search("alice"), ([], False))
