"""Hashes, signatures and ids of events, signatures of other JSON.

The order in which an event is made matters: content hash, signature, then its id,
because the reference hash covers the first and neither covers the second. Source:
server-server API, "Signing Events" (C-91 to C-94).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from signedjson.types import SigningKey, VerifyKey
from unpaddedbase64 import decode_base64, encode_base64

from matrix_presence.wire.canonical import canonical
from matrix_presence.wire.redaction import redacted
from matrix_presence.wire.room_versions import EventIds, RoomVersion


class BadSignature(Exception):
    """The JSON is not signed by this key, whatever the reason."""


def signed_json(
    value: Mapping[str, Any], server_name: str, key: SigningKey
) -> dict[str, Any]:
    """A copy of the object with our signature added to those it has.

    What stands among the signatures and cannot be one is left out.

    Raises:
        NotCanonical: it cannot be signed.
    """
    given = value.get("signatures")
    signed_before = given.items() if isinstance(given, dict) else ()
    signatures = {name: dict(by) for name, by in signed_before if type(by) is dict}
    signatures.setdefault(server_name, {})[_key_id(key)] = _signature(value, key)
    return {**value, "signatures": signatures}


def verify_json(value: Mapping[str, Any], server_name: str, key: VerifyKey) -> None:
    """Make sure that `server_name` signed this object with this key.

    Raises:
        BadSignature: it did not, or what claims to be a signature is none.
    """
    try:
        signature = value["signatures"][server_name][_key_id(key)]
        key.verify(_signed_bytes(value), decode_base64(signature))
    except Exception as reason:
        # Whatever is wrong with it: nacl, base64 and canonical JSON raise their own.
        raise BadSignature(f"not signed by {server_name}: {reason}") from reason


def content_hash(event: Mapping[str, Any]) -> str:
    """The hash of everything a redaction could take away (C-91), unpadded base64."""
    covered = _without(event, "unsigned", "signatures", "hashes")
    return str(encode_base64(hashlib.sha256(canonical(covered)).digest()))


def content_hash_matches(event: Mapping[str, Any]) -> bool:
    """Whether the event says the hash that it has; if not, redact it (C-94)."""
    hashes = event.get("hashes")
    return isinstance(hashes, dict) and hashes.get("sha256") == content_hash(event)


def reference_hash(event: Mapping[str, Any], version: RoomVersion) -> bytes:
    """The hash by which other events refer to this one (C-93)."""
    covered = _without(redacted(event, version), "signatures", "unsigned")
    if version.event_ids is not EventIds.CHOSEN:
        covered.pop("event_id", None)
    return hashlib.sha256(canonical(covered)).digest()


def event_id_of(event: Mapping[str, Any], version: RoomVersion) -> str:
    """The id of a signed event.

    Raises:
        KeyError: versions 1 and 2 only: the event says none.
    """
    if version.event_ids is EventIds.CHOSEN:
        return str(event["event_id"])
    url_safe = version.event_ids is EventIds.HASHED_URL_SAFE
    return f"${encode_base64(reference_hash(event, version), urlsafe=url_safe)}"


def room_id_of_create(event: Mapping[str, Any], version: RoomVersion) -> str:
    """The room that this create event makes."""
    if version.creators_above_all:
        return "!" + event_id_of(event, version)[1:]
    return str(event["room_id"])


def hash_and_sign(
    event: Mapping[str, Any], version: RoomVersion, server_name: str, key: SigningKey
) -> dict[str, Any]:
    """A copy of the event with its content hash and our signature (C-92).

    Signatures of others are kept: an invite is signed by two servers.

    Raises:
        NotCanonical: the event cannot be signed.
    """
    hashed = {**event, "hashes": {"sha256": content_hash(event)}}
    signed = signed_json(redacted(hashed, version), server_name, key)
    return {**hashed, "signatures": signed["signatures"]}


def verify_event(
    event: Mapping[str, Any], version: RoomVersion, server_name: str, key: VerifyKey
) -> None:
    """Make sure that `server_name` signed this event with this key (C-94).

    Raises:
        BadSignature: it did not.
    """
    verify_json(redacted(event, version), server_name, key)


def _signature(value: Mapping[str, Any], key: SigningKey) -> str:
    return str(encode_base64(key.sign(_signed_bytes(value)).signature))


def _signed_bytes(value: Mapping[str, Any]) -> bytes:
    return canonical(_without(value, "signatures", "unsigned"))


def _key_id(key: SigningKey | VerifyKey) -> str:
    return f"{key.alg}:{key.version}"


def _without(value: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in keys}
