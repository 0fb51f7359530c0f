"""The document with the keys of a server: what is made, what is believed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from signedjson.key import generate_signing_key, get_verify_key
from signedjson.sign import verify_signed_json

from matrix_presence.wire.server_keys import (
    LONGEST_VALIDITY,
    BadKeys,
    OldKey,
    read_server_keys,
    server_keys_document,
)
from matrix_presence.wire.signing import signed_json
from tests.base import TestCase

KEY, OTHER, OLD = (generate_signing_key(name) for name in ("a_1", "b_2", "c_3"))
NOW = 1_790_000_000_000
VALID_UNTIL = NOW + 3_600_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def document(**changes: Any) -> dict[str, Any]:
    """A document with two keys and an old one; changes come before it is signed."""
    made = server_keys_document(
        "a.test", [KEY, OTHER], [OldKey(get_verify_key(OLD), 1000)], VALID_UNTIL
    )
    if not changes:
        return made
    del made["signatures"]
    return signed_json(made | changes, "a.test", KEY)


class ServerKeysTests(TestCase):
    """Documents of keys."""

    def test_it_is_signed_by_each_of_its_keys(self) -> None:
        """With everything the specification asks for (C-60)."""
        made = document()
        self.assertEqual(
            {
                "server_name",
                "verify_keys",
                "old_verify_keys",
                "valid_until_ts",
                "signatures",
            },
            made.keys(),
        )
        for key in (KEY, OTHER):
            verify_signed_json(made, "a.test", get_verify_key(key))
        self.assertEqual(1000, made["old_verify_keys"]["ed25519:c_3"]["expired_ts"])

    def test_what_is_made_is_read(self) -> None:
        """Keys count until the document ends, old ones until they expired (C-61)."""
        keys = read_server_keys(document(), "a.test", NOW)
        self.assertEqual(get_verify_key(KEY), keys.key("ed25519:a_1", VALID_UNTIL))
        self.assertIsNone(keys.key("ed25519:a_1", VALID_UNTIL + 1))
        self.assertEqual(get_verify_key(OLD), keys.key("ed25519:c_3", 999))
        self.assertIsNone(keys.key("ed25519:c_3", 1000))
        self.assertIsNone(keys.key("ed25519:none", NOW))

    def test_nothing_is_valid_for_more_than_a_week(self) -> None:
        """Whatever the document says (C-61)."""
        keys = read_server_keys(document(valid_until_ts=2**50), "a.test", NOW)
        self.assertEqual(NOW + LONGEST_VALIDITY, keys.valid_until_ts)

    def test_a_key_that_has_not_signed_does_not_count(self) -> None:
        """Anybody can put the key of somebody else into a document (C-60)."""
        keys = read_server_keys(document(old_verify_keys={}), "a.test", NOW)
        self.assertEqual({"ed25519:a_1"}, set(keys.keys))

    def test_documents_that_prove_nothing_are_refused(self) -> None:
        """Of others, unsigned, without an end, or of another kind (C-60)."""
        unsigned = document()
        unsigned["signatures"] = {}
        values: tuple[object, ...] = (
            None,
            [],
            {},
            unsigned,
            document(server_name="b.test"),
            document(valid_until_ts="tomorrow"),
            document(valid_until_ts=True),
            document(verify_keys=[]),
            document(more="x" * 8192),
            document() | {"more": 1.5},
            document(verify_keys={"ed25519:a_1": {"key": "short"}}),
            document() | {"valid_until_ts": NOW},
        )
        for value in values:
            with self.assertRaises(BadKeys):
                read_server_keys(value, "a.test", NOW)

    @given(
        st.fixed_dictionaries(
            {"server_name": st.just("a.test"), "valid_until_ts": st.integers()},
            optional={
                "verify_keys": json_values
                | st.dictionaries(st.just("ed25519:a"), json_values),
                "old_verify_keys": json_values,
                "signatures": json_values,
            },
        )
    )
    def test_any_json_is_read_or_refused(self, value: dict[str, Any]) -> None:
        """Nothing but the refusal comes out (C-60)."""
        try:
            read_server_keys(value, "a.test", NOW)
        except BadKeys:
            pass
