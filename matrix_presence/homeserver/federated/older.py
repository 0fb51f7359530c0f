"""What happened in a room before we came in, told by servers that were there.

Nothing of it is kept: it is asked for when a client pages back, and shown. An event is
believed if its server has signed it, those that follow it lead to it, and its auth
events allow it. What the state was there nobody here knows, so it is shown only as far
back as the history was shared all the time. Where to go on is for the client to say,
and it may name any event: none is shown that came after the first that we have.

Source: server-server API, "Backfilling and retrieving missing events"; client-server
API, "Room History Visibility".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from matrix_presence.cache.limits import Buckets
from matrix_presence.errors import Forbidden, LimitExceeded
from matrix_presence.federation.client import BadAnswer
from matrix_presence.federation.room_answers import Pdu
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.homeserver.auth_events import auth_state
from matrix_presence.homeserver.auth_rules import authorize
from matrix_presence.homeserver.events import Event, Standing
from matrix_presence.homeserver.federated.candidates import candidates, first_of
from matrix_presence.homeserver.federated.checks import PduChecks
from matrix_presence.homeserver.federated.gaps import Gaps
from matrix_presence.homeserver.redactions import redaction_before
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.wire.older_token import MOST_IDS

_CREATE = ("m.room.create", "")
_VISIBILITY = ("m.room.history_visibility", "")
#: Events in a page, and servers that are asked for one.
_MOST = 100
_SERVERS = 3
#: Times that the auth chain of an event is asked for, for one page.
_MOST_CHAINS = 5
#: Pages that a user regains each second, and can read in one go.
_PER_SECOND = 1
_AT_ONCE = 20


@attrs.frozen
class OlderPage:
    """Some events from before our time."""

    #: The newest first.
    events: list[Event]
    #: The ids of those before them; none if that is all there is to see.
    before: tuple[str, ...]


@attrs.frozen(eq=False)
class OlderHistory:
    """Reads it, for our users."""

    rooms: Rooms
    checks: PduChecks
    requests: RoomRequests
    gaps: Gaps
    #: By user id.
    _limit: Buckets = attrs.field(
        factory=lambda: Buckets(_PER_SECOND, _AT_ONCE), init=False
    )

    def begins(self, room: Room, user_id: str) -> tuple[str, ...]:
        """The ids of the last events before the first that we have.

        None where there are none that this user may see, or nobody to ask for them.
        """
        first = room.timeline[0]
        has_others = any(name != self.rooms.server_name for name in room.servers)
        if user_id not in room.joined or first.key == _CREATE or not has_others:
            return ()
        return _some(first.prev_ids) if _is_shared(room) else ()

    async def page(
        self, room: Room, user_id: str, ids: tuple[str, ...], limit: int
    ) -> OlderPage:
        """These events and those before them, as many as wanted, or not many more.

        Raises:
            Forbidden: they are not for this user.
            LimitExceeded: they have read enough for now.
            MatrixError: no server in the room tells them.
        """
        if not self.begins(room, user_id):
            raise Forbidden("You may not see what was before")
        if wait := self._limit.take(user_id, self.rooms.now()):
            raise LimitExceeded(wait)
        limit = max(min(limit, _MOST), len(ids))

        async def ask(server: str) -> OlderPage:
            told = await self.requests.backfill(server, room.room_id, ids, limit)
            return await self._read(room, server, ids, told)

        servers = candidates(self.rooms, user_id, room.room_id, ())
        return await first_of(servers[:_SERVERS], ask)

    async def _read(
        self, room: Room, server: str, ids: tuple[str, ...], told: Sequence[Pdu]
    ) -> OlderPage:
        checked = await self.checks.all_checked(told, room.version)
        wanted = dict.fromkeys(ids)
        found: dict[str, Event] = {}
        latest = room.timeline[0].depth
        for event in sorted(checked, key=_newest_first):
            name = event.event_id
            is_before = event.room_id == room.room_id and event.depth <= latest
            if name in wanted and is_before:
                # What we have may have been redacted since.
                found[name] = room.events.get(name, event)
                wanted |= dict.fromkeys(event.prev_ids)
        if not found:
            raise BadAnswer("there is none of the events that were asked for")
        # What was asked for and is not there is not there the next time either.
        before = [name for name in wanted if name not in found and name not in ids]
        allowed = [
            event
            for event in await self._allowed(room, server, found)
            if not _has_come(room, event)
        ]
        since = room.value_at(_VISIBILITY, room.timeline[0].position)
        if since is None:
            return OlderPage(allowed, _some(before))
        shared = [event for event in allowed if event.depth > since.depth]
        is_all = all(event.depth <= since.depth for event in found.values())
        return OlderPage(shared, () if is_all else _some(before))

    async def _allowed(
        self, room: Room, server: str, found: dict[str, Event]
    ) -> list[Event]:
        """Those that their auth events allow, as far as these can be had."""
        allowed: dict[str, Event] = {}
        chains = 0
        for event in reversed(found.values()):
            unknown = [
                name
                for name in event.auth_ids
                if name not in found and room.find(name) is None
            ]
            if unknown and chains < _MOST_CHAINS:
                chains += 1
                await self.gaps.learn_auth_chain(room, server, event)
            if _is_allowed(room, event, allowed):
                allowed[event.event_id] = event
                if (redaction := redaction_before(room, event)) is not None:
                    event.redact(redaction)
        if chains:
            await self.rooms.journal.stored()
        return [*reversed(allowed.values())]


def _has_come(room: Room, event: Event) -> bool:
    """Whether this came to us by itself: then we know better who may see it."""
    known = room.find(event.event_id)
    return known is not None and known.standing is not Standing.OUTLIER


def _is_allowed(room: Room, event: Event, older: dict[str, Event]) -> bool:
    def find(event_id: str) -> Event | None:
        return room.find(event_id) or older.get(event_id)

    create = room.state.get(_CREATE)
    try:
        authorize(event, event.version, auth_state(event, find, create))
    except Forbidden:
        return False
    return True


def _is_shared(room: Room) -> bool:
    """Whether those who came in with our first event may see what was before it."""
    event = room.value_at(_VISIBILITY, room.timeline[0].position)
    said = "shared" if event is None else event.content.get("history_visibility")
    return said in ("shared", "world_readable")


def _some(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(ids)[:MOST_IDS]


def _newest_first(event: Event) -> tuple[int, str]:
    return -event.depth, event.event_id
