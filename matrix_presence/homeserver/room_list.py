"""The list of public rooms as it is asked for, by clients and by other servers."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import BadJson, InvalidParam
from matrix_presence.homeserver.api.arguments import (
    listing,
    mapping,
    optional_text,
    whole_number,
)
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.web.call import Call

_MAX_PAGE = 500
_MAX_DIGITS = 9


@attrs.frozen
class ListWish:
    """Which part of the list is wanted."""

    limit: int
    #: How many rooms went before, as text; None from the first on.
    since: str | None
    #: Part of a name, a topic or an alias; empty fits all.
    term: str = ""
    #: The types of room that are wanted, None among them being an ordinary one.
    types: list[Any] | None = None


def read_query(call: Call) -> ListWish:
    """What the query of a GET asks for.

    Raises:
        InvalidParam: the limit is no number.
    """
    limit = call.query("limit")
    number = _MAX_PAGE if limit is None else _number(limit, "limit")
    return ListWish(number, call.query("since"))


def read_search(body: dict[str, Any]) -> ListWish:
    """What the body of a POST asks for.

    Raises:
        BadJson: something in it has the wrong type.
    """
    only = mapping(body, "filter", {})
    types = None
    if only.get("room_types") is not None:
        types = listing(only, "room_types")
        if not all(item is None or type(item) is str for item in types):
            raise BadJson("'room_types' must be an array of texts or null")
    return ListWish(
        whole_number(body, "limit", _MAX_PAGE),
        optional_text(body, "since"),
        optional_text(only, "generic_search_term") or "",
        types,
    )


def page_of(directory: RoomDirectory, wish: ListWish) -> dict[str, Any]:
    """The part of our list that is wanted.

    Raises:
        InvalidParam: it cannot begin there.
    """
    first = _number(wish.since, "since") if wish.since else 0
    last = first + max(1, min(wish.limit, _MAX_PAGE))
    found = directory.search(wish.term, wish.types)
    answer: dict[str, Any] = {
        "chunk": found[first:last],
        "total_room_count_estimate": len(found),
    }
    if last < len(found):
        answer["next_batch"] = str(last)
    if first > 0:
        answer["prev_batch"] = str(max(0, 2 * first - last))
    return answer


def _number(value: str, name: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS):
        raise InvalidParam(f"'{name}' must be a number of rooms")
    return int(value)
