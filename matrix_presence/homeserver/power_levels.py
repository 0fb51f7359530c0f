"""Who may do what in a room: its power levels, and who may change them.

Source: client-server API, `m.room.power_levels`; rule 10 of the authorization rules of
each room version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.events import Event, StateKey
from matrix_presence.ids import is_user_id
from matrix_presence.wire.room_versions import RoomVersion

#: Above every power level that can be written down (2**53 - 1 is the highest).
CREATOR_LEVEL = 2**53

_DEFAULTS = {
    "users_default": 0,
    "events_default": 0,
    "state_default": 50,
    "ban": 50,
    "kick": 50,
    "redact": 50,
    "invite": 0,
}


class PowerLevels:
    """The power levels of a room at one moment."""

    __slots__ = ("_content", "_creators", "_given", "_version")

    def __init__(self, version: RoomVersion, state: Mapping[StateKey, Event]) -> None:
        self._version = version
        self._creators = creators(version, state)
        event = state.get(("m.room.power_levels", ""))
        #: Whether the room has such an event; without one, other defaults hold.
        self._given = event is not None
        self._content: dict[str, Any] = event.content if event is not None else {}

    def of_user(self, user_id: str) -> int:
        """The level of this user."""
        if user_id in self._creators:
            if self._version.creators_above_all:
                return CREATOR_LEVEL
            if not self._given:
                return 100
        own = self._number(_object(self._content.get("users")).get(user_id))
        return self.to("users_default") if own is None else own

    def to(self, action: str) -> int:
        """The level that `ban`, `kick`, `redact`, `invite` or a default asks for."""
        given = self._number(self._content.get(action))
        if given is not None:
            return given
        if action == "state_default" and not self._given:
            return 0
        return _DEFAULTS[action]

    def to_send(self, event_type: str, *, state: bool) -> int:
        """The level that sending an event of this type asks for."""
        given = self._number(_object(self._content.get("events")).get(event_type))
        if given is not None:
            return given
        return self.to("state_default" if state else "events_default")

    def check_change(self, event: Event) -> None:
        """Refuse new power levels that their sender may not set.

        Raises:
            Forbidden: with the reason.
        """
        new = event.content
        self._check_form(new)
        if not self._given:
            return
        level = self.of_user(event.sender)
        for name in _DEFAULTS:
            self._check_alteration(name, self._content.get(name), new.get(name), level)
        maps = ["events"]
        if self._version.guards_notifications:
            maps.append("notifications")
        for name in maps:
            for key, before, after in _altered(self._content.get(name), new.get(name)):
                self._check_alteration(f"{name}.{key}", before, after, level)
        for user_id, before, after in _altered(
            self._content.get("users"), new.get("users")
        ):
            self._check_alteration(f"users.{user_id}", before, after, level)
            if user_id != event.sender and self._number(before) == level:
                raise Forbidden("You cannot change the level of your equal")

    def _check_alteration(
        self, name: str, before: object, after: object, level: int
    ) -> None:
        if before == after and type(before) is type(after):
            return
        for value in (before, after):
            number = self._number(value)
            if number is not None and number > level:
                raise Forbidden(f"Your power level does not reach {name}: {number}")

    def _check_form(self, content: dict[str, Any]) -> None:
        users = content.get("users", {})
        if type(users) is not dict or not all(
            is_user_id(user_id) and self._number(level) is not None
            for user_id, level in users.items()
        ):
            raise Forbidden("`users` must give an integer to each user id")
        if self._version.creators_above_all and not self._creators.isdisjoint(users):
            raise Forbidden("The creators of a room have no power level")
        if not self._version.integer_power_levels:
            return
        for name in _DEFAULTS:
            if name in content and type(content[name]) is not int:
                raise Forbidden(f"`{name}` must be an integer")
        for name in ("events", "notifications"):
            levels = content.get(name, {})
            if type(levels) is not dict or not all(
                type(level) is int for level in levels.values()
            ):
                raise Forbidden(f"`{name}` must give an integer to each key")

    def _number(self, value: object) -> int | None:
        """The level that is written like this; None when it is none.

        Up to version 9, text that reads as an integer is one.
        """
        if type(value) is int:
            return value
        if type(value) is str and not self._version.integer_power_levels:
            try:
                return int(value)
            except ValueError:
                return None
        return None


def creators(version: RoomVersion, state: Mapping[StateKey, Event]) -> set[str]:
    """The users who made the room; nobody before its create event."""
    create = state.get(("m.room.create", ""))
    if create is None:
        return set()
    if not version.modern_redaction:
        creator = create.content.get("creator")
        return {creator} if type(creator) is str else set()
    if not version.creators_above_all:
        return {create.sender}
    return {create.sender, *create.content.get("additional_creators", ())}


def _object(value: object) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _altered(before: object, after: object) -> list[tuple[str, object, object]]:
    """Each key whose value was added, changed or removed, with both values."""
    old, new = _object(before), _object(after)
    return [
        (key, old.get(key), new.get(key))
        for key in old.keys() | new.keys()
        if old.get(key) != new.get(key) or type(old.get(key)) is not type(new.get(key))
    ]
