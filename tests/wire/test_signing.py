"""Known answers of the Matrix appendices, and what hashes and signatures cover."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from signedjson.key import decode_signing_key_base64, get_verify_key

from matrix_presence.wire.room_versions import ROOM_VERSIONS
from matrix_presence.wire.signing import (
    BadSignature,
    content_hash,
    content_hash_matches,
    event_id_of,
    hash_and_sign,
    room_id_of_create,
    signed_json,
    verify_event,
    verify_json,
)
from tests.base import TestCase

KEY = decode_signing_key_base64(
    "ed25519", "1", "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
)
OTHER_KEY = decode_signing_key_base64(
    "ed25519", "1", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
V1 = ROOM_VERSIONS["1"]

MINIMAL = {
    "room_id": "!x:domain",
    "sender": "@a:domain",
    "origin": "domain",
    "origin_server_ts": 1000000,
    "signatures": {},
    "hashes": {},
    "type": "X",
    "content": {},
    "prev_events": [],
    "auth_events": [],
    "depth": 3,
    "unsigned": {"age_ts": 1000000},
}
REDACTABLE = {
    "content": {"body": "Here is the message content"},
    "event_id": "$0:domain",
    "hashes": {},
    "origin": "domain",
    "origin_server_ts": 1000000,
    "type": "m.room.message",
    "room_id": "!r:domain",
    "sender": "@u:domain",
    "signatures": {},
    "unsigned": {"age_ts": 1000000},
}


def _signature(value: dict[str, Any]) -> str:
    return str(value["signatures"]["domain"]["ed25519:1"])


class KnownAnswerTests(TestCase):
    """Matrix appendices, "Cryptographic Test Vectors"."""

    def test_empty_object(self) -> None:
        """An empty object has the published signature."""
        self.assertEqual(
            _signature(signed_json({}, "domain", KEY)),
            "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwY"
            "GYZzuHGZKM5ZAQ",
        )

    def test_object_with_data(self) -> None:
        """An object with data has the published signature."""
        self.assertEqual(
            _signature(signed_json({"one": 1, "two": "Two"}, "domain", KEY)),
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD1"
            "3EIMJpvhJI+6Bw",
        )

    def test_minimal_event(self) -> None:
        """A minimally-sized event has the published hash and signature (C-91, C-92)."""
        event = hash_and_sign(MINIMAL, V1, "domain", KEY)
        self.assertEqual(
            event["hashes"], {"sha256": "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"}
        )
        self.assertEqual(
            _signature(event),
            "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOo"
            "MszkwsQma+lYAg",
        )

    def test_event_with_redactable_content(self) -> None:
        """The signature covers the redacted form, the hash the whole (C-91, C-92)."""
        event = hash_and_sign(REDACTABLE, V1, "domain", KEY)
        self.assertEqual(
            event["hashes"], {"sha256": "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g"}
        )
        self.assertEqual(
            _signature(event),
            "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMG"
            "CA5McEiVPdhzBA",
        )


def _message() -> dict[str, Any]:
    """A message of a room of version 3 or later, not yet signed."""
    return {
        "room_id": "!r:domain",
        "sender": "@u:domain",
        "origin_server_ts": 1,
        "type": "m.room.message",
        "content": {"body": "hello", "msgtype": "m.text"},
        "prev_events": ["$a"],
        "auth_events": ["$b"],
        "depth": 2,
    }


class EventIdTests(TestCase):
    """The id of an event, by room version (C-93)."""

    def test_versions_1_and_2_say_their_id(self) -> None:
        """The id of versions 1 and 2 is the one the event has."""
        for version in ("1", "2"):
            self.assertEqual(
                event_id_of(REDACTABLE, ROOM_VERSIONS[version]), "$0:domain"
            )

    def test_later_versions_are_the_reference_hash(self) -> None:
        """From version 3 the id is a hash: 43 characters, URL-safe from version 4."""
        for identifier, version in ROOM_VERSIONS.items():
            if int(identifier) < 3:
                continue
            event = hash_and_sign(_message(), version, "domain", KEY)
            event_id = event_id_of(event, version)
            self.assertRegex(event_id, r"^\$[A-Za-z0-9+/_-]{43}$")
            if identifier != "3":
                self.assertNotRegex(event_id, "[+/]")

    def test_survives_redaction_signature_and_unsigned(self) -> None:
        """Neither a redaction nor what is outside the hash changes the id."""
        version = ROOM_VERSIONS["11"]
        event = hash_and_sign(_message(), version, "domain", KEY)
        event_id = event_id_of(event, version)
        changed = {**event, "unsigned": {"age": 1}, "signatures": {}, "event_id": "$x"}
        changed["content"] = {}
        self.assertEqual(event_id_of(changed, version), event_id)

    def test_version_12_names_its_room_by_the_create_event(self) -> None:
        """In version 12 the room id is the create event's id with another sigil."""
        version = ROOM_VERSIONS["12"]
        event = hash_and_sign(
            {"type": "m.room.create", "sender": "@u:domain", "content": {}},
            version,
            "domain",
            KEY,
        )
        self.assertEqual(
            room_id_of_create(event, version), "!" + event_id_of(event, version)[1:]
        )

    def test_earlier_versions_say_their_room(self) -> None:
        """Up to version 11 the create event says the room id."""
        self.assertEqual(
            room_id_of_create({"room_id": "!r:domain"}, ROOM_VERSIONS["11"]),
            "!r:domain",
        )


