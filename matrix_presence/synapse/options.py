"""What the module's entry in homeserver.yaml may say, and what Synapse's sections add.

An option that Synapse has too is Synapse's: whoever has tuned it once keeps what they
tuned. The module's entry holds the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

import attrs
from synapse.config.homeserver import HomeServerConfig
from synapse.config.server import ServerConfig

from matrix_presence.config import ConfigError, PresenceConfig, parse
from matrix_presence.kinds import SWITCH, TIMEOUT, several, text
from matrix_presence.options import option, parse_section, reference, shown
from matrix_presence.rate_limits import PerUser

#: By option: what Synapse calls what its section says.
_READ = {
    "last_active_granularity": "presence_last_active_granularity",
    "sync_online_timeout": "presence_sync_online_timeout",
    "idle_timeout": "presence_idle_timeout",
    "include_offline_users_on_sync": "presence_include_offline_users_on_sync",
    "exclude_rooms_from_presence": "rooms_to_exclude_from_presence",
}
#: Not every version has all of these. What this one has not the entry may say.
LACKING = frozenset(
    name
    for name, read in _READ.items()
    if hasattr(ServerConfig.read_config, "__code__")
    and read not in ServerConfig.read_config.__code__.co_names
)
#: By option: where Synapse has it.
_SYNAPSES = {
    "enabled": "presence.enabled",
    "last_active_granularity": "presence.last_active_granularity",
    "sync_online_timeout": "presence.sync_online_timeout",
    "idle_timeout": "presence.idle_timeout",
    "include_offline_users_on_sync": "presence.include_offline_users_on_sync",
    "exclude_rooms_from_presence": "exclude_rooms_from_presence",
    "rc_presence": "rc_presence",
    "busy": "experimental_features.msc3026_enabled",
}
#: Options of endpoints that stay Synapse's.
_NOT_HERE = frozenset(
    {
        "disabled_put",
        "hidden_status",
        "refuse_query_tokens_on_v3",
        "synthetic_event_id",
    }
)
#: Defaults that differ here: a client that is woken costs Synapse a whole sync, some
#: milliseconds, so that presence stays below a fifth of a core however many wait.
_DEFAULTS = {
    "client_window": "2s",
    "client_wakeups_per_second": 50,
    "persist_interval": "60s",
}


_SERVERS = several(
    text("", "server name", re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}").fullmatch),
    "a list of server names such as ['example.org']",
)


@attrs.frozen
class Own:
    """Options that only make sense beside Synapse."""

    keep_status_when_omitted: bool = option(
        SWITCH,
        True,
        "Whether setting a presence without a status message keeps the message. "
        "Clients that go idle by themselves set one without.",
    )
    all_messages_are_activity: bool = option(
        SWITCH,
        True,
        "Whether encrypted messages, reactions, stickers and redactions are activity, "
        "not only what is sent in the clear.",
    )
    logout_ends_presence: bool = option(
        SWITCH,
        True,
        "Whether what a device stated ends when it logs out, and all of a user's when "
        "the account is deactivated; else it times out.",
    )
    sliding_sync_connects: bool = option(
        SWITCH, True, "Whether a sliding sync keeps its user connected, as any sync."
    )
    leaving_ends_presence: bool = option(
        SWITCH,
        True,
        "Whether users who share no room any more are shown to one another as offline; "
        "else they keep what they saw last.",
    )
    lenient_rate_limit: bool = option(
        SWITCH,
        True,
        "Whether rc_presence counts changes and loses none: a sync always counts as "
        "connected, and a status that is refused is applied when the limit allows.",
    )
    free_for_chat: bool = option(
        SWITCH,
        True,
        "Whether clients that come by r0, unstable or api/v1 may set free_for_chat. "
        "All others see them as online.",
    )
    metrics: bool = option(
        SWITCH,
        True,
        "Whether Synapse's metrics hold more about presence, by names that begin with "
        "matrix_presence_.",
    )
    profiles: bool = option(
        SWITCH,
        False,
        "Whether m.presence carries the name and the picture of its user, and is sent "
        "when they change.",
    )
    worker_timeout: int = option(
        TIMEOUT,
        "5m",
        "After how long a silence another process of the homeserver, and with it its "
        "polls, is taken for gone.",
    )
    presence_only_answers: bool = option(
        SWITCH,
        True,
        "Whether a poll that presence alone has ended is answered with presence alone, "
        "without looking for anything else.",
    )
    exchange_only_with: tuple[str, ...] = option(
        _SERVERS,
        (),
        "The other servers that are told presence and whose presence is taken. With "
        "none, all of them.",
    )
    exchange_not_with: tuple[str, ...] = option(
        _SERVERS,
        (),
        "Other servers that are told no presence and whose presence is not taken.",
    )


#: What differs from Synapse's own presence, and how Synapse has it: with `compat`, this
#: is the default. What endangers a server or its users is not among it: messages that
#: no store holds, users of whom nobody here may know, presence shown to nobody's good.
DEVIATIONS: Mapping[str, Any] = MappingProxyType(
    {
        "keep_status_when_omitted": False,
        "syncs_are_activity": True,
        "hiding_outlasts_syncs": False,
        "all_messages_are_activity": False,
        "logout_ends_presence": False,
        "sliding_sync_connects": False,
        "leaving_ends_presence": False,
        "lenient_rate_limit": False,
        "free_for_chat": False,
        "metrics": False,
        "profiles": False,
        "presence_lists": False,
        "status_msg_limit": 8192,
        "activity_when_disconnected": "bump",
        "sync_end_counts": False,
        "timeout_step": 5000,
        "offline_activity_is_news": True,
        "busy_spreads": True,
        "busy_comes_back": False,
        "appservice_bump": True,
        "appservice_persist": False,
    }
)
_COMPAT = (
    "Whether everything is as Synapse itself has it: all that differs gets another "
    "default, the one in the column compat. What stands beside it in the entry counts."
)


@attrs.frozen
class ModuleConfig:
    """The entry, read; Synapse's part is still at its defaults."""

    presence: PresenceConfig
    own: Own = attrs.Factory(Own)


