"""JSON to and from clients, as strictly as it is stored and passed on.

What is read here can be written again: no NaN or infinity, no lone surrogates, no
nesting that could not be written. Signed JSON is another matter and lives elsewhere.
"""

from __future__ import annotations

from typing import Any

import orjson

from matrix_presence.errors import BadJson, NotJson
from matrix_presence.wire.nesting import can_be_written

#: With so few objects and arrays nothing is nested too deeply.
_FEW = 128


def encoded(value: Any) -> bytes:
    """The value as JSON.

    Raises:
        TypeError: something in it has no JSON form (a fault of ours).
    """
    return orjson.dumps(value)


def decoded_object(body: bytes) -> dict[str, Any]:
    """The JSON object that is this body.

    Raises:
        NotJson: it is not JSON (or is empty, or not UTF-8), or nested too deeply.
        BadJson: it is JSON but not an object (A-23).
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise NotJson("The body is not JSON") from None
    if body.count(b"{") + body.count(b"[") > _FEW and not can_be_written(value):
        raise NotJson("The body is nested too deeply")
    if type(value) is not dict:
        raise BadJson("The body must be a JSON object")
    return value
