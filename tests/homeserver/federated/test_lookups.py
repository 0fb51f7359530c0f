"""What other servers are told of our users, devices, aliases and public rooms."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from matrix_presence.federation.client import Refused
from tests.homeserver.federated.rig import FederatedTestCase

MALLORY = "@mallory:far.test"
OLM = "m.olm.v1.curve25519-aes-sha2"


class LookupTests(FederatedTestCase):
    """A server that asks ours."""

    def setUp(self) -> None:
        """Alice has one device, with keys."""
        super().setUp()
        self.here = self.homeserver("a.test")
        self.alice = self.here.register("alice")
        self.far = self.peer("far.test")
        self.keys = {
            "user_id": self.alice,
            "device_id": self.device,
            "algorithms": [OLM],
            "keys": {f"ed25519:{self.device}": "x"},
            "signatures": {self.alice: {f"ed25519:{self.device}": "y"}},
        }
        body = {
            "device_keys": self.keys,
            "one_time_keys": {"signed_curve25519:1": {"key": "once"}},
        }
        self.here.call(self.alice, "POST", "keys/upload", body)

    @property
    def device(self) -> str:
        """The only device there is."""
        requester = self.here.accounts.requester_of(self.here.tokens[self.alice])
        assert requester is not None and requester.device_id is not None
        return requester.device_id

    def assertRefused(self, status: int, errcode: str, path: str, **query: Any) -> None:
        """Asking for this is refused like that."""
        refusal = self.assertRaises(Refused, self.far.get, "a.test", path, **query)
        self.assertEqual((status, errcode), (refusal.status, refusal.errcode))

    def test_profiles_are_told(self) -> None:
        """Whole, or one key; of those who are there."""
        path = "v1/query/profile"
        whole = self.far.get("a.test", path, user_id=self.alice)
        self.assertEqual({"displayname": "Alice"}, whole)
        name = self.far.get("a.test", path, user_id=self.alice, field="displayname")
        self.assertEqual({"displayname": "Alice"}, name)
        picture = self.far.get("a.test", path, user_id=self.alice, field="avatar_url")
        self.assertEqual({}, picture)
        for user_id in ("@nobody:a.test", MALLORY, "nonsense"):
            self.assertRefused(404, "M_NOT_FOUND", path, user_id=user_id)
        self.assertRefused(400, "M_MISSING_PARAM", path)
        self.assertRefused(
            400, "M_INVALID_PARAM", path, user_id=self.alice, field="age"
        )

    def test_aliases_are_told(self) -> None:
        """With servers that are in the room, ours first."""
        room_id = self.here.create(self.alice, room_alias_name="tea")
        self.far.join("a.test", room_id, MALLORY)
        path = "v1/query/directory"
        found = self.far.get("a.test", path, room_alias="#tea:a.test")
        self.assertEqual({"room_id": room_id, "servers": ["a.test", "far.test"]}, found)
        self.assertRefused(404, "M_NOT_FOUND", path, room_alias="#no:a.test")
        self.assertRefused(400, "M_INVALID_PARAM", path, room_alias="tea")
        self.assertRefused(400, "M_MISSING_PARAM", path)

    def test_devices_are_told(self) -> None:
        """With their keys and names."""
        path = f"v1/user/devices/{quote(self.alice)}"
        found = self.far.get("a.test", path)
        (device,) = found["devices"]
        self.assertEqual(
            (self.alice, self.device), (found["user_id"], device["device_id"])
        )
        self.assertEqual(self.keys["keys"], device["keys"]["keys"])
        self.assertIsInstance(found["stream_id"], int)
        self.assertRefused(404, "M_NOT_FOUND", "v1/user/devices/@no:a.test")

    def test_keys_are_told_and_given_away(self) -> None:
        """Each one-time key once."""
        wanted: Any = {"device_keys": {self.alice: [], "@no:a.test": []}}
        found = self.far.post("a.test", "v1/user/keys/query", wanted)["device_keys"]
        self.assertEqual([self.alice], list(found))
        self.assertEqual(self.keys["keys"], found[self.alice][self.device]["keys"])
        claim = {"one_time_keys": {self.alice: {self.device: "signed_curve25519"}}}
        for given in ({"signed_curve25519:1": {"key": "once"}}, None):
            found = self.far.post("a.test", "v1/user/keys/claim", claim)
            keys = found["one_time_keys"].get(self.alice, {}).get(self.device)
            self.assertEqual(given, keys)
        for path, body in (
            ("query", {"device_keys": []}),
            ("query", {"device_keys": {self.alice: "x"}}),
            ("claim", {"one_time_keys": {self.alice: []}}),
            ("claim", {"one_time_keys": {self.alice: {self.device: 7}}}),
        ):
            path = f"v1/user/keys/{path}"
            refusal = self.assertRaises(Refused, self.far.post, "a.test", path, body)
            self.assertEqual(400, refusal.status)

    def test_public_rooms_are_told(self) -> None:
        """A page at a time, or those that fit."""
        for name in ("tea", "coffee"):
            self.here.create(self.alice, name=name, visibility="public")
        self.here.create(self.alice, name="secret")
        page = self.far.get("a.test", "v1/publicRooms", limit=1)
        rest = self.far.get("a.test", "v1/publicRooms", since=page["next_batch"])
        names = {room["name"] for room in page["chunk"] + rest["chunk"]}
        self.assertEqual({"tea", "coffee"}, names)
        body = {"filter": {"generic_search_term": "cof"}, "limit": 5}
        found = self.far.post("a.test", "v1/publicRooms", body)["chunk"]
        self.assertEqual(["coffee"], [room["name"] for room in found])
        self.assertRefused(400, "M_INVALID_PARAM", "v1/publicRooms", limit="x")
