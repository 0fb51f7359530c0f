"""Builds the presence handler of one homeserver: ours, or Synapse's own.

Whatever goes wrong, there is one whole presence in place in the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from synapse.api.constants import EduTypes
from synapse.server import HomeServer
from twisted.internet.defer import Deferred

from matrix_presence.synapse import relays, shapes
from matrix_presence.synapse.activity import watch
from matrix_presence.synapse.counters import show_sizes
from matrix_presence.synapse.handler import SynapsePresence
from matrix_presence.synapse.metrics import measure
from matrix_presence.synapse.options import ModuleConfig, with_synapses
from matrix_presence.synapse.parts import Parts
from matrix_presence.synapse.presence_only import answer_briefly
from matrix_presence.synapse.profiles import write_profiles
from matrix_presence.synapse.sliding import keep_connected
from matrix_presence.synapse.source import PresenceSource
from matrix_presence.synapse.worker_wakeups import wake_in_windows
from matrix_presence.wire.lists import ACCEPT, DENY, INVITE

logger = logging.getLogger(__name__)

#: The EDUs that only presence lists have.
LETTERS = (INVITE, ACCEPT, DENY)


def build(
    homeserver: HomeServer, config: ModuleConfig, stock: Callable[[HomeServer], Any]
) -> Any:
    """The presence handler of this homeserver, on this process of it."""
    if homeserver.get_instance_name() not in homeserver.config.worker.writers.presence:
        # Synapse's own handler of a worker relays to the one that writes.
        return _relaying(homeserver, config, stock(homeserver))
    try:
        reason = why_not(homeserver)
    except Exception as fault:
        reason = f"this version of it is unlike those known: {fault!r}"
    if reason is not None:
        logger.error("Presence stays with Synapse: %s", reason)
        return stock(homeserver)
    sources = homeserver.get_event_sources().sources
    handlers = homeserver.get_federation_registry().edu_handlers
    source = sources.presence
    try:
        presence = _taken_over(homeserver, config)
    except Exception:
        logger.exception("Presence stays with Synapse: it could not be taken over")
        object.__setattr__(sources, "presence", source)
        for edu_type in (EduTypes.PRESENCE, *LETTERS):
            handlers.pop(edu_type, None)
        return stock(homeserver)
    logger.info("Presence is served by matrix_presence")
    return presence


def _relaying(homeserver: HomeServer, config: ModuleConfig, handler: Any) -> Any:
    """Synapse's own handler, which tells the writer a little more."""
    try:
        merged = with_synapses(config, homeserver.config)
        relays.refine(homeserver, handler, merged, config.own)
        wake_in_windows(homeserver, handler, merged)
        _send_letters_to_writer(homeserver)
    except Exception:
        logger.exception("Presence is relayed as Synapse does it")
    return handler


def _send_letters_to_writer(homeserver: HomeServer) -> None:
    """What other servers say about presence lists goes where presence is written."""
    registry = homeserver.get_federation_registry()
    writers = homeserver.config.worker.writers.presence
    for edu_type in LETTERS:
        registry.register_instances_for_edu(edu_type, writers)


def why_not(homeserver: HomeServer) -> str | None:
    """Why presence is left to Synapse; None where it need not be."""
    if not homeserver.config.server.presence_enabled:
        return "its option presence.enabled switches presence off"
    absent = shapes.missing(homeserver)
    if absent:
        return f"this version of Synapse has no {', '.join(absent)}"
    return None


def _taken_over(homeserver: HomeServer, config: ModuleConfig) -> SynapsePresence:
    """Our handler, with all of its parts where Synapse's would be."""
    own = config.own
    parts = Parts(homeserver, with_synapses(config, homeserver.config), own)
    presence = SynapsePresence(homeserver, parts)
    homeserver.register_async_shutdown_handler(
        phase="before", eventType="shutdown", shutdown_func=parts.stop
    )
    store, notifier = homeserver.get_datastores().main, homeserver.get_notifier()
    source: Any = PresenceSource(parts, store)
    # Frozen and slotted: nobody is meant to do this.
    object.__setattr__(homeserver.get_event_sources().sources, "presence", source)
    registry = homeserver.get_federation_registry()
    registry.edu_handlers[EduTypes.PRESENCE] = presence.incoming_presence
    if parts.lists.enabled and parts.tracks:
        for edu_type in LETTERS:
            take = partial(presence.incoming_letter, edu_type)
            registry.edu_handlers[edu_type] = take
    if own.profiles:
        for name in write_profiles():
            logger.warning("What %s shows of presence has no profiles", name)
    notifier.add_replication_callback(parts.memberships.poke)
    if own.all_messages_are_activity:
        watch(notifier, homeserver.is_mine_id, presence.active)
    if own.metrics:
        measure(homeserver.hostname, parts)
    # Later, because both may ask for a presence handler themselves.
    parts.readiness.then(lambda: _let_modules_read(homeserver, source))
    has_sliding = hasattr(homeserver, "get_sliding_sync_handler")
    if own.sliding_sync_connects and has_sliding and parts.tracks:
        parts.readiness.then(lambda: keep_connected(homeserver, parts))
    if own.presence_only_answers and hasattr(homeserver, "get_sync_handler"):
        parts.readiness.then(
            lambda: answer_briefly(homeserver, source, parts.listeners)
        )
    # Last of all: what Synapse's own presence could not do without.
    if own.lenient_rate_limit:
        # Ours governs: it loses nothing, and counts changes, not syncs.
        relays.lift_limits(homeserver)
    # Read when the database was opened; it would be kept for ever.
    store.take_presence_startup_info()
    show_sizes(homeserver, parts.cache)
    homeserver.get_reactor().callWhenRunning(
        lambda: Deferred.fromCoroutine(parts.start())
    )
    return presence


def _let_modules_read(homeserver: HomeServer, source: Any) -> None:
    """The module API has kept the source that there was when it was made."""
    api = homeserver.get_module_api()
    if hasattr(api, "_presence_stream"):
        api._presence_stream = source
