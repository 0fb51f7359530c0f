"""Canonical JSON: the one way to write a value that is hashed or signed.

`canonicaljson` writes it; this adds the refusals it leaves to others (C-90, C-95).
Source: Matrix appendices, "Canonical JSON".
"""

from __future__ import annotations

from typing import Any

from canonicaljson import encode_canonical_json

MAX_INTEGER = 2**53 - 1
#: Deeper values exhaust the stack of one JSON reader or another.
MAX_DEPTH = 128


class NotCanonical(ValueError):
    """The value has no canonical form; says which rule it breaks."""


def canonical(value: Any) -> bytes:
    """The canonical JSON of a value.

    Raises:
        NotCanonical: a float, an integer beyond 53 bits, a key that is no text, a
            lone surrogate, or nesting beyond `MAX_DEPTH`.
    """
    check_canonical(value)
    try:
        return encode_canonical_json(value)
    except UnicodeEncodeError:
        raise NotCanonical("lone surrogates have no UTF-8 form") from None


def check_canonical(value: Any) -> None:
    """Refuse what has no canonical form, lone surrogates excepted.

    Those show when the text is encoded. Walks level by level, so that no nesting
    can exhaust the stack here.

    Raises:
        NotCanonical: as `canonical`.
    """
    level = [value]
    for _depth in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            _check_scalar(item)
            if type(item) is dict:
                if not all(type(key) is str for key in item):
                    raise NotCanonical("keys are text")
                below.extend(item.values())
            elif type(item) is list:
                below.extend(item)
        if not below:
            return
        level = below
    raise NotCanonical(f"nested deeper than {MAX_DEPTH} levels")


def _check_scalar(item: Any) -> None:
    kind = type(item)
    if kind is int:
        if not -MAX_INTEGER <= item <= MAX_INTEGER:
            raise NotCanonical(f"{item} is beyond 53 bits")
    elif kind is float:
        raise NotCanonical(f"{item!r} is not an integer")
    elif item is not None and kind not in (str, bool, dict, list):
        raise NotCanonical(f"{kind.__name__} is not a JSON type")
