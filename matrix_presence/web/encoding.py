"""JSON to and from clients, as strictly as it is stored and passed on.

What is read here can be written again: no NaN or infinity, no lone surrogates, no
nesting that would exhaust a peer. Signed JSON is another matter and lives elsewhere.
"""

from __future__ import annotations

from typing import Any

import orjson

from matrix_presence.errors import BadJson, NotJson


def encoded(value: Any) -> bytes:
    """The value as JSON.

    Raises:
        TypeError: something in it has no JSON form (a fault of ours).
    """
    return orjson.dumps(value)


def decoded_object(body: bytes) -> dict[str, Any]:
    """The JSON object that is this body.

    Raises:
        NotJson: it is not JSON (or is empty, or not UTF-8).
        BadJson: it is JSON but not an object (A-23).
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJson("The body is not JSON") from None
    if type(value) is not dict:
        raise BadJson("The body must be a JSON object")
    return value
