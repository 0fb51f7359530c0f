"""What is left of an event when it is redacted, for each room version.

The same form is what hashes and signatures cover, so a redacted event still verifies.
Source: Matrix specification, "Redactions" of each room version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_presence.wire.room_versions import RoomVersion

_KEPT = (
    "event_id",
    "type",
    "room_id",
    "sender",
    "state_key",
    "content",
    "hashes",
    "signatures",
    "depth",
    "prev_events",
    "auth_events",
    "origin_server_ts",
)
_KEPT_BEFORE_11 = (*_KEPT, "prev_state", "origin", "membership")

_POWER_LEVELS = (
    "ban",
    "events",
    "events_default",
    "kick",
    "redact",
    "state_default",
    "users",
    "users_default",
)


def redacted(event: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
    """A copy of the event with only what a redaction keeps.

    The values that are kept are shared with the original, not copied.
    """
    kept = _KEPT if version.modern_redaction else _KEPT_BEFORE_11
    left = {key: event[key] for key in kept if key in event}
    content = event.get("content")
    if not isinstance(content, dict):
        content = {}
    left["content"] = _redacted_content(event.get("type"), content, version)
    return left


def _redacted_content(
    event_type: object, content: dict[str, Any], version: RoomVersion
) -> dict[str, Any]:
    if event_type == "m.room.create" and version.modern_redaction:
        return dict(content)
    left = {
        key: content[key]
        for key in _content_keys(event_type, version)
        if key in content
    }
    if event_type == "m.room.member" and version.modern_redaction:
        invite = content.get("third_party_invite")
        if isinstance(invite, dict) and "signed" in invite:
            left["third_party_invite"] = {"signed": invite["signed"]}
    return left


def _content_keys(event_type: object, version: RoomVersion) -> tuple[str, ...]:
    """The keys of the content that survive whole."""
    match event_type:
        case "m.room.member" if version.keeps_authorising_user:
            return ("membership", "join_authorised_via_users_server")
        case "m.room.member":
            return ("membership",)
        case "m.room.create":
            return ("creator",)
        case "m.room.join_rules":
            return ("join_rule", "allow") if version.keeps_allow else ("join_rule",)
        case "m.room.power_levels" if version.modern_redaction:
            return (*_POWER_LEVELS, "invite")
        case "m.room.power_levels":
            return _POWER_LEVELS
        case "m.room.history_visibility":
            return ("history_visibility",)
        case "m.room.redaction" if version.modern_redaction:
            return ("redacts",)
        case "m.room.aliases" if version.special_aliases:
            return ("aliases",)
    return ()