def parse_entry(written: Mapping[str, Any] | None) -> ModuleConfig:
    """The `config` of the module's entry.

    Raises:
        ConfigError: with one sentence that names the key and the value.
    """
    if written is not None and not isinstance(written, Mapping):
        raise ConfigError(f"config takes a section of options, not {shown(written)}")
    options = dict(written or {})
    compat = options.pop("compat", False)
    if not isinstance(compat, bool):
        raise ConfigError(f"compat takes {SWITCH.expects}, not {shown(compat)}")
    own: dict[str, Any] = {}
    presence: dict[str, Any] = {}
    for key, value in {**_defaults(compat=compat), **options}.items():
        if key in _SYNAPSES and key not in LACKING:
            raise ConfigError(
                f"{key} is an option of Synapse itself; "
                f"set {_SYNAPSES[key]} in homeserver.yaml instead"
            )
        if key in _NOT_HERE:
            raise ConfigError(f"{key} is about endpoints that stay Synapse's own")
        (own if key in _OWN_NAMES else presence)[key] = value
    return ModuleConfig(presence=parse(presence), own=parse_section(Own, own, "config"))


_OWN_NAMES = frozenset(field.name for field in attrs.fields(Own))


def _defaults(*, compat: bool) -> dict[str, Any]:
    return {**_DEFAULTS, **DEVIATIONS} if compat else dict(_DEFAULTS)


@attrs.frozen
class OptionEntry:
    """One line of the reference of options."""

    path: str
    default: str
    #: The default with `compat`; empty where it is the same.
    compat: str
    meaning: str


def option_entries() -> Iterator[OptionEntry]:
    """Every option that the module's entry may have, what is peculiar to it first."""
    yield OptionEntry("compat", "false", "", _COMPAT)
    ours, compat = parse_entry(None), parse_entry({"compat": True})
    for section, other in ((ours.own, compat.own), (ours.presence, compat.presence)):
        for entry, as_stock in zip(reference(section), reference(other), strict=True):
            name = entry.path.partition(".")[0]
            if name not in _SYNAPSES and name not in _NOT_HERE:
                differs = as_stock.default != entry.default
                yield OptionEntry(
                    entry.path,
                    entry.default,
                    as_stock.default if differs else "",
                    entry.meaning,
                )


def with_synapses(config: ModuleConfig, synapse: HomeServerConfig) -> PresenceConfig:
    """The options of presence with those that Synapse's own sections decide.

    Raises:
        ConfigError: they contradict one another.
    """
    server, limit = synapse.server, synapse.ratelimiting.rc_presence_per_user
    found = {
        name: getattr(server, read, getattr(config.presence, name))
        for name, read in _READ.items()
    }
    found["exclude_rooms_from_presence"] = tuple(found["exclude_rooms_from_presence"])
    enabled: bool | Literal["untracked"] = server.presence_enabled
    if enabled and not server.track_presence:
        enabled = "untracked"
    per_user = PerUser(per_second=limit.per_second, burst_count=int(limit.burst_count))
    if not config.own.lenient_rate_limit:
        # Synapse's servlets keep the limit, and with them what it refuses is lost.
        per_user = PerUser(per_second=0)
    return attrs.evolve(
        config.presence,
        **found,
        enabled=enabled,
        # Synapse lets the one be longer than the other, which is never busy.
        busy_online_timeout=max(
            config.presence.busy_online_timeout, found["sync_online_timeout"] + 1
        ),
        rc_presence=attrs.evolve(config.presence.rc_presence, per_user=per_user),
        busy=synapse.experimental.msc3026_enabled,
    )
