"""Tests of matrix_presence.homeserver.api.login and session."""

from __future__ import annotations

from matrix_presence.homeserver.appservices import parse_registration
from tests.homeserver.accounts import AccountsTestCase

BRIDGE = parse_registration(
    {
        "id": "bridge",
        "as_token": "as-secret",
        "sender_localpart": "bridge",
        "namespaces": {"users": [{"regex": "@irc_.*", "exclusive": True}]},
    }
)


class LoginTests(AccountsTestCase):
    """POST /login."""

    def setUp(self) -> None:
        """Alice has an account."""
        super().setUp()
        self.register("alice", device_id="PHONE")

    def refused(self, status: int, errcode: str, **body: object) -> None:
        """Fail unless a login with this body is refused like this."""
        self.assert_refused(self.ask("POST", "login", body), status, errcode)

    def test_password_is_offered(self) -> None:
        """GET /login names the password flow, and no other without bridges."""
        for version in ("r0", "v3"):
            response = self.ask("GET", "login", version=version)
            self.assertEqual(response.json, {"flows": [{"type": "m.login.password"}]})

    def test_login_gives_a_token_for_a_new_device(self) -> None:
        """Who logs in without a device id gets a device of its own."""
        answer = self.login("alice", initial_device_display_name="Laptop")
        self.assertEqual(answer["user_id"], "@alice:hs.test")
        self.assertEqual(answer["home_server"], "hs.test")
        requester = self.accounts.requester_of(answer["access_token"])
        assert requester is not None
        self.assertEqual(requester.device_id, answer["device_id"])
        devices = self.ask("GET", "devices", token=answer["access_token"]).json
        names = {
            one["device_id"]: one.get("display_name") for one in devices["devices"]
        }
        self.assertEqual(names, {"PHONE": None, answer["device_id"]: "Laptop"})

    def test_all_ways_to_name_a_user(self) -> None:
        """Localpart or full id, in an identifier or not, in any case."""
        for name in ("alice", "@alice:hs.test", "Alice", "@Alice:HS.test"):
            self.assertEqual(self.login(name)["user_id"], "@alice:hs.test")
        body = {"type": "m.login.password", "user": "alice", "password": "secret"}
        self.assertEqual(self.ask("POST", "login", body, version="r0").status, 200)

    def test_known_device_gets_a_new_token_and_loses_the_old(self) -> None:
        """A login with the id of a device goes on with that device."""
        old = self.login("alice", device_id="PHONE")["access_token"]
        self.told.clear()
        new = self.login("alice", device_id="PHONE")["access_token"]
        self.assertIsNone(self.accounts.requester_of(old))
        self.assertIsNotNone(self.accounts.requester_of(new))
        self.assertEqual(self.told, [])

    def test_wrong_password_and_unknown_user_are_the_same(self) -> None:
        """Neither tells whether the account exists."""
        refusals = set()
        for user, password in (("alice", "wrong"), ("nobody", "secret")):
            body = {"type": "m.login.password", "user": user, "password": password}
            response = self.ask("POST", "login", body)
            self.assert_refused(response, 403, "M_FORBIDDEN")
            refusals.add(response.body)
        self.assertEqual(len(refusals), 1)

    def test_bodies_that_are_no_login(self) -> None:
        """Unknown types, missing and mistyped fields are refused by name."""
        self.refused(400, "M_MISSING_PARAM")
        self.refused(400, "M_UNKNOWN", type="m.login.token")
        password = {"type": "m.login.password"}
        self.refused(400, "M_MISSING_PARAM", **password, user="alice")
        self.refused(400, "M_BAD_JSON", **password, user="alice", password=7)
        self.refused(400, "M_BAD_JSON", **password, identifier=[], password="secret")
        mail = {"type": "m.id.thirdparty", "medium": "email", "address": "a@b.c"}
        self.refused(
            400, "M_INVALID_PARAM", **password, identifier=mail, password="secret"
        )
        alice = {**password, "user": "alice", "password": "secret"}
        self.refused(400, "M_INVALID_PARAM", **alice, device_id="")
        self.refused(400, "M_BAD_JSON", **alice, device_id=7)
        self.refused(400, "M_BAD_JSON", **alice, device_id="\0")

    def test_locked_account_does_not_open(self) -> None:
        """A locked user is told so, with soft_logout (A-14)."""
        token = self.login("alice")["access_token"]
        account = self.accounts.account("@alice:hs.test")
        assert account is not None
        self.done(self.accounts.set_flags(account, is_locked=True, is_suspended=False))
        response = self.ask("GET", "account/whoami", token=token)
        self.assert_refused(response, 401, "M_USER_LOCKED")
        self.assertTrue(response.json["soft_logout"])
        alice = {"type": "m.login.password", "user": "alice", "password": "secret"}
        self.refused(401, "M_USER_LOCKED", **alice)


