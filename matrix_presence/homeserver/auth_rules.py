"""The authorization rules: whether an event may stand in a room.

Follows the rules of each room version ("Authorization rules" in the Matrix
specification), from the state before the event. What is left out: invites by e-mail
address (`third_party_invite`) are always refused, for there is no identity server
here. That an event is signed by those it names is checked where events come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.events import Event, StateKey
from matrix_presence.homeserver.power_levels import PowerLevels, creators
from matrix_presence.ids import is_user_id, server_of
from matrix_presence.wire.room_versions import ROOM_VERSIONS, RoomVersion

State = Mapping[StateKey, Event]

_CREATE = ("m.room.create", "")


def auth_keys(
    event_type: str,
    sender: str,
    state_key: str | None,
    content: Mapping[str, Any],
    version: RoomVersion,
) -> list[StateKey]:
    """The state that decides about an event: what `auth_events` refers to.

    Source: server-server API, "Auth events selection".
    """
    if event_type == "m.room.create":
        return []
    keys = [("m.room.power_levels", ""), ("m.room.member", sender)]
    if not version.creators_above_all:
        keys.insert(0, _CREATE)
    if event_type != "m.room.member" or state_key is None:
        return keys
    if state_key != sender:
        keys.append(("m.room.member", state_key))
    if content.get("membership") in ("join", "invite", "knock"):
        keys.append(("m.room.join_rules", ""))
    authorising = content.get("join_authorised_via_users_server")
    if version.restricted and type(authorising) is str and authorising != sender:
        keys.append(("m.room.member", authorising))
    return keys


def authorize(event: Event, version: RoomVersion, state: State) -> None:
    """Refuse an event that may not stand in the room after this state.

    Raises:
        Forbidden: with the reason.
    """
    if event.type == "m.room.create":
        _authorize_create(event, version)
        return
    create = state.get(_CREATE)
    if create is None:
        raise Forbidden("The room has not been created")
    origin = server_of(event.sender)
    if create.content.get("m.federate", True) is False and origin != server_of(
        create.sender
    ):
        raise Forbidden("This room is not open to other servers")
    if event.type == "m.room.aliases" and version.special_aliases:
        if event.state_key != origin:
            raise Forbidden("Only a server itself lists its aliases")
        return
    levels = PowerLevels(version, state)
    if event.type == "m.room.member":
        _authorize_member(event, version, state, levels)
        return
    if membership_of(event.sender, state) != "join":
        raise Forbidden("You are not in this room")
    _authorize_by_level(event, version, levels)


def membership_of(user_id: str, state: State) -> str:
    """The membership of a user in that state; `leave` without any."""
    event = state.get(("m.room.member", user_id))
    return "leave" if event is None else event.membership or "leave"


def _authorize_create(event: Event, version: RoomVersion) -> None:
    if event.pdu.get("prev_events"):
        raise Forbidden("A room is created once")
    if version.creators_above_all:
        if "room_id" in event.pdu:
            raise Forbidden("The create event does not name its room")
        additional = event.content.get("additional_creators", [])
        if type(additional) is not list or not all(map(is_user_id, additional)):
            raise Forbidden("`additional_creators` must be a list of user ids")
    elif server_of(event.room_id) != server_of(event.sender):
        raise Forbidden("A room is created on the server that it is named after")
    identifier = event.content.get("room_version", "1")
    if type(identifier) is not str or identifier not in ROOM_VERSIONS:
        raise Forbidden("Unknown room version")
    if not version.modern_redaction and "creator" not in event.content:
        raise Forbidden("The create event does not name the creator")


def _authorize_by_level(
    event: Event, version: RoomVersion, levels: PowerLevels
) -> None:
    """Rules 7 to 11: events that are not about a membership."""
    level = levels.of_user(event.sender)
    if event.type == "m.room.third_party_invite":
        required = levels.to("invite")
    else:
        required = levels.to_send(event.type, state=event.state_key is not None)
    if level < required:
        raise Forbidden(f"Sending {event.type} takes power level {required}")
    if event.state_key and event.state_key.startswith("@"):
        if event.state_key != event.sender:
            raise Forbidden("This state belongs to another user")
    if event.type == "m.room.power_levels" and event.state_key is not None:
        levels.check_change(event)
    if event.type == "m.room.redaction" and version.redaction_is_authorized:
        same_server = server_of(event.redacts or "") == server_of(event.event_id)
        if level < levels.to("redact") and not same_server:
            raise Forbidden("You may not redact what others have sent")


def _authorize_member(
    event: Event, version: RoomVersion, state: State, levels: PowerLevels
) -> None:
    """Rule 5: each membership has its own."""
    if event.state_key is None:
        raise Forbidden("A membership is that of a user")
    match event.content.get("membership"):
        case "join":
            _authorize_join(event, version, state, levels)
        case "invite":
            _authorize_invite(event, state, levels)
        case "leave":
            _authorize_leave(event, version, state, levels)
        case "ban":
            _authorize_ban(event, state, levels)
        case "knock" if version.knock:
            _authorize_knock(event, version, state)
        case _:
            raise Forbidden("Unknown membership")


def _authorize_join(
    event: Event, version: RoomVersion, state: State, levels: PowerLevels
) -> None:
    assert event.state_key is not None
    if _is_creators_first_join(event, version, state):
        return
    if event.sender != event.state_key:
        raise Forbidden("Nobody joins for someone else")
    before = membership_of(event.sender, state)
    if before == "ban":
        raise Forbidden("You are banned from this room")
    rule = join_rule(version, state)
    if rule == "public" or (before in ("invite", "join") and rule != "private"):
        return
    if rule in ("restricted", "knock_restricted"):
        authorising = event.content.get("join_authorised_via_users_server")
        if (
            type(authorising) is str
            and server_of(authorising) in event.pdu.get("signatures", {})
            and membership_of(authorising, state) == "join"
            and levels.of_user(authorising) >= levels.to("invite")
        ):
            return
    raise Forbidden("You are not invited to this room")


def _is_creators_first_join(event: Event, version: RoomVersion, state: State) -> bool:
    """Nobody can let the first one in."""
    before = event.pdu.get("prev_events", [])
    # Versions 1 and 2 add the hash of each event they refer to.
    ids = [item[0] if type(item) is list else item for item in before]
    if ids != [state[_CREATE].event_id]:
        return False
    if version.creators_above_all:
        return event.state_key == state[_CREATE].sender
    return event.state_key in creators(version, state)


def join_rule(version: RoomVersion, state: State) -> str:
    """The join rule of the room as far as its version knows it.

    A rule that the version does not know lets in nobody, as `private` does.
    """
    event = state.get(("m.room.join_rules", ""))
    rule = "invite" if event is None else event.content.get("join_rule")
    known = {"public": True, "invite": True, "knock": version.knock}
    known["restricted"] = version.restricted
    known["knock_restricted"] = version.knock_restricted
    return rule if type(rule) is str and known.get(rule) else "private"


def _authorize_invite(event: Event, state: State, levels: PowerLevels) -> None:
    assert event.state_key is not None
    if "third_party_invite" in event.content:
        raise Forbidden("Invites by third parties are not supported")
    if membership_of(event.sender, state) != "join":
        raise Forbidden("You are not in this room")
    match membership_of(event.state_key, state):
        case "join":
            raise Forbidden("This user is in the room already")
        case "ban":
            raise Forbidden("This user is banned from the room")
    if levels.of_user(event.sender) < levels.to("invite"):
        raise Forbidden("You may not invite to this room")


def _authorize_leave(
    event: Event, version: RoomVersion, state: State, levels: PowerLevels
) -> None:
    assert event.state_key is not None
    before = membership_of(event.state_key, state)
    if event.sender == event.state_key:
        leavable = ("invite", "join", "knock") if version.knock else ("invite", "join")
        if before not in leavable:
            raise Forbidden("You are not in this room")
        return
    if membership_of(event.sender, state) != "join":
        raise Forbidden("You are not in this room")
    level = levels.of_user(event.sender)
    if before == "ban" and level < levels.to("ban"):
        raise Forbidden("You may not unban from this room")
    if level < levels.to("kick") or level <= levels.of_user(event.state_key):
        raise Forbidden("You may not kick this user")


def _authorize_ban(event: Event, state: State, levels: PowerLevels) -> None:
    assert event.state_key is not None
    if membership_of(event.sender, state) != "join":
        raise Forbidden("You are not in this room")
    level = levels.of_user(event.sender)
    if level < levels.to("ban") or level <= levels.of_user(event.state_key):
        raise Forbidden("You may not ban this user")


def _authorize_knock(event: Event, version: RoomVersion, state: State) -> None:
    if join_rule(version, state) not in ("knock", "knock_restricted"):
        raise Forbidden("This room does not take knocks")
    if event.sender != event.state_key:
        raise Forbidden("Nobody knocks for someone else")
    if membership_of(event.sender, state) in ("ban", "invite", "join"):
        raise Forbidden("You cannot knock on this room")
