"""Every option of presence: default, unit, meaning, and what fits with what.

Options that Synapse has too carry Synapse's names, so that a section can be moved from
one file to the other. Durations are int milliseconds once they are read. This module
knows nothing of Synapse, of files, or of the network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from matrix_presence.ids import is_server_name
from matrix_presence.kinds import (
    DURATION,
    SWITCH,
    TIMEOUT,
    choice,
    count,
    one_or_several,
    several,
    show_duration,
    size,
    text,
)
from matrix_presence.options import (
    ConfigError,
    Kind,
    describe_section,
    option,
    parse_section,
    section,
)
from matrix_presence.rate_limits import RcPresence
from matrix_presence.rules.lists import NEVER, POLICIES

__all__ = [
    "RELOADABLE",
    "ConfigError",
    "PresenceConfig",
    "describe",
    "parse",
]

_ENABLED: Kind[bool | Literal["untracked"]] = choice(True, False, "untracked")
_DISABLED_PUT: Kind[Literal[200, 403]] = choice(200, 403)
_HIDDEN_STATUS: Kind[Literal[403, 404]] = choice(403, 404)
_DISCONNECTED: Kind[Literal["online", "bump", "ignore"]] = choice(
    "online", "bump", "ignore"
)
_FREE_FOR_CHAT: Kind[Literal["raw", "online"]] = choice("raw", "online")
_POLICIES = one_or_several(
    choice(*POLICIES), "always, reverse, shared_room or never, or a list of them"
)
_ROOM_IDS = several(
    text("", "room id", re.compile(r"![^\s]{1,254}").fullmatch),
    "a list of room ids such as ['!abc:example.org']",
)
#: The options that can change while a server runs.
RELOADABLE = ("local", "federation_incoming", "federation_outgoing")
_SERVER_NAMES = several(
    text("", "server name", is_server_name),
    "a list of server names such as ['old.example.org']",
)
#: JSON writes some characters in six bytes. A push of one user must still stay far
#: below the 64 KiB of an EDU (A-26).
_LONGEST_STATUS = 8192


@attrs.frozen
class PresenceConfig:
    """The section `presence`.

    Raises:
        ConfigError: two options contradict each other.
    """

    enabled: bool | Literal["untracked"] = option(
        _ENABLED,
        True,
        "Whether there is presence. With untracked, what clients do sets nobody's "
        "presence, and what is set by other means is still delivered.",
    )
    disabled_put: Literal[200, 403] = option(
        _DISABLED_PUT,
        200,
        "How setting a status is answered while enabled is false: 200 pretends, 403 "
        "tells.",
    )
    last_active_granularity: int = option(
        DURATION,
        "60s",
        "How long after their last activity a user counts as currently active, and "
        "how seldom a new last activity alone is announced.",
    )
    sync_online_timeout: int = option(
        TIMEOUT,
        "30s",
        "How long after its last sync has returned a device still counts as "
        "connected. Clients pause between polls, so keep it above their pauses.",
    )
    idle_timeout: int = option(
        DURATION,
        "5m",
        "How long after their last activity a user who is online becomes "
        "unavailable. With 0 only clients decide that.",
    )
    busy_online_timeout: int = option(
        TIMEOUT,
        "1h",
        "How long after its last sync has returned a busy device still counts as busy.",
    )
    sync_end_counts: bool = option(
        SWITCH,
        True,
        "Whether being connected lasts from the end of a sync on. Else it lasts from "
        "its beginning, and somebody may be offline between two long polls.",
    )
    timeout_step: int = option(
        DURATION,
        "0s",
        "How often those whose time is up are looked at, which makes time-outs up to "
        "twice that late. With 0 it is a second, or less where time-outs are short.",
    )
    local: bool = option(
        SWITCH,
        True,
        "Whether users of this server see each other's presence. Without it they see "
        "only that of other servers, and are seen only there.",
    )
    federation_incoming: bool = option(
        SWITCH, True, "Whether presence that other servers send is taken."
    )
    federation_outgoing: bool = option(
        SWITCH, True, "Whether other servers are sent presence."
    )
    federate_profile_keys: bool = option(
        SWITCH,
        True,
        "Whether the name and the picture of a user go along with their presence to "
        "other servers.",
    )
    federation_timeout: int = option(
        TIMEOUT,
        "30m",
        "How long a user of another server stays as they are when nothing more is "
        "heard of them.",
    )
    federation_ping_interval: int = option(
        TIMEOUT,
        "25m",
        "How often other servers are told again of users who are not offline.",
    )
    include_offline_users_on_sync: bool = option(
        SWITCH, False, "Whether a first sync lists users who are offline too."
    )
    exclude_rooms_from_presence: tuple[str, ...] = option(
        _ROOM_IDS, (), "Sharing one of these rooms shows nobody's presence."
    )
    max_room_members: int = option(
        count(),
        0,
        "Sharing a room with more members than this shows nobody's presence. With 0 "
        "any room does.",
    )
    rc_presence: RcPresence = section(
        RcPresence, "How often presence may be set. Syncs are never refused for it."
    )
    busy: bool = option(
        SWITCH, True, "Whether clients may set org.matrix.msc3026.busy."
    )
    free_for_chat_on_r0: Literal["raw", "online"] = option(
        _FREE_FOR_CHAT,
        "raw",
        "How clients that use r0 see somebody who is free_for_chat. With online, those "
        "that know three states only are not puzzled.",
    )
    presence_lists: bool = option(
        SWITCH,
        True,
        "Whether there are presence lists, by which clients of the first releases "
        "follow users with whom they share no room.",
    )
    presence_lists_on_v3: bool = option(
        SWITCH,
        False,
        "Whether presence lists are found on v3 paths too, where no specification "
        "has them.",
    )
    presence_list_policy: tuple[str, ...] = option(
        _POLICIES,
        ("reverse", "shared_room"),
        "Who is put on a list without being asked: always anybody, reverse those who "
        "have the other on theirs, shared_room those who share a room, never nobody.",
    )
    presence_list_max_entries: int = option(
        count(), 1000, "How many users a presence list may hold."
    )
    presence_list_max_pending: int = option(
        count(),
        100,
        "How many invites to presence lists may wait for a user. What exceeds it is "
        "dropped.",
    )
    presence_list_invites_per_hour: int = option(
        count(),
        100,
        "How many invites to presence lists another server may send in an hour. What "
        "exceeds it is dropped. With 0 there is no limit.",
    )
    presence_list_invite_lifetime: int = option(
        TIMEOUT,
        "7d",
        "How long an invite to a presence list waits for the answer of a user of this "
        "server. After that it counts as denied, whether the user exists or not.",
    )
    presence_list_servers: tuple[str, ...] = option(
        _SERVER_NAMES,
        (),
        "Other servers that know presence lists and free_for_chat. Those that send "
        "something about lists are found out and remembered without this.",
    )
    synthetic_event_id: bool = option(
        SWITCH,
        False,
        "Whether events of presence have an event_id on old paths. The specification "
        "r0.1.0 asks for one; no server ever had it.",
    )
    status_msg_limit: int = option(
        size(_LONGEST_STATUS), 1024, "The longest status message, in UTF-8."
    )
    keep_status_when_offline: bool = option(
        SWITCH, True, "Whether a status message outlives going offline."
    )
    activity_when_disconnected: Literal["online", "bump", "ignore"] = option(
        _DISCONNECTED,
        "online",
        "What a message means from a user who does not sync: online brings them "
        "online for sync_online_timeout, bump only notes the time, ignore nothing.",
    )
    offline_activity_is_news: bool = option(
        SWITCH,
        False,
        "Whether others are told when somebody who is offline has been active: who "
        "they are and when.",
    )
    syncs_are_activity: bool = option(
        SWITCH,
        False,
        "Whether each sync, and each status, is activity if its user is online or busy "
        "then, so that a client that only polls never idles; else only what makes "
        "them more available is.",
    )
    hiding_outlasts_syncs: bool = option(
        SWITCH,
        True,
        "Whether who has set offline stays so while their client merely goes on "
        "syncing, and what they do in the meantime shows nobody when.",
    )
    busy_spreads: bool = option(
        SWITCH,
        False,
        "Whether a sync by another device of a busy user makes that device busy too, "
        "so that busy ends only when each of them has set something else.",
    )
    busy_comes_back: bool = option(
        SWITCH,
        True,
        "Whether activity makes somebody busy again who was so before they set "
        "unavailable; else it makes them online.",
    )
    appservice_bump: bool = option(
        SWITCH,
        False,
        "Whether what an application service does as one of its users is activity "
        "of that user.",
    )
    appservice_persist: bool = option(
        SWITCH,
        True,
        "Whether presence set by an application service stays until it is changed, "
        "although its users do not sync.",
    )
    hidden_status: Literal[403, 404] = option(
        _HIDDEN_STATUS,
        403,
        "How asking for the status of a user is answered who does not exist or whom "
        "the requester may not see.",
    )
    refuse_query_tokens_on_v3: bool = option(
        SWITCH,
        False,
        "Whether an access token in the query string is refused on v3 paths.",
    )
    tick: int = option(
        DURATION,
        "50ms",
        "How long changes are gathered after a quiet time before they go out together.",
    )
    client_window: int = option(
        DURATION,
        "1s",
        "How soon presence alone may wake the same waiting client again.",
    )
    client_wakeups_per_second: int = option(
        count(),
        1000,
        "How many waiting clients presence alone may wake in a second, over all. "
        "With 0 as many as there are.",
    )
    destination_window: int = option(
        DURATION, "5s", "How soon the same server may be sent presence again."
    )
    destination_burst_count: int = option(
        count(1),
        20,
        "How many transactions the same server may be sent in short order, until "
        "destination_busy_window holds. One is regained each five of those windows.",
    )
    destination_busy_window: int = option(
        DURATION,
        "1m",
        "How soon the same server may be sent presence again when it has been sent "
        "much lately. With 0 it is never longer than destination_window.",
    )
    transactions_per_second: int = option(
        count(),
        50,
        "How many transactions presence alone may cause in a second, over all "
        "servers. With 0 as many as there are.",
    )
    transactions_at_once: int = option(
        count(1),
        100,
        "How many servers may be in the middle of being sent presence. Those that "
        "failed before get at most half of them.",
    )
    activity_window: int = option(
        DURATION,
        "5m",
        "How long activity alone must have stayed the same, as currently active or "
        "not, before other servers are told of it.",
    )
    persist_interval: int = option(
        TIMEOUT,
        "10s",
        "How often what the server derives (activity, idling, going offline) is "
        "written. What a person set is written before they are answered.",
    )

    def __attrs_post_init__(self) -> None:
        if self.idle_timeout:
            self._check_order("last_active_granularity", "idle_timeout")
        if NEVER in self.presence_list_policy and len(self.presence_list_policy) > 1:
            raise ConfigError("presence_list_policy takes never only by itself")
        self._check_order("federation_ping_interval", "federation_timeout")
        self._check_order("sync_online_timeout", "busy_online_timeout")

    def _check_order(self, shorter: str, longer: str) -> None:
        low, high = getattr(self, shorter), getattr(self, longer)
        if low >= high:
            raise ConfigError(
                f"{shorter} ({show_duration(low)}) must be shorter than "
                f"{longer} ({show_duration(high)})"
            )


def parse(presence: Mapping[str, Any] | None) -> PresenceConfig:
    """The section `presence` of a configuration file.

    Raises:
        ConfigError: with one sentence that names the key and the value.
    """
    return parse_section(PresenceConfig, presence, "presence")


def describe() -> str:
    """The section with every option at its default, explained; itself valid YAML."""
    return "\n".join(describe_section(PresenceConfig())) + "\n"
