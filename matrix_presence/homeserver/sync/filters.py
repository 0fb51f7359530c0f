"""What of a room a client wants to see: the room part of a filter.

Source: client-server API, "Filtering". The presence part of a filter is read by
`matrix_presence.wire.filters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import attrs
import orjson

from matrix_presence.errors import InvalidParam
from matrix_presence.homeserver.events import Event
from matrix_presence.wire.filters import (
    EVERYTHING,
    PresenceFilter,
    parse_presence_filter,
)

DEFAULT_LIMIT = 20
MAX_LIMIT = 500

_Test = Callable[[str], bool]


@attrs.frozen
class EventFilter:
    """Which events of one kind are wanted."""

    limit: int = DEFAULT_LIMIT
    #: None where all types are.
    is_type: _Test | None = None
    is_not_type: _Test | None = None
    senders: frozenset[str] | None = None
    not_senders: frozenset[str] = frozenset()
    rooms: frozenset[str] | None = None
    not_rooms: frozenset[str] = frozenset()
    #: Whether a URL in the content is asked for, or asked away; None for neither.
    contains_url: bool | None = None
    lazy_load_members: bool = False

    def allows_type(self, event_type: str) -> bool:
        """Whether events of this type are wanted."""
        if self.is_not_type is not None and self.is_not_type(event_type):
            return False
        return self.is_type is None or self.is_type(event_type)

    def allows_room(self, room_id: str) -> bool:
        """Whether events of this room are wanted."""
        if room_id in self.not_rooms:
            return False
        return self.rooms is None or room_id in self.rooms

    def allows(self, event: Event) -> bool:
        """Whether this event is wanted."""
        if event.sender in self.not_senders or not self.allows_room(event.room_id):
            return False
        if self.senders is not None and event.sender not in self.senders:
            return False
        if self.contains_url is not None:
            if (type(event.content.get("url")) is str) != self.contains_url:
                return False
        return self.allows_type(event.type)


@attrs.frozen
class SyncFilter:
    """Which parts of a /sync are wanted."""

    timeline: EventFilter = EventFilter()
    state: EventFilter = EventFilter()
    ephemeral: EventFilter = EventFilter()
    room_account_data: EventFilter = EventFilter()
    account_data: EventFilter = EventFilter()
    presence: PresenceFilter = EVERYTHING
    #: Which rooms are wanted at all.
    rooms: EventFilter = EventFilter()
    include_leave: bool = False
    #: Events as servers exchange them.
    federation_format: bool = False

    @property
    def fields(self) -> tuple[tuple[str, ...], ...] | None:
        """Paths of the keys to keep of each event; None for all."""
        return self.presence.fields


ALL = SyncFilter()


@lru_cache(maxsize=256)
def parse_inline_filter(text: str) -> SyncFilter:
    """The filter that is this JSON; clients send the same one again and again.

    Raises:
        InvalidParam: it is no filter.
    """
    return parse_filter(_json_object(text))


def parse_filter(definition: Mapping[str, Any]) -> SyncFilter:
    """The filter of this definition.

    Raises:
        InvalidParam: something in it has not the type that the specification gives.
    """
    room = _part(definition, "room")
    return SyncFilter(
        timeline=parse_event_filter(_part(room, "timeline")),
        state=parse_event_filter(_part(room, "state")),
        ephemeral=parse_event_filter(_part(room, "ephemeral")),
        room_account_data=parse_event_filter(_part(room, "account_data")),
        account_data=parse_event_filter(_part(definition, "account_data")),
        presence=parse_presence_filter(definition),
        rooms=parse_event_filter(
            {key: room[key] for key in ("rooms", "not_rooms") if key in room}
        ),
        include_leave=bool(_flag(room, "include_leave")),
        federation_format=definition.get("event_format") == "federation",
    )


@lru_cache(maxsize=64)
def parse_inline_event_filter(text: str) -> EventFilter:
    """The `filter` of /messages and /context.

    Raises:
        InvalidParam: it is no filter.
    """
    return parse_event_filter(_json_object(text))


def parse_event_filter(part: Mapping[str, Any]) -> EventFilter:
    """One RoomEventFilter.

    Raises:
        InvalidParam: something in it has a wrong type.
    """
    limit = part.get("limit")
    if limit is None:
        limit = DEFAULT_LIMIT
    elif type(limit) is not int or limit < 0:
        raise InvalidParam("The filter's 'limit' must be an integer above 0")
    return EventFilter(
        limit=max(1, min(limit, MAX_LIMIT)),
        is_type=_type_test(_texts(part, "types")),
        is_not_type=_type_test(_texts(part, "not_types")),
        senders=_texts(part, "senders"),
        not_senders=_texts(part, "not_senders") or frozenset(),
        rooms=_texts(part, "rooms"),
        not_rooms=_texts(part, "not_rooms") or frozenset(),
        contains_url=_flag(part, "contains_url"),
        lazy_load_members=bool(_flag(part, "lazy_load_members")),
    )


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if type(value) is not dict:
        raise InvalidParam("The filter must be a JSON object")
    return value


def _part(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if type(value) is not dict:
        raise InvalidParam(f"The filter's {key!r} must be an object")
    return value


def _flag(part: Mapping[str, Any], key: str) -> bool | None:
    value = part.get(key)
    if value is not None and type(value) is not bool:
        raise InvalidParam(f"The filter's {key!r} must be true or false")
    return value


def _texts(part: Mapping[str, Any], key: str) -> frozenset[str] | None:
    value = part.get(key)
    if value is None:
        return None
    if type(value) is not list or not all(type(item) is str for item in value):
        raise InvalidParam(f"The filter's {key!r} must be an array of strings")
    return frozenset(value)


def _type_test(types: frozenset[str] | None) -> _Test | None:
    """Whether a type is one of these, in which `*` stands for anything."""
    if types is None:
        return None
    if not any("*" in item for item in types):
        return types.__contains__
    # A run of stars says no more than one, and costs a backtracking search.
    patterns = (re.sub(r"\*+", "*", item) for item in types)
    expression = re.compile(
        "|".join(".*".join(map(re.escape, item.split("*"))) for item in patterns),
        re.DOTALL,
    )
    return lambda event_type: expression.fullmatch(event_type) is not None
