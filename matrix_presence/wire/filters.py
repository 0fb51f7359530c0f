"""The presence part of a `/sync` filter.

Source: client-server API, "Filtering": `presence` is an EventFilter, `event_fields`
applies to all of the response (A-91…A-93).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import translate
from re import compile as compiled
from typing import Any

import attrs

from matrix_presence.errors import InvalidParam
from matrix_presence.wire.lists import INVITE

EVENT_TYPE = "m.presence"


@attrs.frozen
class PresenceFilter:
    """Which presence events a client wants."""

    #: False: none at all, whoever changes.
    wanted: bool = True
    #: Whether invites to presence lists are wanted; they come with the presence and do
    #: not wake a client that wants none of it.
    invites: bool = True
    #: None for anybody.
    senders: frozenset[str] | None = None
    not_senders: frozenset[str] = frozenset()
    #: At most so many, those that changed last (A-92); None for all.
    limit: int | None = None
    #: Paths of keys to keep; None for all.
    fields: tuple[tuple[str, ...], ...] | None = None

    def allows(self, sender: str) -> bool:
        """Whether events of this sender are wanted."""
        return self.wanted and self._is_of(sender)

    def allows_invite(self, sender: str) -> bool:
        """Whether an invite by this sender is wanted (A-69)."""
        return self.invites and self._is_of(sender)

    def _is_of(self, sender: str) -> bool:
        if sender in self.not_senders:
            return False
        return self.senders is None or sender in self.senders

    @property
    def asks_for_senders(self) -> bool:
        """Whether it depends on the sender what is wanted."""
        return self.senders is not None or bool(self.not_senders)


EVERYTHING = PresenceFilter()


def parse_presence_filter(filter_json: Mapping[str, Any]) -> PresenceFilter:
    """The presence part of a whole `/sync` filter.

    Raises:
        InvalidParam: something in it has not the type that the specification gives.
    """
    fields = _texts(filter_json, "event_fields")
    part = filter_json.get("presence")
    if part is None:
        part = {}
    if not isinstance(part, Mapping):
        raise InvalidParam("The filter's 'presence' must be an object")
    types = _texts(part, "types")
    not_types = _texts(part, "not_types") or ()
    senders = _texts(part, "senders")
    return PresenceFilter(
        wanted=_is_wanted(EVENT_TYPE, types, not_types),
        invites=_is_wanted(INVITE, types, not_types),
        senders=None if senders is None else frozenset(senders),
        not_senders=frozenset(_texts(part, "not_senders") or ()),
        limit=_limit(part),
        # An empty list is how some clients say that they do not care.
        fields=tuple(map(_path, fields)) if fields else None,
    )


def _texts(part: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    value = part.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise InvalidParam(f"The filter's {key!r} must be an array of strings")
    return tuple(value)


def _limit(part: Mapping[str, Any]) -> int | None:
    limit = part.get("limit")
    if limit is None:
        return None
    if type(limit) is not int or limit <= 0:
        raise InvalidParam("The filter's 'limit' must be a positive integer")
    return limit


def _is_wanted(
    event_type: str, types: Iterable[str] | None, not_types: Iterable[str]
) -> bool:
    if types is not None and not _matches(event_type, types):
        return False
    return not _matches(event_type, not_types)


def _matches(event_type: str, types: Iterable[str]) -> bool:
    """Whether any of these, in which `*` stands for anything, is this type (A-91)."""
    return any(
        pattern == event_type or ("*" in pattern and _globs(pattern, event_type))
        for pattern in types
    )


def _globs(pattern: str, event_type: str) -> bool:
    # Only `*` is special in a filter; fnmatch would read `?` and `[` as well.
    plain = pattern.replace("[", "[[]").replace("?", "[?]")
    return compiled(translate(plain)).match(event_type) is not None


def _path(field: str) -> tuple[str, ...]:
    """The keys of a dotted path, in which a backslash keeps a dot or a backslash."""
    keys = [""]
    characters = iter(field)
    for character in characters:
        if character == ".":
            keys.append("")
        elif character == "\\":
            keys[-1] += next(characters, "\\")
        else:
            keys[-1] += character
    return tuple(keys)


def only_fields(
    event: dict[str, Any], fields: tuple[tuple[str, ...], ...] | None
) -> dict[str, Any]:
    """The event with these paths and nothing else (A-93); as it is for None."""
    if fields is None:
        return event
    kept: dict[str, Any] = {}
    for path in fields:
        source: Any = event
        target = kept
        for key in path[:-1]:
            source = source.get(key) if isinstance(source, dict) else None
            if not isinstance(source, dict):
                break
            target = target.setdefault(key, {})
        else:
            if isinstance(source, dict) and path[-1] in source:
                target[path[-1]] = source[path[-1]]
    return kept
