"""The document in which a server publishes its keys: made, and read from others.

Source: server-server API, "Retrieving server keys" (C-60, C-61).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs
from signedjson.key import (
    decode_verify_key_base64,
    encode_verify_key_base64,
    get_verify_key,
)
from signedjson.types import SigningKey, VerifyKey

from matrix_presence.wire.canonical import NotCanonical, canonical
from matrix_presence.wire.signing import BadSignature, signed_json, verify_json

#: Where a server answers with its document, and a notary with those of others.
SERVER_PATH = "/_matrix/key/v2/server"
QUERY_PATH = "/_matrix/key/v2/query"

#: However long a document says it is valid, it is looked at again after a week (C-61);
#: ms.
LONGEST_VALIDITY = 7 * 24 * 3_600_000
#: Keys of one kind in a document that are looked at. A server needs one or two.
_MOST_KEYS = 32
#: Bytes of a document in canonical JSON. It is kept for those who ask us, so nobody may
#: fill it with anything else.
_MOST_BYTES = 8192

_KEY_ID = re.compile(r"ed25519:([a-zA-Z0-9_]{1,64})")


class BadKeys(Exception):
    """What should be a document of keys is none, and why."""


@attrs.frozen
class OldKey:
    """A key that signs no more."""

    key: VerifyKey
    #: Epoch ms.
    expired_ts: int


@attrs.frozen
class ServerKeys:
    """The keys of one server, as it has signed them itself."""

    server_name: str
    #: As it was signed, for those who ask us.
    document: Mapping[str, Any]
    keys: Mapping[str, VerifyKey]
    old_keys: Mapping[str, OldKey]
    #: Until when `keys` count, epoch ms; never more than a week after they were read.
    valid_until_ts: int

    def key(self, key_id: str, valid_at: int) -> VerifyKey | None:
        """The key of this id, if it was valid at that time (epoch ms)."""
        if key_id in self.keys:
            return self.keys[key_id] if valid_at <= self.valid_until_ts else None
        old = self.old_keys.get(key_id)
        return old.key if old is not None and valid_at < old.expired_ts else None


def key_id_of(key: SigningKey | VerifyKey) -> str:
    """`ed25519:` and the version of the key."""
    return f"{key.alg}:{key.version}"


def server_keys_document(
    server_name: str,
    keys: Sequence[SigningKey],
    old_keys: Sequence[OldKey],
    valid_until_ts: int,
) -> dict[str, Any]:
    """Our own document, signed by each of the keys (C-60)."""
    document: dict[str, Any] = {
        "server_name": server_name,
        "verify_keys": {
            key_id_of(key): {"key": encode_verify_key_base64(get_verify_key(key))}
            for key in keys
        },
        "old_verify_keys": {
            key_id_of(old.key): {
                "key": encode_verify_key_base64(old.key),
                "expired_ts": old.expired_ts,
            }
            for old in old_keys
        },
        "valid_until_ts": valid_until_ts,
    }
    for key in keys:
        document = signed_json(document, server_name, key)
    return document


def read_server_keys(document: object, server_name: str, now: int) -> ServerKeys:
    """The keys in the document of this server, read at `now` (epoch ms).

    A key that has not signed the document is left out: anybody could have put it there.

    Raises:
        BadKeys: it is of another server, signed by no key of its own, too long, or no
            such document at all.
    """
    if not isinstance(document, dict) or document.get("server_name") != server_name:
        raise BadKeys(f"This is no document of the keys of {server_name}")
    try:
        size = len(canonical(document))
    except NotCanonical as reason:
        raise BadKeys(f"The keys of {server_name} cannot be signed: {reason}") from None
    if size > _MOST_BYTES:
        raise BadKeys(f"The document of the keys of {server_name} is too long")
    valid_until_ts = document.get("valid_until_ts")
    if type(valid_until_ts) is not int:
        raise BadKeys(f"The keys of {server_name} do not say how long they are valid")
    keys = {
        key_id: key
        for key_id, key, _ in _keys_in(document.get("verify_keys"))
        if _has_signed(document, server_name, key)
    }
    if not keys:
        raise BadKeys(f"The keys of {server_name} are not signed by themselves")
    old_keys = {
        key_id: OldKey(key, said["expired_ts"])
        for key_id, key, said in _keys_in(document.get("old_verify_keys"))
        if type(said.get("expired_ts")) is int
    }
    valid_until_ts = min(valid_until_ts, now + LONGEST_VALIDITY)
    return ServerKeys(server_name, document, keys, old_keys, valid_until_ts)


def _keys_in(said: object) -> Iterator[tuple[str, VerifyKey, dict[str, Any]]]:
    """What reads as a key; other algorithms and other nonsense are left out."""
    entries = said.items() if isinstance(said, dict) else ()
    for key_id, entry in islice(entries, _MOST_KEYS):
        match = _KEY_ID.fullmatch(key_id)
        if match is None or not isinstance(entry, dict):
            continue
        try:
            key = decode_verify_key_base64("ed25519", match[1], entry["key"])
        except Exception:  # base64, nacl and signedjson raise their own.
            continue
        yield key_id, key, entry


def _has_signed(document: Mapping[str, Any], server_name: str, key: VerifyKey) -> bool:
    try:
        verify_json(document, server_name, key)
    except BadSignature:
        return False
    return True
