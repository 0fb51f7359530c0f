"""Tests of matrix_presence.homeserver.api.discovery."""

from __future__ import annotations

from tests.homeserver.accounts import AccountsTestCase


class DiscoveryTests(AccountsTestCase):
    """What the server says of itself."""

    def test_well_known_names_the_address(self) -> None:
        """Clients find the base URL."""
        response = self.connection.request("GET", "/.well-known/matrix/client")
        self.assertEqual(
            response.json, {"m.homeserver": {"base_url": "http://hs.test/"}}
        )

    def test_versions_are_those_of_the_old_and_the_new_clients(self) -> None:
        """r0 and v1 are there, unstable features as configured (A-115)."""
        response = self.connection.request("GET", "/_matrix/client/versions")
        self.assertIn("r0.0.1", response.json["versions"])
        self.assertIn("v1.11", response.json["versions"])
        self.assertTrue(
            response.json["unstable_features"]["org.matrix.msc3026.busy_presence"]
        )

    def test_capabilities_are_for_users(self) -> None:
        """They take a token and name room versions and presence (A-115)."""
        self.assert_refused(self.ask("GET", "capabilities"), 401, "M_MISSING_TOKEN")
        token = self.register("alice")["access_token"]
        response = self.ask("GET", "capabilities", token=token, version="r0")
        capabilities = response.json["capabilities"]
        self.assertEqual(capabilities["m.room_versions"]["default"], "11")
        self.assertTrue(capabilities["m.presence"]["send_enabled"])
        self.assertTrue(capabilities["m.change_password"]["enabled"])

    def test_what_there_is_nothing_of(self) -> None:
        """No TURN server, no uploads: said where clients ask."""
        token = self.register("alice")["access_token"]
        self.assertEqual(self.ask("GET", "voip/turnServer", token=token).json, {})
        for path in ("/_matrix/media/v3/config", "/_matrix/client/v1/media/config"):
            response = self.connection.request("GET", path, token=token)
            self.assertEqual(response.json, {"m.upload.size": 0})
