"""Room versions 1 to 12: what differs between them, as flags.

Nothing else in this package compares version numbers. Source: Matrix specification,
"Room Versions"; each flag names the version that brought the difference.
"""

from __future__ import annotations

from enum import Enum

import attrs


class EventIds(Enum):
    """Where the id of an event comes from."""

    #: `$opaque:domain`, inside the event (versions 1 and 2).
    CHOSEN = 1
    #: `$` and the reference hash in standard base64 (version 3).
    HASHED = 2
    #: `$` and the reference hash in URL-safe base64 (version 4).
    HASHED_URL_SAFE = 3


@attrs.frozen(kw_only=True)
class RoomVersion:
    """The rules of one room version."""

    identifier: str
    event_ids: EventIds = EventIds.HASHED_URL_SAFE
    #: Who may redact is an authorization rule (1, 2), not a later check (3).
    redaction_is_authorized: bool = False
    #: Keys of servers are only believed while they are valid (5).
    enforces_key_validity: bool = True
    #: `m.room.aliases` means something: any member of a server may list its aliases,
    #: and a redaction keeps them (up to 5).
    special_aliases: bool = False
    #: `notifications` in power levels is guarded (6).
    guards_notifications: bool = True
    knock: bool = True
    restricted: bool = True
    knock_restricted: bool = True
    #: A redaction keeps `allow` of join rules (8).
    keeps_allow: bool = True
    #: A redaction keeps `join_authorised_via_users_server` (9).
    keeps_authorising_user: bool = True
    #: Power levels are integers; before, text that reads as one would do (10).
    integer_power_levels: bool = True
    #: The redaction rules of 11; its creator is the sender of the create event, and
    #: `redacts` is in the content.
    modern_redaction: bool = True
    #: The room id is the hash of the create event, and creators stand above all power
    #: levels (12).
    creators_above_all: bool = False


_V12 = RoomVersion(identifier="12", creators_above_all=True)
_V11 = RoomVersion(identifier="11")
_V10 = attrs.evolve(_V11, identifier="10", modern_redaction=False)
_V9 = attrs.evolve(
    _V10, identifier="9", integer_power_levels=False, knock_restricted=False
)
_V8 = attrs.evolve(_V9, identifier="8", keeps_authorising_user=False)
_V7 = attrs.evolve(_V8, identifier="7", restricted=False, keeps_allow=False)
_V6 = attrs.evolve(_V7, identifier="6", knock=False)
_V5 = attrs.evolve(
    _V6, identifier="5", special_aliases=True, guards_notifications=False
)
_V4 = attrs.evolve(_V5, identifier="4", enforces_key_validity=False)
_V3 = attrs.evolve(_V4, identifier="3", event_ids=EventIds.HASHED)
_V2 = attrs.evolve(
    _V3, identifier="2", event_ids=EventIds.CHOSEN, redaction_is_authorized=True
)
_V1 = attrs.evolve(_V2, identifier="1")

ROOM_VERSIONS = {
    version.identifier: version
    for version in (_V1, _V2, _V3, _V4, _V5, _V6, _V7, _V8, _V9, _V10, _V11, _V12)
}
"""Every version we make and join rooms of, by its identifier."""

DEFAULT_ROOM_VERSION = _V11
