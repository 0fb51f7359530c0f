"""Tests of matrix_presence.homeserver.device_keys and its endpoints."""

from __future__ import annotations

from typing import Any

from tests.homeserver.accounts import AccountsTestCase

ALICE, BOB = "@alice:hs.test", "@bob:hs.test"


def identity(user_id: str, device_id: str) -> dict[str, Any]:
    """Identity keys of a device."""
    return {
        "user_id": user_id,
        "device_id": device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "keys": {f"ed25519:{device_id}": "key"},
        "signatures": {user_id: {f"ed25519:{device_id}": "signature"}},
    }


class KeyTests(AccountsTestCase):
    """/keys/…"""

    def setUp(self) -> None:
        """Alice and Bob with a device each."""
        super().setUp()
        self.alice = self.register(
            "alice", device_id="PHONE", initial_device_display_name="Phone"
        )["access_token"]
        self.bob = self.register("bob", device_id="TABLET")["access_token"]
        self.told.clear()

    def upload(self, **body: Any) -> dict[str, Any]:
        """What an upload by Alice answers."""
        response = self.ask("POST", "keys/upload", body, token=self.alice)
        self.assertEqual(response.status, 200, response.body)
        answer: dict[str, Any] = response.json
        return answer

    def claimed(self) -> Any:
        """A key of Alice's device that Bob claims; None when there is none."""
        body = {"one_time_keys": {ALICE: {"PHONE": "signed_curve25519"}}}
        answer = self.ask("POST", "keys/claim", body, token=self.bob).json
        return answer["one_time_keys"].get(ALICE, {}).get("PHONE")

    def test_identity_is_found_by_others(self) -> None:
        """A query answers the keys with the name of the device, of those it names."""
        self.upload(device_keys=identity(ALICE, "PHONE"))
        expected = {
            **identity(ALICE, "PHONE"),
            "unsigned": {"device_display_name": "Phone"},
        }
        for device_ids, found in (
            ([], {"PHONE": expected}),
            (["PHONE"], {"PHONE": expected}),
            (["NONE"], {}),
        ):
            body = {"device_keys": {ALICE: device_ids, "@nobody:hs.test": []}}
            response = self.ask("POST", "keys/query", body, token=self.bob)
            self.assertEqual(
                response.json, {"device_keys": {ALICE: found}, "failures": {}}
            )

    def test_change_of_identity_is_told_and_streamed(self) -> None:
        """New keys and new devices are changes, the same keys again are none."""
        since = self.accounts.position
        for _ in range(2):
            self.upload(device_keys=identity(ALICE, "PHONE"))
        self.assertEqual(self.told.count(("device_list_changed", ALICE)), 1)
        changed = self.accounts.device_lists_changed(since, [ALICE, BOB])
        self.assertEqual(changed, [ALICE])
        self.start()
        changed = self.accounts.device_lists_changed(since, [ALICE, BOB])
        self.assertEqual(changed, [ALICE])
        path = f"keys/changes?from={since}&to={self.accounts.position}"
        response = self.ask("GET", path, token=self.bob)
        self.assertEqual(response.json, {"changed": [ALICE], "left": []})
        since = self.accounts.position
        self.assertEqual(self.accounts.device_lists_changed(since, [ALICE]), [])
        self.login("bob")
        self.assertEqual(self.accounts.device_lists_changed(since, [BOB]), [BOB])

    def test_one_time_key_is_given_once(self) -> None:
        """Keys are counted, given in turn, and gone; also over a restart."""
        keys = {
            "signed_curve25519:A": {"key": "a"},
            "signed_curve25519:B": {"key": "b"},
        }
        counts = self.upload(one_time_keys=keys)["one_time_key_counts"]
        self.assertEqual(counts, {"signed_curve25519": 2})
        first = self.claimed()
        self.start()
        self.assertEqual(
            self.accounts.otk_counts(ALICE, "PHONE"), {"signed_curve25519": 1}
        )
        self.assertEqual({**first, **self.claimed()}, keys)
        self.assertIsNone(self.claimed())
        self.assertEqual(
            self.accounts.otk_counts(ALICE, "PHONE"), {"signed_curve25519": 0}
        )

    def test_one_time_key_is_not_replaced(self) -> None:
        """The same key again is taken, another of the same id refused, all or none."""
        self.upload(one_time_keys={"signed_curve25519:A": {"key": "a"}})
        self.upload(one_time_keys={"signed_curve25519:A": {"key": "a"}})
        body = {
            "one_time_keys": {
                "signed_curve25519:B": {"key": "b"},
                "signed_curve25519:A": {"key": "other"},
            }
        }
        response = self.ask("POST", "keys/upload", body, token=self.alice)
        self.assert_refused(response, 400, "M_INVALID_PARAM")
        self.assertEqual(
            self.accounts.otk_counts(ALICE, "PHONE"), {"signed_curve25519": 1}
        )

    def test_fallback_key_is_given_when_no_other_is_left(self) -> None:
        """It is given again and again, and known to have been used."""
        key = {"signed_curve25519:F": {"key": "f", "fallback": True}}
        self.upload(fallback_keys=key)
        self.assertEqual(
            self.accounts.unused_fallback_types(ALICE, "PHONE"), ["signed_curve25519"]
        )
        for _ in range(2):
            self.assertEqual(self.claimed(), key)
            self.start()
        self.assertEqual(self.accounts.unused_fallback_types(ALICE, "PHONE"), [])

    def test_keys_end_with_the_device(self) -> None:
        """After a logout there is nothing to query or claim."""
        self.upload(
            device_keys=identity(ALICE, "PHONE"),
            one_time_keys={"signed_curve25519:A": "a"},
        )
        since = self.accounts.position
        self.ask("POST", "logout", token=self.alice)
        self.assertIsNone(self.claimed())
        self.assertEqual(self.accounts.device_lists_changed(since, [ALICE]), [ALICE])
        self.start()
        self.assertIsNone(self.accounts.keys.identity(ALICE, "PHONE"))

    def test_uploads_that_are_none(self) -> None:
        """Keys of another device, unnamed keys and wrong types are refused."""
        body: Any
        for body in (
            {"device_keys": identity(BOB, "PHONE")},
            {"device_keys": identity(ALICE, "TABLET")},
            {"device_keys": {"user_id": ALICE, "device_id": "PHONE"}},
            {"device_keys": []},
            {"one_time_keys": {"A": "a"}},
            {"one_time_keys": {":": "a"}},
            {"one_time_keys": {"a:b": 7}},
            {"one_time_keys": {f"a:{number}": "a" for number in range(501)}},
            {"fallback_keys": "a"},
        ):
            response = self.ask("POST", "keys/upload", body, token=self.alice)
            self.assertEqual(response.status, 400, body)

    def test_there_is_no_backup(self) -> None:
        """The version of the key backup is not found, which clients understand."""
        response = self.ask("GET", "room_keys/version", token=self.alice)
        self.assert_refused(response, 404, "M_NOT_FOUND")

    def test_cross_signing_is_not_known(self) -> None:
        """Cross-signing keys are not kept, so uploading them is M_UNRECOGNIZED."""
        path = "keys/device_signing/upload"
        response = self.ask("POST", path, {}, token=self.alice)
        self.assert_refused(response, 404, "M_UNRECOGNIZED")


