"""Gets what is missing before an event from the server that sent it.

Servers send what is new. Who was away, or came into the room a moment ago, asks for the
events between; where that are too many, for the state.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Iterable

import attrs

from matrix_presence.errors import Forbidden, LimitExceeded, NotFound
from matrix_presence.federation.client import FederationError
from matrix_presence.federation.room_requests import RoomRequests
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federated.checks import PduChecks
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.ids import server_of

logger = logging.getLogger(__name__)

#: Events asked for at a time, and how often: a longer gap is left open. What they rest
#: on is not asked for more often either.
_A_REQUEST = 50
_REQUESTS = 10
#: Gaps that are being closed for one server, and ms until it may try again.
_AT_ONCE = 5
_AGAIN = 10_000
#: ms until the state of the same room is asked of the same server again, and for how
#: many this is remembered.
_STATE_AGAIN = 60_000
_MOST_ASKED = 1000


@attrs.frozen
class Gaps:
    """Closes them."""

    rooms: Rooms
    checks: PduChecks
    requests: RoomRequests
    _open: Counter[str] = attrs.field(factory=Counter, init=False)
    #: By server ("" for strangers) and room: when its state was asked for, those asked
    #: last at the end.
    _asked: OrderedDict[tuple[str, str], int] = attrs.field(
        factory=OrderedDict, init=False
    )

    async def close(self, room: Room, origin: str, event: Event) -> None:
        """Have in the room what comes before this event, and what allows it.

        Raises:
            NotFound: the other server does not tell.
            Forbidden: it is not in the room, as far as others know.
            LimitExceeded: it is asked enough already.
        """
        if not (_before(room, [event]) or _resting_on(room, [event])):
            return
        if self._open[origin] >= _AT_ONCE:
            raise LimitExceeded(_AGAIN)
        self._open[origin] += 1
        try:
            if origin in room.servers:
                await self._close(room, origin, event)
            else:
                await self._ask_witness(room, origin, event)
        except FederationError as reason:
            logger.info("%s does not tell what came before: %s", origin, reason)
            raise NotFound("What comes before could not be had") from reason
        finally:
            self._open[origin] -= 1
            if not self._open[origin]:
                del self._open[origin]

    async def _ask_witness(self, room: Room, origin: str, event: Event) -> None:
        """Ask about a server that is not in the room as far as we know.

        When we came in, its keys may have been out of reach, and so what it had signed
        was left out. Another server knows; or it tells itself, and then can say no more
        than the rules of the room allow anybody who comes in.
        """
        refusal = Forbidden("What comes before is not known, and you are not in it")
        if server_of(event.sender) != origin:
            raise refusal
        self._ask_seldom("", room.room_id)
        members = (name for name, _ in room.servers.most_common(2))
        others = [name for name in members if name != self.rooms.server_name]
        for witness in (*others, origin):
            try:
                await self._catch_up(room, witness, event)
            except FederationError as reason:
                logger.info("%s does not know of it: %s", witness, reason)
            else:
                return
        raise refusal

    async def learn_auth_chain(self, room: Room, origin: str, event: Event) -> None:
        """Know what the right of this event to be there rests on, if it is allowed.

        Raises:
            FederationError: the other server does not tell.
        """
        chain = await self.requests.event_auth(origin, room.room_id, event.event_id)
        self._learn(room, await self.checks.all_checked(chain, room.version))

    async def _close(self, room: Room, origin: str, event: Event) -> None:
        between = await self._between(room, origin, event)
        asked = 0
        for each in [*between, event]:
            if asked < _REQUESTS and _resting_on(room, [each], between):
                await self.learn_auth_chain(room, origin, each)
                asked += 1
        first = ([*between, event])[0]
        if _before(room, [first], between) and first.depth > _depth(room) + 1:
            self._ask_seldom(origin, room.room_id)
            await self._catch_up(room, origin, first)
        for each in between:
            self.rooms.receive(room, each)

    async def _between(self, room: Room, origin: str, event: Event) -> list[Event]:
        """What lies between what we know and this event, the oldest first."""
        found: dict[str, Event] = {}
        for _ in range(_REQUESTS):
            known = {event.event_id, *found}
            open_ends = [
                each.event_id
                for each in (*found.values(), event)
                if any(
                    name not in known and room.find(name) is None
                    for name in each.prev_ids
                )
            ]
            if not open_ends:
                break
            told = await self.requests.missing_events(
                origin,
                room.room_id,
                _earliest(room),
                open_ends[:_A_REQUEST],
                _A_REQUEST,
            )
            fresh = {
                each.event_id: each
                for each in await self.checks.all_checked(told, room.version, known)
                if each.room_id == room.room_id and room.find(each.event_id) is None
            }
            if not fresh:
                break
            found |= fresh
        return sorted(found.values(), key=_by_depth)

    async def _catch_up(self, room: Room, origin: str, event: Event) -> None:
        """Go on from this event: the gap before it stays."""
        logger.info(
            "%s was not told of all in %s", self.rooms.server_name, room.room_id
        )
        answer = await self.requests.state(origin, room.room_id, event.event_id)
        state = await self.checks.all_checked(answer.state, room.version)
        known = {each.event_id for each in state}
        chain = await self.checks.all_checked(answer.auth_chain, room.version, known)
        self._learn(room, [*chain, *state])
        told = (room.find(each.event_id) for each in state)
        self.rooms.catch_up(room, [each for each in told if each], event)

    def _ask_seldom(self, origin: str, room_id: str) -> None:
        """Have the work that a whole state is done only once in a while.

        Raises:
            LimitExceeded: the server has had us ask a moment ago.
        """
        now = self.rooms.now()
        wait = self._asked.get((origin, room_id), 0) + _STATE_AGAIN - now
        if wait > 0:
            raise LimitExceeded(wait)
        self._asked[origin, room_id] = now
        self._asked.move_to_end((origin, room_id))
        if len(self._asked) > _MOST_ASKED:
            self._asked.popitem(last=False)

    def _learn(self, room: Room, events: Iterable[Event]) -> None:
        for event in sorted(events, key=_by_depth):
            if event.room_id == room.room_id:
                try:
                    self.rooms.learn(room, event)
                except Forbidden as refusal:
                    logger.info("%s is left out: %s", event.event_id, refusal)


def _earliest(room: Room) -> list[str]:
    """The ids of the events before which nothing is asked for.

    The root is one of them: what was before it, while none of us was in the room, is
    history and not missing.
    """
    heads = list(room.heads)
    return heads if room.root is None else [*heads, room.root.event_id]


def _before(
    room: Room, events: Iterable[Event], more: Iterable[Event] = ()
) -> set[str]:
    """The ids of what comes right before these events and is not known."""
    return _unknown(room, (name for each in events for name in each.prev_ids), more)


def _resting_on(
    room: Room, events: Iterable[Event], more: Iterable[Event] = ()
) -> set[str]:
    """The ids of the auth events of these events that are not known."""
    return _unknown(room, (name for each in events for name in each.auth_ids), more)


def _unknown(room: Room, ids: Iterable[str], more: Iterable[Event]) -> set[str]:
    return {name for name in ids if room.find(name) is None} - {
        each.event_id for each in more
    }


def _depth(room: Room) -> int:
    return max(head.depth for head in room.heads.values())


def _by_depth(event: Event) -> tuple[int, str]:
    return event.depth, event.event_id
