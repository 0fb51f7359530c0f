"""From a `createRoom` request to the first events of a room.

Source: client-server API, `POST /createRoom`: which events, and in which order.
"""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import BadJson, Forbidden
from matrix_presence.homeserver.drafts import Draft
from matrix_presence.homeserver.memberships import Memberships
from matrix_presence.homeserver.refusals import InvalidRoomState
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.wire.room_versions import RoomVersion


@attrs.frozen
class Preset:
    """What a kind of room begins with."""

    join_rule: str
    guest_access: str
    #: The power level it takes to invite.
    invite: int = 0
    #: Those who are invited can do what the creator can.
    trusted: bool = False


PRESETS = {
    "private_chat": Preset("invite", "can_join"),
    "trusted_private_chat": Preset("invite", "can_join", trusted=True),
    "public_chat": Preset("public", "forbidden", invite=50),
}


@attrs.frozen(kw_only=True)
class Wish:
    """What a client asks for; the types have been checked."""

    version: RoomVersion
    preset: Preset
    alias: str | None = None
    name: str | None = None
    topic: str | None = None
    is_direct: bool = False
    #: Users of this server, and of others: those are asked once there is a room.
    invite: tuple[str, ...] = ()
    invite_elsewhere: tuple[str, ...] = ()
    creation_content: dict[str, Any] = attrs.Factory(dict)
    initial_state: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    power_levels: dict[str, Any] = attrs.Factory(dict)


def create_room(
    rooms: Rooms, memberships: Memberships, creator: str, wish: Wish
) -> Room:
    """A new room as wished for.

    Raises:
        InvalidRoomState: the wishes contradict each other.
        NotFound, Forbidden, InvalidParam: someone cannot be invited.
        BadJson, TooLarge: what is wished for cannot be said in an event.
    """
    for user_id in wish.invite:
        memberships.check_reachable(user_id)
    try:
        return rooms.create(_drafts(memberships, creator, wish), wish.version)
    except Forbidden as refusal:
        raise InvalidRoomState(refusal.error) from None


def _drafts(memberships: Memberships, creator: str, wish: Wish) -> list[Draft]:
    drafts = [
        Draft(creator, "m.room.create", _creation_content(creator, wish), ""),
        memberships.member_draft(creator, creator, "join"),
        Draft(creator, "m.room.power_levels", _power_levels(creator, wish), ""),
    ]

    def state(event_type: str, content: dict[str, Any], state_key: str = "") -> None:
        drafts.append(Draft(creator, event_type, content, state_key))

    if wish.alias is not None:
        state("m.room.canonical_alias", {"alias": wish.alias})
    given = {(event_type, key) for event_type, key, _ in wish.initial_state}
    for event_type, content in (
        ("m.room.join_rules", {"join_rule": wish.preset.join_rule}),
        ("m.room.history_visibility", {"history_visibility": "shared"}),
        ("m.room.guest_access", {"guest_access": wish.preset.guest_access}),
    ):
        if (event_type, "") not in given:
            state(event_type, content)
    for event_type, key, content in wish.initial_state:
        state(event_type, content, key)
    if wish.name is not None:
        state("m.room.name", {"name": wish.name})
    if wish.topic is not None:
        state("m.room.topic", {"topic": wish.topic})
    for user_id in dict.fromkeys(wish.invite):
        drafts.append(
            memberships.member_draft(
                creator, user_id, "invite", is_direct=wish.is_direct or None
            )
        )
    return drafts


def _creation_content(creator: str, wish: Wish) -> dict[str, Any]:
    content = {**wish.creation_content, "room_version": wish.version.identifier}
    content.pop("creator", None)
    if not wish.version.modern_redaction:
        content["creator"] = creator
    invited = (*wish.invite, *wish.invite_elsewhere)
    if wish.version.creators_above_all and wish.preset.trusted and invited:
        named = content.get("additional_creators", [])
        if type(named) is not list or not all(type(item) is str for item in named):
            raise BadJson("`additional_creators` must be a list of user ids")
        content["additional_creators"] = list(dict.fromkeys([*named, *invited]))
    return content


def _power_levels(creator: str, wish: Wish) -> dict[str, Any]:
    above_all = wish.version.creators_above_all
    users = {} if above_all else {creator: 100}
    if wish.preset.trusted and not above_all:
        users |= dict.fromkeys((*wish.invite, *wish.invite_elsewhere), 100)
    return {
        "users": users,
        "users_default": 0,
        "events": {
            "m.room.avatar": 50,
            "m.room.canonical_alias": 50,
            "m.room.encryption": 100,
            "m.room.history_visibility": 100,
            "m.room.name": 50,
            "m.room.power_levels": 100,
            "m.room.server_acl": 100,
            # Who ends a room of version 12 should be one of those who made it.
            "m.room.tombstone": 150 if above_all else 100,
        },
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": wish.preset.invite,
        **wish.power_levels,
    }
