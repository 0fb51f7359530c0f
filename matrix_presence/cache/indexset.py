"""Sets of indices that are small nearly always, and huge sometimes.

Most rooms have two members and most users a few rooms. A bitmap costs two hundred
bytes before its first member; four bytes a member, packed, cost what they hold. So an
`IndexSet` is `bytes` (unsigned 32-bit, native order, no order among members) up to
`PACKED_MAX` members and a `BitMap` above. Values are replaced, never changed in place,
while packed; a `BitMap` is changed in place. Always keep what a function returns.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from pyroaring import BitMap

IndexSet = bytes | BitMap

EMPTY: IndexSet = b""
PACKED_MAX = 128
_WIDTH = 4
_ORDER = "little" if array("I", [1]).tobytes()[0] else "big"


def packed(indices: Iterable[int]) -> IndexSet:
    """The set of these indices."""
    found = BitMap(indices)
    if len(found) > PACKED_MAX:
        return found
    return array("I", found).tobytes()


def added(members: IndexSet, index: int) -> IndexSet:
    """The set with `index` in it."""
    if isinstance(members, BitMap):
        members.add(index)
        return members
    if index in memoryview(members).cast("I"):
        return members
    grown = members + index.to_bytes(_WIDTH, _ORDER)  # type: ignore[arg-type]  # a literal at import
    return as_bitmap(grown) if len(grown) > PACKED_MAX * _WIDTH else grown


def removed(members: IndexSet, index: int) -> IndexSet:
    """The set without `index`."""
    if isinstance(members, BitMap):
        members.discard(index)
        # Half the limit: a set on the edge does not change its form at every step.
        return packed(members) if len(members) <= PACKED_MAX // 2 else members
    if index not in memoryview(members).cast("I"):
        return members
    kept = [other for other in memoryview(members).cast("I") if other != index]
    return array("I", kept).tobytes()


def contains(members: IndexSet, index: int) -> bool:
    """Whether `index` is in the set."""
    if isinstance(members, BitMap):
        return index in members
    return index in memoryview(members).cast("I")


def size(members: IndexSet) -> int:
    """How many members the set has."""
    return len(members) if isinstance(members, BitMap) else len(members) // _WIDTH


def as_bitmap(members: IndexSet) -> BitMap:
    """The same set for set operations; not a copy if it is a bitmap already."""
    return members if isinstance(members, BitMap) else BitMap(array("I", members))


def union(sets: Iterable[IndexSet]) -> BitMap:
    """Every index that is in any of the sets; a new bitmap."""
    return unite(BitMap(), sets)


def unite(everything: BitMap, sets: Iterable[IndexSet]) -> BitMap:
    """Add every index that is in any of the sets to `everything`; the same bitmap.

    Adding to one bitmap that grows is ten times cheaper than a bitmap for each part:
    past 4,096 members a stretch of it is plain bits, and order no longer matters.
    """
    small: list[bytes] = []
    for members in sets:
        if isinstance(members, bytes):
            small.append(members)
        else:
            everything |= members
    if small:
        everything.update(array("I", b"".join(small)))
    return everything
