"""Tests of matrix_presence.homeserver.api.account and devices."""

from __future__ import annotations

from typing import Any

from tests.homeserver.accounts import AccountsTestCase, proof


class OwnAccountTests(AccountsTestCase):
    """/account/…"""

    def setUp(self) -> None:
        """Alice has two devices, Bob one."""
        super().setUp()
        self.phone = self.register("alice", device_id="PHONE")["access_token"]
        self.laptop = self.login("alice", device_id="LAPTOP")["access_token"]
        self.register("bob")
        self.told.clear()

    def test_deactivation_needs_the_password(self) -> None:
        """A token is not enough, nor a wrong password, nor that of somebody else."""
        response = self.ask("POST", "account/deactivate", {}, token=self.phone)
        self.assertEqual(response.status, 401)
        self.assertEqual(response.json["flows"], [{"stages": ["m.login.password"]}])
        for auth in (proof("alice", "wrong"), proof("bob"), proof("nobody")):
            body = {"auth": auth}
            response = self.ask("POST", "account/deactivate", body, token=self.phone)
            self.assert_refused(response, 401, "M_FORBIDDEN")
            self.assertIn("flows", response.json)
        self.assertTrue(self.accounts.exists("@alice:hs.test"))

    def test_deactivation_erases_everything_but_the_name(self) -> None:
        """Tokens, profile and data are gone, and presence hears of it (D-40)."""
        path = "user/@alice:hs.test/account_data/m.ignored_user_list"
        ignored: dict[str, Any] = {"ignored_users": {"@bob:hs.test": {}}}
        self.ask("PUT", path, ignored, token=self.phone)
        self.told.clear()
        body = {"auth": proof("alice"), "erase": True}
        response = self.ask("POST", "account/deactivate", body, token=self.phone)
        self.assertEqual(response.status, 200)
        self.assertIn(("logged_out", "@alice:hs.test", None), self.told)
        self.assertIn(("deactivated", "@alice:hs.test"), self.told)
        self.assertIn(("ignores", "@alice:hs.test", frozenset()), self.told)
        self.start()
        self.assertFalse(self.accounts.exists("@alice:hs.test"))
        self.assertTrue(self.accounts.is_taken("@alice:hs.test"))
        self.assertIsNone(self.accounts.requester_of(self.laptop))
        self.assertIsNone(self.accounts.profile("@alice:hs.test").displayname)
        self.assertEqual(self.accounts.ignored("@alice:hs.test"), frozenset())
        gone = self.ask("GET", "profile/@alice:hs.test")
        self.assert_refused(gone, 404, "M_NOT_FOUND")
        again = {"type": "m.login.password", "user": "alice", "password": "secret"}
        response = self.ask("POST", "login", again)
        self.assert_refused(response, 403, "M_USER_DEACTIVATED")

    def test_new_password_ends_the_other_devices(self) -> None:
        """The old password is worth nothing; this device stays, others go."""
        body = {"auth": proof("alice"), "new_password": "better"}
        response = self.ask("POST", "account/password", body, token=self.phone)
        self.assertEqual(response.json, {})
        self.assertIsNotNone(self.accounts.requester_of(self.phone))
        self.assertIsNone(self.accounts.requester_of(self.laptop))
        self.assertIn(("logged_out", "@alice:hs.test", "LAPTOP"), self.told)
        old = {"type": "m.login.password", "user": "alice", "password": "secret"}
        self.assert_refused(self.ask("POST", "login", old), 403, "M_FORBIDDEN")
        self.login("alice", password="better")

    def test_new_password_may_leave_the_other_devices(self) -> None:
        """`logout_devices: false` keeps them."""
        body = {"auth": proof("alice"), "new_password": "b", "logout_devices": False}
        self.ask("POST", "account/password", body, token=self.phone)
        self.assertIsNotNone(self.accounts.requester_of(self.laptop))

    def test_there_are_no_addresses(self) -> None:
        """The list of third-party ids is empty."""
        response = self.ask("GET", "account/3pid", token=self.phone)
        self.assertEqual(response.json, {"threepids": []})


class DeviceTests(AccountsTestCase):
    """/devices and /delete_devices."""

    def setUp(self) -> None:
        """Alice has two devices."""
        super().setUp()
        self.token = self.register(
            "alice", device_id="PHONE", initial_device_display_name="Phone"
        )["access_token"]
        self.login("alice", device_id="LAPTOP")
        self.told.clear()

    def test_device_says_when_it_was_last_seen(self) -> None:
        """Name, address and time of the last visit, to the accuracy of two minutes."""
        self.ask("GET", "account/whoami", token=self.token)
        self.clock.advance(40)
        self.ask("GET", "account/whoami", token=self.token)
        self.clock.advance(40)
        response = self.ask("GET", "devices/PHONE", token=self.token)
        self.assertEqual(
            response.json,
            {
                "device_id": "PHONE",
                "display_name": "Phone",
                "last_seen_ip": "198.51.100.7",
                "last_seen_ts": 1_700_000_000_000,
                "user_id": "@alice:hs.test",
            },
        )
        self.clock.advance(40)
        response = self.ask("GET", "devices/PHONE", token=self.token)
        self.assertEqual(response.json["last_seen_ts"], 1_700_000_120_000)

    def test_device_is_renamed(self) -> None:
        """The new name is there, and others will hear of it."""
        name = {"display_name": "Telephone"}
        self.ask("PUT", "devices/PHONE", name, token=self.token)
        response = self.ask("GET", "devices/PHONE", token=self.token)
        self.assertEqual(response.json["display_name"], "Telephone")
        self.assertIn(("device_list_changed", "@alice:hs.test"), self.told)

    def test_device_of_nobody_is_not_found(self) -> None:
        """GET and PUT of an unknown device are 404."""
        for method in ("GET", "PUT"):
            response = self.ask(method, "devices/NONE", {}, token=self.token)
            self.assert_refused(response, 404, "M_NOT_FOUND")

    def test_deleting_takes_the_password(self) -> None:
        """A device ends after the proof, and presence hears of it (B-52)."""
        response = self.ask("DELETE", "devices/LAPTOP", token=self.token)
        self.assertEqual(response.status, 401)
        self.assertEqual(self.told, [])
        body = {"auth": proof("@alice:hs.test")}
        response = self.ask("DELETE", "devices/LAPTOP", body, token=self.token)
        self.assertEqual(response.json, {})
        self.assertIn(("logged_out", "@alice:hs.test", "LAPTOP"), self.told)

    def test_several_are_deleted_at_once(self) -> None:
        """Unknown and repeated ones do not matter."""
        devices = ["LAPTOP", "NONE", "LAPTOP", "PHONE"]
        body = {"auth": proof("alice"), "devices": devices}
        self.ask("POST", "delete_devices", body, token=self.token)
        told = {one for one in self.told if one[0] == "logged_out"}
        self.assertEqual({one[2] for one in told}, {"LAPTOP", "PHONE"})
        self.assertIsNone(self.accounts.requester_of(self.token))

    def test_list_of_devices_holds_texts(self) -> None:
        """Anything else in it is M_BAD_JSON."""
        for devices in ([1], "PHONE", [["PHONE"]]):
            body = {"auth": proof("alice"), "devices": devices}
            response = self.ask("POST", "delete_devices", body, token=self.token)
            self.assert_refused(response, 400, "M_BAD_JSON")
