"""What an event names as the reason why it is allowed: its auth events.

Source: server-server API, "Checks performed on receipt of a PDU" and "Auth events
selection"; the rules about `auth_events` of each room version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.auth_rules import auth_keys
from matrix_presence.homeserver.events import Event, Standing, StateKey

Find = Callable[[str], Event | None]
"""The event of an id, if it is known."""

_CREATE = ("m.room.create", "")


def auth_state(event: Event, find: Find, create: Event | None) -> dict[StateKey, Event]:
    """The state that the auth events of this event add up to.

    Args:
        create: the create event of the room. From version 12 on the room id names it
            and auth events do not.

    Raises:
        Forbidden: they are not those that an event like this has.
    """
    if event.type == "m.room.create":
        return {}
    version = event.version
    keys = auth_keys(event.type, event.sender, event.state_key, event.content, version)
    state: dict[StateKey, Event] = {}
    if version.creators_above_all and create is not None:
        state[_CREATE] = create
    for event_id in event.auth_ids:
        found = find(event_id)
        if found is None:
            raise Forbidden(f"The auth event {event_id} is unknown")
        if found.standing is Standing.REJECTED:
            raise Forbidden(f"The auth event {event_id} was rejected")
        if found.room_id != event.room_id:
            raise Forbidden(f"The auth event {event_id} is of another room")
        if found.key is None or found.key not in keys:
            raise Forbidden(f"{event_id} has no say in this")
        if found.key in state:
            raise Forbidden(f"Two auth events are {found.type}")
        state[found.key] = found
    if _CREATE not in state:
        raise Forbidden("The auth events do not lead to the create event")
    return state


def auth_chain(events: Iterable[Event], find: Find) -> list[Event]:
    """Everything that these events rest on, as far as it is known.

    They are part of it only where another rests on them.
    """
    chain: dict[str, Event] = {}
    open_ends = list(events)
    while open_ends:
        for event_id in open_ends.pop().auth_ids:
            if event_id not in chain and (found := find(event_id)) is not None:
                chain[event_id] = found
                open_ends.append(found)
    return list(chain.values())
