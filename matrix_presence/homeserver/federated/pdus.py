"""Events of other servers at the door: whether they have the form of one at all.

Whatever passes has every key that the rest of the homeserver reads, of the right type
and within the limits. Source: the event format of each room version; client-server API,
"Size limits".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_presence.homeserver.drafts import MAX_EVENT_BYTES, MAX_FIELD_BYTES
from matrix_presence.homeserver.events import Event
from matrix_presence.ids import is_user_id
from matrix_presence.wire.canonical import NotCanonical, canonical
from matrix_presence.wire.room_versions import EventIds, RoomVersion
from matrix_presence.wire.signing import event_id_of, room_id_of_create

#: Source: server-server API, "PDUs": as many references as an event may have.
_MOST_PREV, _MOST_AUTH = 20, 10


class BadPdu(ValueError):
    """This is no event of its room version, or not one of who it says."""


def read_pdu(value: object, version: RoomVersion) -> Event:
    """The event that this JSON is; nobody knows yet who made it.

    Raises:
        BadPdu: it is none.
    """
    if type(value) is not dict:
        raise BadPdu("an event is an object")
    # What other servers add to an event is no part of it.
    pdu = {key: item for key, item in value.items() if key != "unsigned"}
    try:
        size = len(canonical(pdu))
    except NotCanonical as reason:
        raise BadPdu(str(reason)) from None
    if size > MAX_EVENT_BYTES:
        raise BadPdu(f"an event has at most {MAX_EVENT_BYTES} bytes, not {size}")
    _check_texts(pdu, version)
    _check_numbers(pdu)
    _check_objects(pdu)
    _check_references(pdu, "prev_events", version, _MOST_PREV)
    _check_references(pdu, "auth_events", version, _MOST_AUTH)
    return Event(event_id_of(pdu, version), _room_id(pdu, version), pdu, version)


def _check_texts(pdu: Mapping[str, Any], version: RoomVersion) -> None:
    names = ["type", "sender"]
    if version.event_ids is EventIds.CHOSEN:
        names.append("event_id")
    if "state_key" in pdu:
        names.append("state_key")
    for name in names:
        _check_text(pdu.get(name), name)
    if not is_user_id(pdu["sender"]):
        raise BadPdu("sender is no user id")
    if names[-1] == "state_key" and pdu["type"] == "m.room.member":
        if not is_user_id(pdu["state_key"]):
            raise BadPdu("state_key is no user id")
    if version.event_ids is EventIds.CHOSEN:
        if not pdu["event_id"].startswith("$") or ":" not in pdu["event_id"]:
            raise BadPdu("event_id is no event id")


def _check_text(value: object, name: str) -> None:
    if type(value) is not str:
        raise BadPdu(f"{name} is no text")
    if len(value.encode()) > MAX_FIELD_BYTES:
        raise BadPdu(f"{name} is longer than {MAX_FIELD_BYTES} bytes")
    if "\0" in value:
        raise BadPdu(f"{name} holds a NUL")


def _check_numbers(pdu: Mapping[str, Any]) -> None:
    for name in ("origin_server_ts", "depth"):
        if type(pdu.get(name)) is not int or pdu[name] < 0:
            raise BadPdu(f"{name} is no number from 0 on")


def _check_objects(pdu: Mapping[str, Any]) -> None:
    for name in ("content", "hashes", "signatures"):
        if type(pdu.get(name)) is not dict:
            raise BadPdu(f"{name} is no object")
    if not all(type(by) is dict for by in pdu["signatures"].values()):
        raise BadPdu("signatures have a server and a key each")
    if pdu["type"] == "m.room.member":
        content = pdu["content"]
        if type(content.get("membership")) is not str:
            raise BadPdu("membership is no text")
        authorising = content.get("join_authorised_via_users_server")
        if authorising is not None and not is_user_id(authorising):
            raise BadPdu("join_authorised_via_users_server is no user id")


def _check_references(
    pdu: Mapping[str, Any], name: str, version: RoomVersion, most: int
) -> None:
    found = pdu.get(name)
    if type(found) is not list:
        raise BadPdu(f"{name} is no list")
    if len(found) > most:
        raise BadPdu(f"{name} has more than {most} events")
    with_hash = version.event_ids is EventIds.CHOSEN
    for item in found:
        if with_hash and type(item) is list and len(item) == 2:
            item = item[0]
        elif with_hash:
            raise BadPdu(f"{name} lacks a hash")
        if type(item) is not str or not 1 < len(item) <= MAX_FIELD_BYTES:
            raise BadPdu(f"{name} has what is no event id")


def _room_id(pdu: Mapping[str, Any], version: RoomVersion) -> str:
    if version.creators_above_all and pdu["type"] == "m.room.create":
        if "room_id" in pdu:
            raise BadPdu("a create event does not name its room")
        return room_id_of_create(pdu, version)
    _check_text(pdu.get("room_id"), "room_id")
    room_id: str = pdu["room_id"]
    if not room_id.startswith("!"):
        raise BadPdu("room_id is no room id")
    return room_id
