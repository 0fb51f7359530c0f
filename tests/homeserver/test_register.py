"""Tests of matrix_presence.homeserver.api.register."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from tests.homeserver.accounts import AccountsTestCase, proof


class RegisterTests(AccountsTestCase):
    """POST /register and GET /register/available."""

    def test_client_is_asked_to_mean_it(self) -> None:
        """Without proof the answer is 401 with the dummy flow and a session."""
        response = self.ask("POST", "register", {"username": "alice", "password": "x"})
        self.assertEqual(response.status, 401)
        self.assertEqual(response.json["flows"], [{"stages": ["m.login.dummy"]}])
        self.assertIsInstance(response.json["session"], str)
        self.assertNotIn("errcode", response.json)
        self.assertFalse(self.accounts.is_taken("@alice:hs.test"))

    def test_account_is_there_and_logged_in(self) -> None:
        """With the proof there is an account, a device and a token."""
        answer = self.register("alice", device_id="PHONE")
        self.assertEqual(answer["user_id"], "@alice:hs.test")
        self.assertEqual(answer["device_id"], "PHONE")
        self.assertTrue(self.accounts.exists("@alice:hs.test"))
        self.assertIn(("registered", "@alice:hs.test"), self.told)
        who = self.ask("GET", "account/whoami", token=answer["access_token"])
        self.assertEqual(
            who.json,
            {"user_id": "@alice:hs.test", "device_id": "PHONE", "is_guest": False},
        )

    def test_client_may_do_without_a_login(self) -> None:
        """`inhibit_login` leaves out token and device."""
        answer = self.register("alice", inhibit_login=True)
        self.assertNotIn("access_token", answer)
        self.assertNotIn("device_id", answer)

    def test_username_is_taken_for_ever(self) -> None:
        """A name is refused once it was given, also after deactivation."""
        token = self.register("alice")["access_token"]
        for _ in range(2):
            response = self.ask("POST", "register", {"username": "alice"})
            self.assert_refused(response, 400, "M_USER_IN_USE")
            available = self.ask("GET", "register/available?username=alice")
            self.assert_refused(available, 400, "M_USER_IN_USE")
            body = {"auth": proof("alice")}
            self.ask("POST", "account/deactivate", body, token=token)

    def test_usernames_have_few_characters(self) -> None:
        """Capitals, blanks and too much of anything are M_INVALID_USERNAME."""
        for username in ("Alice", "a b", "", "é", "a:b", "a" * 250):
            response = self.ask("POST", "register", {"username": username})
            self.assert_refused(response, 400, "M_INVALID_USERNAME")
        self.assertEqual(
            self.ask("GET", "register/available?username=a.b-c_d=e/f%2B1").json,
            {"available": True},
        )

    def test_name_is_made_up_where_none_is_given(self) -> None:
        """Without a username the server thinks of one."""
        body = {"password": "secret", "auth": {"type": "m.login.dummy"}}
        one = self.ask("POST", "register", body).json["user_id"]
        two = self.ask("POST", "register", body).json["user_id"]
        self.assertNotEqual(one, two)

    def test_bodies_that_are_no_registration(self) -> None:
        """Missing and mistyped fields are refused before anything is made."""
        dummy = {"type": "m.login.dummy"}
        for body, errcode in (
            ({"username": 1}, "M_BAD_JSON"),
            ({"username": "a", "auth": dummy}, "M_MISSING_PARAM"),
            ({"username": "a", "auth": dummy, "password": ""}, "M_INVALID_PARAM"),
            ({"username": "a", "auth": dummy, "password": []}, "M_BAD_JSON"),
            ({"username": "a", "auth": [], "password": "x"}, "M_BAD_JSON"),
            ({"username": "a", "inhibit_login": "yes"}, "M_BAD_JSON"),
        ):
            response = self.ask("POST", "register", body)
            self.assert_refused(response, 400, errcode)
        long = {"username": "a", "auth": dummy, "password": "x" * 513}
        self.assert_refused(self.ask("POST", "register", long), 413, "M_TOO_LARGE")
        self.assert_refused(
            self.ask("POST", "register?kind=admin", {}), 400, "M_INVALID_PARAM"
        )
        self.assertFalse(self.accounts.is_taken("@a:hs.test"))

    def test_availability_needs_a_name(self) -> None:
        """Nothing asked is M_MISSING_PARAM."""
        response = self.ask("GET", "register/available")
        self.assert_refused(response, 400, "M_MISSING_PARAM")


class SlowHashTests(AccountsTestCase):
    """Registrations while passwords are being hashed."""

    def setUp(self) -> None:
        """Hashes take until the test says so."""
        self.hashing: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        super().setUp()

    def hash(self, work: Callable[[], Any]) -> Deferred[Any]:
        """Keep the work for later."""
        self.hashing.append((work, Deferred()))
        return self.hashing[-1][1]

    def test_of_two_at_once_one_gets_the_name(self) -> None:
        """The second to finish is told that the name is taken."""
        connections = [self.connection, self.another_connection()]
        dummy = {"type": "m.login.dummy"}
        body = {"username": "alice", "password": "secret", "auth": dummy}
        for connection in connections:
            connection.start("POST", "/_matrix/client/v3/register", body)
        for work, done in self.hashing:
            done.callback(work())
        first, second = (one.responses()[0] for one in connections)
        self.assertEqual(first.status, 200)
        self.assert_refused(second, 400, "M_USER_IN_USE")

    def test_client_that_leaves_makes_no_account(self) -> None:
        """Who hangs up before the password is hashed has not registered."""
        dummy = {"type": "m.login.dummy"}
        body = {"username": "alice", "password": "secret", "auth": dummy}
        self.connection.start("POST", "/_matrix/client/v3/register", body)
        self.connection.hang_up()
        self.assertFalse(self.accounts.is_taken("@alice:hs.test"))


class GuestTests(AccountsTestCase):
    """POST /register?kind=guest."""

    def setUp(self) -> None:
        """A guest."""
        super().setUp()
        self.guest = self.ask("POST", "register?kind=guest", {}).json
        self.token = self.guest["access_token"]

    def test_guest_is_one(self) -> None:
        """A guest can find out that it is a guest."""
        who = self.ask("GET", "account/whoami", token=self.token).json
        self.assertTrue(who["is_guest"])
        self.assertEqual(who["user_id"], self.guest["user_id"])

    def test_guest_may_name_itself(self) -> None:
        """The display name is open to guests, the picture is not."""
        path = f"profile/{self.guest['user_id']}"
        name = {"displayname": "Guest"}
        response = self.ask("PUT", f"{path}/displayname", name, token=self.token)
        self.assertEqual(response.status, 200)
        picture = {"avatar_url": "mxc://hs.test/a"}
        response = self.ask("PUT", f"{path}/avatar_url", picture, token=self.token)
        self.assert_refused(response, 403, "M_GUEST_ACCESS_FORBIDDEN")

    def test_guest_may_not_do_the_rest(self) -> None:
        """What the specification does not grant is refused (A-13)."""
        user_id = self.guest["user_id"]
        for method, path in (
            ("POST", "logout"),
            ("POST", "account/deactivate"),
            ("GET", f"user/{user_id}/account_data/m.direct"),
            ("POST", f"user/{user_id}/filter"),
            ("GET", "pushrules/"),
            ("POST", "user_directory/search"),
        ):
            response = self.ask(method, path, token=self.token)
            self.assert_refused(response, 403, "M_GUEST_ACCESS_FORBIDDEN")


class ClosedTests(AccountsTestCase):
    """A server without open registration."""

    open_registration = False

    def test_nobody_comes_in(self) -> None:
        """Users and guests are refused, with or without proof."""
        body = {"username": "alice", "auth": {"type": "m.login.dummy"}}
        for path in ("register", "register?kind=guest"):
            self.assert_refused(self.ask("POST", path, body), 403, "M_FORBIDDEN")