class VerificationTests(TestCase):
    """What a signature and a hash let through (C-94)."""

    def setUp(self) -> None:
        """Sign a message."""
        self.version = ROOM_VERSIONS["11"]
        self.event = hash_and_sign(_message(), self.version, "domain", KEY)

    def _verify(self, event: dict[str, Any]) -> None:
        verify_event(event, self.version, "domain", get_verify_key(KEY))

    def test_own_signature_verifies(self) -> None:
        """What we signed verifies, also once it is redacted, and its hash matches."""
        self._verify(self.event)
        self._verify({**self.event, "content": {}, "unsigned": {"x": 1}})
        self.assertTrue(content_hash_matches(self.event))

    def test_changed_content_breaks_the_hash_only(self) -> None:
        """Other content keeps the signature and breaks the hash."""
        changed = {**self.event, "content": {"body": "other"}}
        self._verify(changed)
        self.assertFalse(content_hash_matches(changed))

    def test_changed_sender_breaks_the_signature(self) -> None:
        """A protected key cannot be changed."""
        with self.assertRaises(BadSignature):
            self._verify({**self.event, "sender": "@x:domain"})

    def test_other_key_is_refused(self) -> None:
        """A key of the same name that did not sign is refused."""
        with self.assertRaises(BadSignature):
            verify_event(self.event, self.version, "domain", get_verify_key(OTHER_KEY))

    def test_rubbish_is_no_signature(self) -> None:
        """Whatever stands in `signatures`, the answer is BadSignature."""
        rubbish: Any
        for rubbish in (None, [], {"domain": 1}, {"domain": {"ed25519:1": "?"}}, "x"):
            with self.assertRaises(BadSignature):
                verify_json({"signatures": rubbish}, "domain", get_verify_key(KEY))

    def test_cosigning_keeps_the_other_signature(self) -> None:
        """Two servers can sign one event; rubbish among the signatures goes."""
        dirty = {**self.event, "signatures": {**self.event["signatures"], "r": 1}}
        both = hash_and_sign(dirty, self.version, "second", OTHER_KEY)
        self._verify(both)
        verify_event(both, self.version, "second", get_verify_key(OTHER_KEY))
        self.assertEqual(set(both["signatures"]), {"domain", "second"})

    def test_signing_leaves_its_argument_alone(self) -> None:
        """The event that is signed is not changed in place."""
        before = copy.deepcopy(self.event)
        hash_and_sign(self.event, self.version, "second", OTHER_KEY)
        self.assertEqual(self.event, before)

    @given(st.dictionaries(st.text(), st.integers(-9, 9) | st.text()))
    def test_hash_ignores_order(self, content: dict[str, Any]) -> None:
        """The order of keys does not change a content hash."""
        backwards = dict(reversed(content.items()))
        self.assertEqual(
            content_hash({"content": content}), content_hash({"content": backwards})
        )
