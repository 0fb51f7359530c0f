"""All rooms: where an event is made, allowed, placed, told of and written down.

This is the only writer of rooms. It decides nothing about what clients may ask for
(that is in the files that answer them) and everything about what may stand in a room.
Whatever it does it does at once, in memory; `journal.stored` waits for the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.auth_rules import authorize
from matrix_presence.homeserver.drafts import Draft, Signer
from matrix_presence.homeserver.entered_rooms import EnteredRooms
from matrix_presence.homeserver.events import Event, Standing
from matrix_presence.homeserver.journal import Journal
from matrix_presence.homeserver.positions import Positions
from matrix_presence.homeserver.redactions import check_redaction
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_state import Moves
from matrix_presence.homeserver.standing import standing_of
from matrix_presence.homeserver.waiting import Waiting
from matrix_presence.ids import server_of
from matrix_presence.wire.room_versions import RoomVersion

logger = logging.getLogger(__name__)

Distribute = Callable[[Room, Event, frozenset[str]], None]
"""Brings an event of a room to other servers."""


class Rooms(EnteredRooms):
    """Makes, takes in and places events.

    Args:
        signer: signs in the name of this server.
    """

    def __init__(
        self, signer: Signer, journal: Journal, positions: Positions, waiting: Waiting
    ) -> None:
        super().__init__(signer, journal, positions, waiting)
        #: Told of each event that it is for us to bring to others, and to whom.
        self.distribute: Distribute = lambda room, event, servers: None

    def create(self, drafts: Sequence[Draft], version: RoomVersion) -> Room:
        """A new room of these events, the create event first: all of them or none.

        Raises:
            Forbidden, BadJson, TooLarge: one of them is not allowed.
        """
        first = self.signer.first_event(drafts[0], version)
        room = Room(first.room_id, version)
        moves: list[Moves] = []
        for draft in drafts:
            event = first if not room.timeline else self.signer.next_event(draft, room)
            event.parents = room.follow(event)
            authorize(event, version, room.state)
            event.position = self.positions.next()
            moves.append(room.add(event))
        self._rooms[room.room_id] = room
        for event, moved in zip(room.timeline, moves, strict=True):
            self._index(room, event, moved)
            self._rows.write(event)
        for event, moved in zip(room.timeline, moves, strict=True):
            self._tell(room, moved)
            self._bring(room, event, moved)
        return room

    def append(
        self, room: Room, draft: Draft, transaction: tuple[str, str] | None = None
    ) -> Event:
        """Put what the draft says at the end of the room.

        Args:
            transaction: the device and transaction id that a client sent it with.

        Raises:
            Forbidden: the authorization rules do not allow it, or it redacts what the
                sender may not redact.
            BadJson, TooLarge: it cannot be an event.
        """
        event = self.propose(room, draft)
        event.transaction = transaction
        moves = self._add(room, event)
        self._bring(room, event, moves)
        return event

    def propose(self, room: Room, draft: Draft) -> Event:
        """What the draft says as the next event of the room, which it is not yet.

        Raises:
            Forbidden, BadJson, TooLarge: see `append`.
        """
        event = self.signer.next_event(draft, room)
        event.parents = room.follow(event)
        authorize(event, room.version, room.state)
        check_redaction(room, event)
        return event

    def append_signed(self, room: Room, event: Event, origin: str = "") -> None:
        """Put an event into the room that it is for us to bring to the others.

        Args:
            origin: the server that handed it in and knows it.

        Raises:
            Forbidden: the authorization rules do not allow it.
        """
        known = room.find(event.event_id)
        if known is None or known.standing is Standing.OUTLIER:
            moves = self._receive(room, event)
            if moves is not None:
                self._bring(room, event, moves, origin)
                return
            known = event
        if known.standing is not Standing.PLACED:
            raise Forbidden("The room does not allow this")

    def receive(self, room: Room, event: Event) -> Standing:
        """Take in an event of another server, checked but for its authorization.

        What it follows and what it names as its auth events should be there already.
        """
        known = room.find(event.event_id)
        if known is not None and (
            known.standing is not Standing.OUTLIER or known.event_id in room.events
        ):
            return known.standing
        self._receive(room, event)
        return event.standing

    def forget(self, user_id: str, room: Room) -> None:
        """Show this room to the user no more.

        Raises:
            Forbidden: the user is still in it, or was never.
        """
        own = self.of(user_id).others.get(room.room_id)
        if own is None or own.membership not in ("leave", "ban"):
            raise Forbidden("Only a room that was left can be forgotten")
        self.of(user_id).forget(own)
        self.journal.write(
            "INSERT INTO rooms_forgotten (user_id, room_id, event_id)"
            " VALUES (?, ?, ?) ON CONFLICT (user_id, room_id)"
            " DO UPDATE SET event_id = excluded.event_id",
            user_id,
            room.room_id,
            own.event_id,
        )

    def _receive(self, room: Room, event: Event) -> Moves | None:
        """Give the event its standing, and its place; None if it has none."""
        event.parents = room.follow(event)
        event.standing = standing_of(room, event)
        if event.standing is Standing.PLACED:
            return self._add(room, event)
        self._set_aside(room, event)
        return None

    def _add(self, room: Room, event: Event) -> Moves:
        """Place a new event, write it down, and tell those it concerns."""
        self._reposition(room, event)
        target, moves = self._place(room, event)
        self._rows.write(event)
        if target is not None:
            self._rows.write_pdu(target)
        self._tell(room, moves)
        return moves

    def _bring(self, room: Room, event: Event, moves: Moves, origin: str = "") -> None:
        """Have an event brought to all servers that have, or had, a part in it."""
        servers = set(room.servers)
        for user_id, before in moves.items():
            if before in ("join", "invite", "knock"):
                servers.add(server_of(user_id))
        servers -= {self.server_name, server_of(event.sender), origin}
        if servers:
            self.distribute(room, event, frozenset(servers))
