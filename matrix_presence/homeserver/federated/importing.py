"""Taking over a room from a server that has let us in (C-81).

The other server answers a join with the state before it and all that this state rests
on. Each event of it is checked as if it had come alone: what is not signed, or not
allowed by its own auth events, is left out. Then the room begins for us with our join.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.auth_events import auth_state
from matrix_presence.homeserver.auth_rules import authorize
from matrix_presence.homeserver.events import Event, StateKey
from matrix_presence.homeserver.federated.checks import PduChecks
from matrix_presence.homeserver.federated.pdus import BadPdu
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.homeserver.slices import Slices
from matrix_presence.wire.room_versions import RoomVersion

logger = logging.getLogger(__name__)

_CREATE = ("m.room.create", "")


class ImportRefused(ValueError):
    """What the other server says of the room cannot be."""


@attrs.frozen
class RoomImport:
    """Takes over rooms."""

    rooms: Rooms
    checks: PduChecks
    _slices: Slices = attrs.field(init=False)

    @_slices.default
    def _own_slices(self) -> Slices:
        return Slices(self.checks.clock)

    async def import_join(
        self,
        version: RoomVersion,
        room_id: str,
        event: dict[str, Any],
        state: Sequence[Any],
        auth_chain: Sequence[Any],
    ) -> Room:
        """The room, in which our user is from now on; it is stored.

        Args:
            event: the join, signed by all who have to.
            state: the state before it.
            auth_chain: all that this state rests on.

        Raises:
            ImportRefused: they do not make a room in which our user could be.
            NotStored: it could not be stored.
        """
        try:
            join = await self.checks.checked(event, version)
        except BadPdu as reason:
            raise ImportRefused(f"the join is none: {reason}") from reason
        stated = await self.checks.all_checked(state, version)
        known = {each.event_id for each in stated}
        resting_on = await self.checks.all_checked(auth_chain, version, known)
        allowed: dict[str, Event] = {}
        events = [*resting_on, *stated]
        # Each on its own: what comes before has used some of its turn already.
        await self._slices.pause()
        await self._slices.done(allowing(room_id, events, allowed))
        before: dict[StateKey, Event] = {}
        for each in stated:
            if each.event_id in allowed and each.key is not None:
                before.setdefault(each.key, each)
        create = before.get(_CREATE)
        if create is None:
            raise ImportRefused("there is no create event that is allowed")
        if create.content.get("room_version", "1") != version.identifier:
            raise ImportRefused("the room has another version")
        try:
            authorize(join, version, auth_state(join, allowed.get, create))
            authorize(join, version, before)
        except Forbidden as reason:
            raise ImportRefused(f"the join is not allowed: {reason}") from reason
        others = list(allowed.values())
        await self._slices.pause()
        await self._slices.done(
            self.rooms.entering(room_id, version, before, others, join)
        )
        await self.rooms.journal.stored()
        room = self.rooms.get(room_id)
        assert room is not None
        return room


def allowing(
    room_id: str, events: Iterable[Event], allowed: dict[str, Event]
) -> Iterator[None]:
    """Find those of the room that their auth events allow; pause after each.

    Args:
        allowed: takes them by id, the create event first.
    """
    waiting = {event.event_id: event for event in events if event.room_id == room_id}
    followers: dict[str, list[Event]] = {}
    lacks: dict[str, int] = {}
    for event in waiting.values():
        rests_on = {event_id for event_id in event.auth_ids if event_id in waiting}
        lacks[event.event_id] = len(rests_on)
        for event_id in rests_on:
            followers.setdefault(event_id, []).append(event)
        yield
    free = [event for event in waiting.values() if not lacks[event.event_id]]
    # From version 12 on nothing names the create event.
    free.sort(key=lambda event: event.type == "m.room.create")
    create: Event | None = None
    while free:
        event = free.pop()
        try:
            authorize(event, event.version, auth_state(event, allowed.get, create))
        except Forbidden as reason:
            logger.info("%s is left out: %s", event.event_id, reason)
        else:
            allowed[event.event_id] = event
            if create is None and event.type == "m.room.create":
                create = event
        for follower in followers.get(event.event_id, ()):
            lacks[follower.event_id] -= 1
            if not lacks[follower.event_id]:
                free.append(follower)
        yield
