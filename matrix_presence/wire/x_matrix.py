"""The signature of a request between servers, and the header that carries it.

What is signed is written here as bytes around the canonical JSON of the body, so that
who sends one body to many servers encodes it once. Source: server-server API, "Request
Authentication" (C-50 to C-53).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
from canonicaljson import encode_canonical_json
from signedjson.types import SigningKey, VerifyKey
from unpaddedbase64 import decode_base64, encode_base64

from matrix_presence.ids import is_server_name
from matrix_presence.wire.canonical import canonical
from matrix_presence.wire.signing import BadSignature

#: Headers of one request that are looked at. A server has one key, or two while it
#: changes them.
MOST_HEADERS = 4

_SCHEME = re.compile(r"x-matrix[ \t]+(.*)", re.IGNORECASE | re.DOTALL)
#: One parameter and the comma after it. Values without quotes may hold colons, and
#: anything else that ends nothing (C-53).
_PARAM = re.compile(
    r"""[ \t,]*
        ([!\#$%&'*+.^_`|~0-9A-Za-z-]+)
        [ \t]*=[ \t]*
        (?: "((?:[^"\\]|\\.)*)" | ([^\s",]+) )
        [ \t]*(?:,[ \t,]*|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class BadHeader(ValueError):
    """An Authorization header that is no X-Matrix header, and why."""


@attrs.frozen
class XMatrix:
    """Who signed a request, for whom, and with which key."""

    origin: str
    #: `ed25519:` and the version of the key.
    key_id: str
    #: Base64.
    signature: str
    #: None where the header does not say; older servers do not (C-52).
    destination: str | None = None

    def header(self) -> bytes:
        """The value of the Authorization header, as every server can read it (C-51)."""
        destination = ""
        if self.destination is not None:
            destination = f'destination="{self.destination}",'
        return (
            f'X-Matrix origin="{self.origin}",{destination}'
            f'key="{self.key_id}",sig="{self.signature}"'
        ).encode()


def sign_request(
    method: str,
    uri: str,
    origin: str,
    destination: str,
    key: SigningKey,
    content: bytes | None = None,
) -> XMatrix:
    """The signature of a request, for its header.

    Args:
        uri: from `/_matrix/` on, with the query, as it goes out.
        content: the body in canonical JSON; None for a request without one.
    """
    signed = _signed_bytes(method, uri, origin, destination, content)
    signature = encode_base64(key.sign(signed).signature)
    return XMatrix(origin, f"{key.alg}:{key.version}", signature, destination)


def verify_request(
    said: XMatrix,
    method: str,
    uri: str,
    destination: str,
    key: VerifyKey,
    content: Mapping[str, Any] | None = None,
) -> None:
    """Make sure that this key signed the request for this destination.

    Args:
        destination: our name, whether the header says it or not.
        content: the body as it was parsed. It is encoded anew, so that what was
            checked is what is used (C-95).

    Raises:
        BadSignature: it did not, or the body has no canonical form.
    """
    try:
        # Not `canonical`: a number with a fraction, in a part that means nothing to
        # us, is no reason to refuse everything beside it.
        body = None if content is None else encode_canonical_json(content)
        signed = _signed_bytes(method, uri, said.origin, destination, body)
        key.verify(signed, decode_base64(said.signature))
    except Exception as reason:
        # nacl, base64 and the encoder raise their own, too deep a body RecursionError.
        text = f"not signed by {said.origin}: {reason}"
        raise BadSignature(text) from reason


def parse_headers(values: Iterable[bytes]) -> list[XMatrix]:
    """All X-Matrix headers among the Authorization headers of a request.

    One is enough if its signature is right; a server that changes its key may send
    several (C-53).

    Raises:
        BadHeader: one cannot be read, there are more than `MOST_HEADERS`, or they are
            of different origins.
    """
    headers = [parse_header(value) for value in values]
    if len(headers) > MOST_HEADERS:
        raise BadHeader("There are too many Authorization headers")
    if len({header.origin for header in headers}) > 1:
        raise BadHeader("The Authorization headers name different origins")
    return headers


def parse_header(value: bytes) -> XMatrix:
    """What one Authorization header says, in any of the forms that are about (C-53).

    Raises:
        BadHeader: it is of another scheme, cannot be read, or lacks what it must have.
    """
    try:
        scheme = _SCHEME.fullmatch(value.decode().strip(" \t"))
    except UnicodeDecodeError:
        raise BadHeader("The Authorization header is not UTF-8") from None
    if scheme is None:
        raise BadHeader("The Authorization header is not of the scheme X-Matrix")
    params = _params(scheme[1])
    try:
        origin, key_id, signature = params["origin"], params["key"], params["sig"]
    except KeyError as missing:
        raise BadHeader(f"The Authorization header lacks {missing}") from None
    if not is_server_name(origin):
        raise BadHeader("The origin in the Authorization header is no server name")
    return XMatrix(origin, key_id, signature, params.get("destination"))


def _params(text: str) -> dict[str, str]:
    params: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PARAM.match(text, at)
        if match is None:
            raise BadHeader("The Authorization header cannot be read")
        name, quoted, bare = match.groups()
        name = name.lower()
        if name in params:
            raise BadHeader(f"The Authorization header says {name!r} twice")
        params[name] = bare if quoted is None else _ESCAPE.sub(r"\1", quoted)
        at = match.end()
    return params


def _signed_bytes(
    method: str, uri: str, origin: str, destination: str, content: bytes | None
) -> bytes:
    """The canonical JSON of the request, whose first key is `content`."""
    rest = canonical(
        {"destination": destination, "method": method, "origin": origin, "uri": uri}
    )
    return rest if content is None else b'{"content":%b,%b' % (content, rest[1:])
