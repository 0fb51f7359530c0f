"""What the state of a room is where its history branches.

Histories are linear as long as one server speaks at a time. When two send events that
follow the same one, both stand in the room, and the next event follows both. The state
is then made by one simple rule, which leads every server that knows the same events to
the same state:

- The branches begin at the last event that all of them come from, their base; the state
  after it is known.
- Their events are put into one order. An event comes after those it follows. Of those
  that are free to come next, what moderates comes first (power levels, join rules,
  server ACLs, putting others out), then the one with the least `origin_server_ts`,
  then the one with the least event id.
- In this order each state event replaces what was there, if the authorization rules
  allow it after those before. So a ban beats what the banned did on another branch.
- Branches that parted too long ago are not compared any more: every event is then
  judged by the current state, and added to it.

This is not the state resolution of the specification: where histories of several
servers contend for longer, a server that implements it may come to another state.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.auth_rules import authorize
from matrix_presence.homeserver.events import Event, Standing, StateKey
from matrix_presence.homeserver.room import Room

#: Events looked at in search of the base. A peer decides where a branch begins, so what
#: it can cost has an end; then the state stays what it is.
MOST = 2000

_MODERATING = frozenset(
    ("m.room.power_levels", "m.room.join_rules", "m.room.server_acl")
)


def state_before(room: Room, event: Event) -> Mapping[StateKey, Event]:
    """The state that this event, whose parents are known, comes upon."""
    return state_after(room, event.parents)


def state_seen_by(room: Room, event: Event) -> Mapping[StateKey, Event]:
    """The state that an event of the timeline came upon when it was placed.

    Unlike the parents this can be told of every event, also of those from before the
    last time that we came into the room.
    """
    root = room.root
    if root is not None and event.position > root.position:
        return state_before(room, event)
    state = room.state_at(event.position)
    if event.key is not None:
        state.pop(event.key, None)
        if event.replaces is not None:
            state[event.key] = event.replaces
    return state


def state_after(room: Room, heads: Collection[Event]) -> Mapping[StateKey, Event]:
    """The state after all of these; that of now, if they parted too far back."""
    if {event.event_id for event in heads} == room.heads.keys():
        return room.state
    base = _base({*heads, *room.heads.values()})
    if base is None:
        return room.state
    state = room.state_at(base.position)
    since = _since(base, heads)
    if not any(_counts(event) for event in since):
        return state
    for event in filter(_counts, _ordered(since)):
        assert event.key is not None
        try:
            authorize(event, room.version, state)
        except Forbidden:
            continue
        state[event.key] = event
    return state


def state_with(
    room: Room, event: Event, before: Mapping[StateKey, Event]
) -> Mapping[StateKey, Event] | None:
    """The state of the room once this event is added to it.

    Args:
        before: the state before the event.

    Returns:
        None if it is the current state with this event.
    """
    heads = room.heads.keys() - room.covered_by(event)
    if not heads:
        if before is room.state:
            return None
        return before if event.key is None else {**before, event.key: event}
    placed = (parent.standing is Standing.PLACED for parent in event.parents)
    if event.key is None and all(placed):
        return None
    return state_after(room, [event, *(room.heads[head] for head in heads)])


def _base(heads: set[Event]) -> Event | None:
    """The last event from which all of these come, or the one they are.

    None if it is too far back.

    Every event has a greater position than those it follows, so what is left when the
    newest one is followed back again and again is where they meet.
    """
    queue = [(-event.position, event) for event in heads]
    heapq.heapify(queue)
    seen = set(heads)
    while len(queue) > 1:
        event = heapq.heappop(queue)[1]
        for parent in event.parents:
            if parent not in seen:
                if len(seen) >= MOST:
                    return None
                seen.add(parent)
                heapq.heappush(queue, (-parent.position, parent))
    return queue[0][1]


def _since(base: Event, heads: Collection[Event]) -> set[Event]:
    """These and all they come from, up to the base and without it."""
    found: set[Event] = set()
    open_ends = list(heads)
    while open_ends:
        event = open_ends.pop()
        if event.position > base.position and event not in found:
            found.add(event)
            open_ends.extend(event.parents)
    return found


def _ordered(events: set[Event]) -> list[Event]:
    waits_for = {
        event: sum(parent in events for parent in event.parents) for event in events
    }
    followers: dict[Event, list[Event]] = {}
    for event in events:
        for parent in event.parents:
            followers.setdefault(parent, []).append(event)
    free = [_rank(event) for event, count in waits_for.items() if not count]
    heapq.heapify(free)
    ordered = []
    while free:
        event = heapq.heappop(free)[-1]
        ordered.append(event)
        for follower in followers.get(event, ()):
            waits_for[follower] -= 1
            if not waits_for[follower]:
                heapq.heappush(free, _rank(follower))
    return ordered


def _counts(event: Event) -> bool:
    """Whether this can change the state."""
    return event.key is not None and event.standing is not Standing.REJECTED


def _rank(event: Event) -> tuple[bool, int, str, Event]:
    """By this the events that are free to come next are chosen between."""
    moderates = event.key is not None and (
        event.type in _MODERATING
        or (event.membership in ("leave", "ban") and event.sender != event.state_key)
    )
    return not moderates, event.origin_server_ts, event.event_id, event