class ToDeviceTests(AccountsTestCase):
    """/sendToDevice and the inbox."""

    def setUp(self) -> None:
        """Alice has two devices, Bob one."""
        super().setUp()
        self.register("alice", device_id="PHONE")
        self.login("alice", device_id="LAPTOP")
        self.bob = self.register("bob", device_id="TABLET")["access_token"]
        self.told.clear()

    def send(self, messages: Any, txn_id: str = "1") -> int:
        """The status of sending these as Bob."""
        path = f"sendToDevice/m.test/{txn_id}"
        body = {"messages": messages}
        return self.ask("PUT", path, body, token=self.bob).status

    def inbox(self, device_id: str, since: int | None = None) -> list[Any]:
        """The content of what waits for one of Alice's devices."""
        events, _ = self.accounts.to_device(ALICE, device_id, since)
        return [event["content"] for event in events]

    def test_message_waits_until_it_is_acknowledged(self) -> None:
        """It is there for each sync of that device until one comes from after it."""
        self.assertEqual(self.send({ALICE: {"PHONE": {"a": 1}}}), 200)
        self.assertIn(("something_for", ALICE), self.told)
        self.start()
        events, position = self.accounts.to_device(ALICE, "PHONE", None)
        message = {"type": "m.test", "sender": BOB, "content": {"a": 1}}
        self.assertEqual(events, [message])
        self.assertEqual(self.inbox("PHONE"), [{"a": 1}])
        self.assertEqual(self.inbox("LAPTOP"), [])
        self.send({ALICE: {"PHONE": {"a": 2}}}, "2")
        self.assertEqual(self.inbox("PHONE", position), [{"a": 2}])
        self.start()
        self.assertEqual(self.inbox("PHONE"), [{"a": 2}])

    def test_star_is_all_devices(self) -> None:
        """`*` reaches every device of the user, unknown users and devices nobody."""
        messages = {
            ALICE: {"*": {"a": 1}, "NONE": {}},
            "@nobody:hs.test": {"*": {}},
            "@c:elsewhere": {"D": {}},
        }
        self.assertEqual(self.send(messages), 200)
        self.assertEqual(self.inbox("PHONE"), [{"a": 1}])
        self.assertEqual(self.inbox("LAPTOP"), [{"a": 1}])

    def test_repetition_is_not_delivered_again(self) -> None:
        """The same transaction id from the same device counts once."""
        for _ in range(2):
            self.assertEqual(self.send({ALICE: {"PHONE": {}}}), 200)
        self.assertEqual(len(self.inbox("PHONE")), 1)

    def test_wrong_types_deliver_nothing(self) -> None:
        """One bad message refuses them all."""
        messages: Any
        for messages in ([], {ALICE: []}, {ALICE: {"PHONE": {}, "LAPTOP": 7}}):
            self.assertEqual(self.send(messages), 400)
        self.assertEqual(self.inbox("PHONE"), [])
