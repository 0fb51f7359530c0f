"""Which events of ours other servers have yet to get, found in the rooms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.room import Room
from matrix_presence.ids import server_of


def unsent_events(
    rooms: Iterable[Room], server_name: str, positions: Mapping[str, int]
) -> dict[str, list[Event]]:
    """By server: the events that are for it, in their order; only where there are any.

    Args:
        server_name: ours.
        positions: by server, up to where it has everything. Others got nothing yet.
    """
    unsent: dict[str, list[Event]] = {}
    if not positions:
        return unsent
    oldest = min(positions.values())
    for room in rooms:
        for event, servers in _newest_first(room, oldest):
            if server_of(event.sender) == server_name:
                for name in servers:
                    if name in positions and event.position > positions[name]:
                        unsent.setdefault(name, []).append(event)
    for events in unsent.values():
        events.sort(key=_position)
    return unsent


def _newest_first(room: Room, oldest: int) -> Iterable[tuple[Event, frozenset[str]]]:
    """The events after this position, each with the servers that it concerns.

    Walks back from who is in the room now. Where histories branched that may be a
    server too many, which is asked for nothing by an event that it knows.
    """
    members = Counter(room.servers)
    for event in reversed(room.timeline):
        if event.position <= oldest:
            return
        concerned = set(+members)
        if event.type == "m.room.member" and event.state_key is not None:
            server = server_of(event.state_key)
            before = event.replaces.membership if event.replaces else None
            members[server] += (before == "join") - (event.membership == "join")
            if before in ("join", "invite", "knock"):
                concerned.add(server)
        yield event, frozenset(concerned)


def _position(event: Event) -> int:
    return event.position
