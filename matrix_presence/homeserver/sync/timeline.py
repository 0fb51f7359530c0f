"""The newest events of a room that a user may see, and the state before them."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from matrix_presence.homeserver.events import Event, StateKey
from matrix_presence.homeserver.history import page
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.sync.filters import EventFilter


@attrs.frozen
class Timeline:
    """A stretch of a room's history, in order."""

    events: list[Event]
    #: Whether events between it and what the client knows were left out.
    limited: bool
    #: The position right before the first event.
    start: int


def newest(
    room: Room,
    user_id: str,
    after: int,
    up_to: int,
    only: EventFilter,
    ignored: Collection[str] = (),
) -> Timeline:
    """The last events in `after < position <= up_to`, as many as the filter wants.

    It does not reach over a gap in what we know of the history.

    Args:
        ignored: users of whom only state events are shown.
    """
    known = room.root.position - 1 if room.root is not None else 0
    first = max(after, min(known, up_to))
    found = page(room, user_id, up_to, first, only, ignored)
    start = found.events[-1].position - 1 if found.events else up_to
    limited = found.end is not None or room.index(after) < room.index(first)
    return Timeline(found.events[::-1], limited, start)


def state_before(
    room: Room, user_id: str, up_to: int, timeline: Timeline, only: EventFilter
) -> list[Event]:
    """The whole state right before a timeline, for a client that knows nothing.

    Where it changed meanwhile without an event of the timeline, it is as it is after.
    """
    if room.timeline[-1].position <= timeline.start:
        state = room.state
    else:
        state = room.state_at(timeline.start)
        state |= _reverted(room, timeline.start, up_to)
    return _wanted(list(state.values()), room, user_id, timeline, only)


def state_between(
    room: Room,
    user_id: str,
    since: int,
    up_to: int,
    timeline: Timeline,
    only: EventFilter,
) -> list[Event]:
    """The changes of state after `since` that the timeline does not show."""
    shown = {event.event_id for event in timeline.events}
    changes: dict[StateKey, Event] = {}
    for event in room.between(since, up_to):
        if event.key is not None and event.event_id not in shown:
            changes[event.key] = event
    changes |= _reverted(room, since, up_to)
    return _wanted(list(changes.values()), room, user_id, timeline, only)


def _reverted(room: Room, since: int, up_to: int) -> dict[StateKey, Event]:
    """What the state is that changed otherwise than by an event of the timeline."""
    return {
        key: value
        for key in room.reverted_between(since, up_to)
        if (value := room.value_at(key, up_to)) is not None
    }


def _wanted(
    events: list[Event],
    room: Room,
    user_id: str,
    timeline: Timeline,
    only: EventFilter,
) -> list[Event]:
    """Those that pass the filter; with lazy loading, only members who are seen."""
    if only.lazy_load_members:
        seen = {event.sender for event in timeline.events}
        had = {event.key for event in events}
        events = [
            event
            for event in events
            if event.type != "m.room.member"
            or event.state_key in seen
            or event.state_key == user_id
        ]
        # The client may not know who speaks. Saying it twice is allowed.
        for sender in sorted(seen):
            key = ("m.room.member", sender)
            member = room.value_at(key, timeline.start)
            if key not in had and member is not None:
                events.append(member)
    return [event for event in events if only.allows(event)]
