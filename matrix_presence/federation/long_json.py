"""Reads JSON that is too long to be read in one go: an item at a time.

The state of a large room is megabytes. What is done at once here is to find where each
item of its lists begins and ends; it is made an object when it is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import attrs
import msgspec
import orjson

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT_BEGINS, _LIST_BEGINS = b"{["
_SPACE = b" \t\r\n"


class NotReadable(ValueError):
    """What came cannot be read in parts."""


@attrs.frozen(eq=False)
class Items(Sequence[Any]):
    """A list in JSON. An item that cannot be read for itself is None."""

    _raw: list[msgspec.Raw]

    def __len__(self) -> int:
        return len(self._raw)

    @overload
    def __getitem__(self, number: int) -> Any: ...
    @overload
    def __getitem__(self, number: slice) -> Items: ...
    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return Items(self._raw[number])
        try:
            return orjson.loads(memoryview(self._raw[number]))
        except orjson.JSONDecodeError:
            return None

    def are_objects(self) -> bool:
        """Whether all of the items are objects, as far as one sees from outside."""
        return all(_first(raw) == _OBJECT_BEGINS for raw in self._raw)


def read_in_parts(body: bytes) -> Any:
    """What this JSON says; the lists in an object are `Items`.

    An object in a list, which is what the first version of an endpoint answers, is read
    the same way.

    Raises:
        NotReadable: it is no JSON, neither object nor list, or nested too deeply.
    """
    try:
        if body.lstrip(_SPACE).startswith(b"["):
            return [
                _read_object(raw) if _first(raw) == _OBJECT_BEGINS else _value(raw)
                for raw in _LIST.decode(body)
            ]
        return _read_object(body)
    except (msgspec.DecodeError, orjson.JSONDecodeError, RecursionError) as reason:
        raise NotReadable(str(reason)) from None


def _read_object(text: bytes | msgspec.Raw) -> dict[str, Any]:
    return {key: _value(value) for key, value in _OBJECT.decode(text).items()}


def _value(raw: msgspec.Raw) -> Any:
    if _first(raw) == _LIST_BEGINS:
        return Items(_LIST.decode(raw))
    return orjson.loads(memoryview(raw))


def _first(raw: msgspec.Raw) -> int:
    return memoryview(raw)[0]
