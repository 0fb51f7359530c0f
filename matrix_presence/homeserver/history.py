"""Reading a room's history, a page at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.sync.filters import EventFilter
from matrix_presence.homeserver.visibility import may_see

#: Events looked at in search of those a client wants, at most.
_LOOKED_AT = 1000


@attrs.frozen
class Page:
    """Consecutive events, those left out that may not be seen or are not wanted."""

    events: list[Event]
    #: The position at which the next page begins; None at the end of the history.
    end: int | None


def page(
    room: Room,
    user_id: str,
    start: int,
    stop: int,
    only: EventFilter,
    ignored: Collection[str] = (),
) -> Page:
    """The first events from one position towards another, as the filter wants them.

    Backwards, newest first, if `stop` lies before `start`. A position is the place
    right after the event that has it.

    Args:
        ignored: users of whom only state events are shown.
    """
    backwards = stop < start
    low, high = sorted((room.index(start), room.index(stop)))
    if backwards:
        first = max(low, high - _LOOKED_AT)
        stretch: Iterable[Event] = reversed(room.timeline[first:high])
    else:
        stretch = room.timeline[low : low + min(high - low, _LOOKED_AT)]
    own = room.state.get(("m.room.member", user_id))
    member_since = own.position if own and own.membership == "join" else None
    found: list[Event] = []
    end = start
    for event in stretch:
        if only.allows(event) and not (
            event.sender in ignored and event.state_key is None
        ):
            # A member has the right to everything since they joined.
            if (member_since is not None and event.position >= member_since) or may_see(
                room, user_id, event
            ):
                if len(found) == only.limit:
                    return Page(found, end)
                found.append(event)
        end = event.position - 1 if backwards else event.position
    return Page(found, end if high - low > _LOOKED_AT else None)