class LogoutTests(AccountsTestCase):
    """POST /logout and /logout/all."""

    def setUp(self) -> None:
        """Alice has two devices."""
        super().setUp()
        self.phone = self.register("alice", device_id="PHONE")["access_token"]
        self.laptop = self.login("alice", device_id="LAPTOP")["access_token"]
        self.told.clear()

    def test_logout_ends_the_device(self) -> None:
        """The token is worth nothing, and presence hears of it (B-52)."""
        self.assertEqual(self.ask("POST", "logout", token=self.phone).json, {})
        response = self.ask("GET", "account/whoami", token=self.phone)
        self.assert_refused(response, 401, "M_UNKNOWN_TOKEN")
        self.assertEqual(response.json["soft_logout"], False)
        self.assertIn(("logged_out", "@alice:hs.test", "PHONE"), self.told)
        devices = self.ask("GET", "devices", token=self.laptop).json["devices"]
        self.assertEqual([one["device_id"] for one in devices], ["LAPTOP"])

    def test_logout_all_ends_them_all(self) -> None:
        """No token of the user is worth anything, and it is told once (B-52)."""
        self.assertEqual(self.ask("POST", "logout/all", {}, token=self.phone).json, {})
        for token in (self.phone, self.laptop):
            self.assertIsNone(self.accounts.requester_of(token))
        told = [one for one in self.told if one[0] == "logged_out"]
        self.assertEqual(told, [("logged_out", "@alice:hs.test", None)])

    def test_logout_without_token_is_refused(self) -> None:
        """There is nobody to log out."""
        self.assert_refused(self.ask("POST", "logout"), 401, "M_MISSING_TOKEN")


class AppserviceLoginTests(AccountsTestCase):
    """Logins by application services."""

    appservices = (BRIDGE,)

    def test_bridge_registers_and_logs_in_its_users(self) -> None:
        """A registration without proof, then a login without password."""
        ghost = {"type": "m.login.application_service", "username": "irc_bob"}
        registered = self.ask("POST", "register", ghost, token="as-secret")
        self.assertEqual(registered.json["user_id"], "@irc_bob:hs.test")
        body = {**ghost, "identifier": {"type": "m.id.user", "user": "irc_bob"}}
        logged_in = self.ask("POST", "login", body, token="as-secret")
        self.assertEqual(logged_in.json["user_id"], "@irc_bob:hs.test")
        flows = self.ask("GET", "login").json["flows"]
        self.assertIn({"type": "m.login.application_service"}, flows)

    def test_bridge_cannot_log_in_others(self) -> None:
        """A user outside the namespace is not a bridge's to be."""
        self.register("alice")
        body = {"type": "m.login.application_service", "user": "alice"}
        response = self.ask("POST", "login", body, token="as-secret")
        self.assert_refused(response, 403, "M_FORBIDDEN")

    def test_others_cannot_register_its_users(self) -> None:
        """An exclusive namespace is closed to everybody else."""
        response = self.ask("POST", "register", {"username": "irc_eve"})
        self.assert_refused(response, 400, "M_EXCLUSIVE")
