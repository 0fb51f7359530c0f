"""Decides how an event of another server counts in a room, and what we missed of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.auth_events import auth_state
from matrix_presence.homeserver.auth_rules import State, authorize
from matrix_presence.homeserver.events import Event, Standing, StateKey
from matrix_presence.homeserver.forks import state_before
from matrix_presence.homeserver.room import Room

logger = logging.getLogger(__name__)


def standing_of(room: Room, event: Event, before: State | None = None) -> Standing:
    """Whether its auth events allow it, the state before it, and that of now.

    Source: server-server API, "Checks performed on receipt of a PDU", 4 to 6.

    Args:
        before: the state before it, if that is not what follows from its parents.
    """
    create = room.state.get(("m.room.create", ""))
    try:
        authorize(event, room.version, auth_state(event, room.find, create))
        if before is None:
            authorize(event, room.version, state_before(room, event))
        else:
            authorize(event, room.version, before)
    except Forbidden as refusal:
        logger.info("%s is rejected: %s", event.event_id, refusal)
        return Standing.REJECTED
    try:
        authorize(event, room.version, room.state if before is None else before)
    except Forbidden as refusal:
        logger.info("%s is not shown: %s", event.event_id, refusal)
        return Standing.SOFT_FAILED
    return Standing.PLACED


def caught_up(room: Room, told: Iterable[Event]) -> dict[StateKey, Event]:
    """Our state with what we missed of it.

    Of the state that another server tells, only what is newer than ours counts, and
    only if it is allowed after ours: nobody can take back what we know.
    """
    state = dict(room.state)
    for event in sorted(told, key=_age):
        held = state.get(event.key) if event.key is not None else event
        if event.key is None or (held is not None and _age(held) >= _age(event)):
            continue
        try:
            authorize(event, room.version, state)
        except Forbidden as refusal:
            logger.info("%s is left out: %s", event.event_id, refusal)
        else:
            state[event.key] = event
    return state


def _age(event: Event) -> tuple[int, int, str]:
    return event.depth, event.origin_server_ts, event.event_id
