"""The options as the rules take them."""

from __future__ import annotations

from matrix_presence.config import PresenceConfig
from matrix_presence.rules.semantics import Semantics
from matrix_presence.rules.timeouts import Timeouts


def semantics_of(config: PresenceConfig) -> Semantics:
    """What is meant by what clients say, from the options."""
    return Semantics(
        hides=config.hiding_outlasts_syncs,
        statements_are_activity=config.syncs_are_activity,
        busy_spreads=config.busy_spreads,
        busy_comes_back=config.busy_comes_back,
    )


def timeouts_of(config: PresenceConfig) -> Timeouts:
    """The thresholds the rules need, from the options."""
    return Timeouts(
        last_active_granularity=config.last_active_granularity,
        sync_online=config.sync_online_timeout,
        idle=config.idle_timeout,
        busy_online=config.busy_online_timeout,
        federation=config.federation_timeout,
    )
