"""Invites and knocks in rooms that this server is not in, and how they ended.

Of such a room nothing is known but the member event of our user and what its sender
told of the room. All of it goes away when the user's membership is known from the room
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import orjson

from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.journal import Journal
from matrix_presence.homeserver.positions import Positions
from matrix_presence.homeserver.user_rooms import UserRooms
from matrix_presence.homeserver.waiting import Waiting
from matrix_presence.wire.room_versions import ROOM_VERSIONS


@attrs.frozen
class OutsideMembership:
    """The membership of a user of ours in a room that this server is not in."""

    event: Event
    #: Stripped state: what the user is shown of the room.
    room_state: list[dict[str, Any]]

    @property
    def user_id(self) -> str:
        """Whose membership it is."""
        return self.event.state_key or ""

    @property
    def membership(self) -> str:
        """`invite`, `knock`, `leave` or `ban`."""
        return self.event.membership or "leave"

    @property
    def room_id(self) -> str:
        """The room."""
        return self.event.room_id


class OutsideMemberships:
    """All of them.

    Args:
        user: the rooms of a user.
    """

    def __init__(
        self,
        journal: Journal,
        positions: Positions,
        waiting: Waiting,
        user: Callable[[str], UserRooms],
    ) -> None:
        self._journal = journal
        self._positions = positions
        self._waiting = waiting
        self._user = user
        self._known: dict[tuple[str, str], OutsideMembership] = {}

    def get(self, user_id: str, room_id: str) -> OutsideMembership | None:
        """The membership of this user in this room, unless the room itself knows it."""
        return self._known.get((user_id, room_id))

    def place(self, event: Event, room_state: Sequence[dict[str, Any]] = ()) -> None:
        """This member event is now the user's membership in its room."""
        event.position = self._positions.next()
        membership = OutsideMembership(event, list(room_state))
        self._keep(membership)
        self._erase(membership.user_id, event.room_id)
        self._journal.write(
            "INSERT INTO rooms_outside (user_id, room_id, position, event_id, pdu,"
            " room_version, room_state) VALUES (?, ?, ?, ?, ?, ?, ?)",
            membership.user_id,
            event.room_id,
            event.position,
            event.event_id,
            orjson.dumps(event.pdu).decode(),
            event.version.identifier,
            orjson.dumps(membership.room_state).decode(),
        )
        self._waiting.wake(membership.user_id)

    def drop(self, user_id: str, room_id: str) -> None:
        """The room itself knows the user's membership now."""
        if self._known.pop((user_id, room_id), None) is not None:
            self._erase(user_id, room_id)

    async def load(self) -> None:
        """Read all from the database; the rooms are there already."""
        for (
            position,
            event_id,
            room_id,
            pdu,
            identifier,
            room_state,
        ) in await self._journal.all_rows(
            "SELECT position, event_id, room_id, pdu, room_version, room_state"
            " FROM rooms_outside"
        ):
            version = ROOM_VERSIONS[identifier]
            event = Event(event_id, room_id, orjson.loads(pdu), version, position)
            self._positions.seen(position)
            self._keep(OutsideMembership(event, orjson.loads(room_state)))

    def _keep(self, membership: OutsideMembership) -> None:
        self._known[membership.user_id, membership.room_id] = membership
        user = self._user(membership.user_id)
        user.others[membership.room_id] = membership.event
        user.changed = max(user.changed, membership.event.position)

    def _erase(self, user_id: str, room_id: str) -> None:
        self._journal.write(
            "DELETE FROM rooms_outside WHERE user_id = ? AND room_id = ?",
            user_id,
            room_id,
        )
