"""What the module's entry in homeserver.yaml may say, and what Synapse's sections add.

An option that Synapse has too is Synapse's: whoever has tuned it once keeps what they
tuned. The module's entry holds the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from synapse.config.homeserver import HomeServerConfig

from matrix_presence.config import (
    ConfigError,
    PerUser,
    PresenceConfig,
    RcPresence,
    parse,
)
from matrix_presence.kinds import SWITCH, TIMEOUT
from matrix_presence.options import option, parse_section, shown

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
_NOT_HERE = frozenset({"disabled_put", "hidden_status", "refuse_query_tokens_on_v3"})
#: Defaults that differ here: a client that is woken costs Synapse a whole sync, some
#: milliseconds, so that presence stays below a fifth of a core however many wait.
_DEFAULTS = {
    "client_window": "2s",
    "client_wakeups_per_second": 50,
    "persist_interval": "60s",
}


@attrs.frozen
class Own:
    """Options that only make sense beside Synapse."""

    keep_status_when_omitted: bool = option(
        SWITCH,
        True,
        "Whether setting a presence without a status message keeps the message. "
        "Clients that go idle by themselves set one without.",
    )
    worker_timeout: int = option(
        TIMEOUT,
        "5m",
        "After how long a silence another process of the homeserver, and with it its "
        "polls, is taken for gone.",
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
    own: dict[str, Any] = {}
    presence: dict[str, Any] = dict(_DEFAULTS)
    own_names = {field.name for field in attrs.fields(Own)}
    for key, value in (written or {}).items():
        if key in _SYNAPSES:
            raise ConfigError(
                f"{key} is an option of Synapse itself; "
                f"set {_SYNAPSES[key]} in homeserver.yaml instead"
            )
        if key in _NOT_HERE:
            raise ConfigError(f"{key} is about endpoints that stay Synapse's own")
        (own if key in own_names else presence)[key] = value
    return ModuleConfig(presence=parse(presence), own=parse_section(Own, own, "config"))


def with_synapses(config: PresenceConfig, synapse: HomeServerConfig) -> PresenceConfig:
    """The options with those that Synapse's own sections decide.

    Raises:
        ConfigError: they contradict one another.
    """
    server, limit = synapse.server, synapse.ratelimiting.rc_presence_per_user
    sync_online = server.presence_sync_online_timeout
    return attrs.evolve(
        config,
        last_active_granularity=server.presence_last_active_granularity,
        sync_online_timeout=sync_online,
        idle_timeout=server.presence_idle_timeout,
        # Synapse lets the one be longer than the other, which is never busy.
        busy_online_timeout=max(config.busy_online_timeout, sync_online + 1),
        include_offline_users_on_sync=server.presence_include_offline_users_on_sync,
        exclude_rooms_from_presence=tuple(server.rooms_to_exclude_from_presence),
        rc_presence=RcPresence(
            PerUser(per_second=limit.per_second, burst_count=int(limit.burst_count))
        ),
        busy=synapse.experimental.msc3026_enabled,
    )
