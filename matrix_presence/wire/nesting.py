"""How deep JSON from outside may be nested, so that it can be written again.

What reads JSON takes more levels than what writes it, and whatever is kept is written
inside of more: an event of a /sync, a row. One value that is too deep would spoil every
answer that it is part of. Signed JSON has narrower limits; see `canonical`.
"""

from __future__ import annotations

from typing import Any

import orjson

#: Levels that may come to be around what was read. `orjson` writes 254 in all.
_AROUND = 64


def can_be_written(value: Any) -> bool:
    """Whether this, which was read from JSON, can be part of an answer."""
    for _ in range(_AROUND):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True
