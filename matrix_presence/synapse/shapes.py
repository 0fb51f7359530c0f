"""What we rely on in Synapse that it has not promised to anybody.

Looked at before anything is touched. Where it is not as it was, presence stays with
Synapse: a homeserver is not to fail because of us.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import Parameter, signature
from typing import Any

from synapse.handlers.presence import PresenceFederationQueue
from synapse.notifier import _NotifierUserStream
from synapse.server import HomeServer

_STORE = (
    "_curr_state_delta_stream_cache",
    "add_users_to_send_full_presence_to",
    "db_pool",
    "get_all_presence_updates",
    "get_current_presence_token",
    "get_if_app_services_interested_in_user",
    "get_membership_from_event_ids",
    "get_partial_current_state_deltas",
    "get_presence_stream_id_gen",
    "get_room_max_stream_ordering",
    "should_user_receive_full_presence_with_token",
    "take_presence_startup_info",
)
_NOTIFIER = (
    "add_replication_callback",
    "event_sources",
    "on_new_room_events",
    "user_to_user_stream",
)


def missing(homeserver: HomeServer) -> list[str]:
    """What of it this homeserver does not have."""
    return sorted(_missing(homeserver))


def _missing(homeserver: Any) -> Iterator[str]:
    yield from _lacks(homeserver.get_datastores().main, _STORE)
    yield from _lacks(homeserver.get_notifier(), _NOTIFIER)
    yield from _lacks(homeserver.get_event_sources().sources, ("presence",))
    yield from _lacks(homeserver.get_federation_registry(), ("edu_handlers",))
    yield from _lacks(homeserver, ("register_async_shutdown_handler",))
    yield from _lacks(
        homeserver.get_application_service_handler(),
        ("notify_interested_services_ephemeral",),
    )
    yield from _lacks(homeserver.config.ratelimiting, ("rc_presence_per_user",))
    generator = homeserver.get_datastores().main.get_presence_stream_id_gen()
    yield from _lacks(generator, ("get_current_token", "get_next_txn"))
    yield from _unlike(_NotifierUserStream.update_and_fetch_deferreds, 3)
    yield from _unlike(PresenceFederationQueue.__init__, 3)


def _lacks(thing: Any, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if not hasattr(thing, name):
            yield f"{type(thing).__name__}.{name}"


def _unlike(function: Any, count: int) -> Iterator[str]:
    """Whether a function needs another number of arguments, `self` included."""
    needed = [
        parameter
        for parameter in signature(function).parameters.values()
        if parameter.default is Parameter.empty
    ]
    if len(needed) != count:
        yield function.__qualname__
