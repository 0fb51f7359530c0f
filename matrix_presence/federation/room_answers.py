"""Reads what other servers answer about rooms, and refuses what cannot be used.

Only shapes are checked here. Whether an event is signed, and may stand in the room, is
for those who take it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from matrix_presence.federation.client import BadAnswer
from matrix_presence.federation.long_json import Items
from matrix_presence.ids import is_server_name
from matrix_presence.wire.room_versions import ROOM_VERSIONS, RoomVersion

#: Characters. Source: appendices, "Room Versions".
_LONGEST_VERSION = 32

Pdu = dict[str, Any]
"""An event as it came, of which nothing is known but that it is an object."""


@attrs.frozen
class Template:
    """A member event that another server has prepared for us to sign."""

    version: RoomVersion
    event: Pdu


@attrs.frozen
class StateAnswer:
    """The state of a room before an event, and all that this state rests on.

    Either may be `Items`, of which each look at an event reads it anew.
    """

    state: Sequence[Pdu]
    auth_chain: Sequence[Pdu]
    #: The event, as the other server has signed it too; None where it did not.
    event: Pdu | None = None


@attrs.frozen
class FoundRoom:
    """Where an alias leads."""

    room_id: str
    #: Servers that may know the room.
    servers: tuple[str, ...]


def read_template(
    answer: Mapping[str, Any], room_id: str, user_id: str, membership: str
) -> Template:
    """The template of a member event, which is for us and says what we want (C-80).

    Raises:
        BadAnswer: it is for something else, or of a room version unknown to us.
    """
    # Servers of old know one version only.
    identifier = answer.get("room_version", "1")
    if type(identifier) is not str:
        raise BadAnswer("the version of the room is no text")
    version = ROOM_VERSIONS.get(identifier)
    if version is None:
        shown = identifier[:_LONGEST_VERSION]
        raise BadAnswer(f"the room has a version that is unknown here: {shown!r}")
    event = answer.get("event")
    if type(event) is not dict:
        raise BadAnswer("there is no event in the answer")
    said = event.get("content")
    if type(said) is not dict or said.get("membership") != membership:
        raise BadAnswer("the event is about another membership")
    asked = {
        "type": "m.room.member",
        "room_id": room_id,
        "sender": user_id,
        "state_key": user_id,
    }
    for key, value in asked.items():
        if event.get(key) != value:
            raise BadAnswer(f"the event has another {key}")
    for key in ("prev_events", "auth_events"):
        if type(event.get(key)) is not list:
            raise BadAnswer(f"the event has no {key}")
    if type(event.get("depth")) is not int:
        raise BadAnswer("the event has no depth")
    return Template(version, event)


def read_join(answer: Mapping[str, Any]) -> StateAnswer:
    """What came back for a join (C-81).

    Raises:
        BadAnswer: it is not the whole state.
    """
    if answer.get("members_omitted") is True:
        raise BadAnswer("the members were left out")
    event = answer.get("event")
    return StateAnswer(
        read_pdus(answer, "state"),
        read_pdus(answer, "auth_chain"),
        event if type(event) is dict else None,
    )


def read_pdus(answer: Mapping[str, Any], key: str) -> Sequence[Pdu]:
    """A list of events.

    Raises:
        BadAnswer: there is none, or something in it is no object.
    """
    found = answer.get(key)
    if isinstance(found, Items) and found.are_objects():
        return found
    if type(found) is not list or not all(type(item) is dict for item in found):
        raise BadAnswer(f"{key} is no list of events")
    return found


def read_ids(answer: Mapping[str, Any], key: str) -> list[str]:
    """A list of event ids.

    Raises:
        BadAnswer: there is none, or something in it is no text.
    """
    found = answer.get(key)
    if type(found) is not list or not all(type(item) is str for item in found):
        raise BadAnswer(f"{key} is no list of event ids")
    return found


def read_found_room(answer: Mapping[str, Any]) -> FoundRoom:
    """Where an alias leads.

    Raises:
        BadAnswer: nowhere.
    """
    room_id = answer.get("room_id")
    if type(room_id) is not str or not room_id.startswith("!"):
        raise BadAnswer("there is no room id in the answer")
    servers = answer.get("servers")
    listed = servers if type(servers) is list else []
    return FoundRoom(room_id, tuple(filter(is_server_name, listed)))
