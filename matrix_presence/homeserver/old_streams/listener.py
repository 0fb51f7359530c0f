"""Who listens to an old stream, and what the stream is told of presence by."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred

from matrix_presence.homeserver.room import Room
from matrix_presence.interfaces import Requester
from matrix_presence.wire.content import Era

Events = list[dict[str, Any]]


@attrs.frozen
class Listener:
    """What one request asks for."""

    requester: Requester
    #: How presence is told to who asks.
    era: Era
    #: Users of whom the client wants to see nothing but state events (A-94).
    ignored: frozenset[str] = frozenset()
    #: The only room that is listened to, perhaps from outside; None for all of one's
    #: own.
    room: Room | None = None

    @property
    def user_id(self) -> str:
        """Who asks."""
        return self.requester.user_id

    @property
    def room_id(self) -> str | None:
        """The id of the only room."""
        return None if self.room is None else self.room.room_id

    @property
    def key(self) -> str:
        """What a wait for news is woken by; see `Waiting`."""
        return self.room_id or self.user_id

    def device_of(self, sender: str) -> str | None:
        """The device that asks, if it is one of the sender's."""
        return self.requester.device_id if sender == self.user_id else None


class PresenceStream(Protocol):
    """The presence in an old stream; see `matrix_presence.web.old_streams`."""

    def era(self, version: str) -> Era:
        """How presence is told to those who come by this version of the API."""

    def connected(self, requester: Requester, era: Era) -> AbstractContextManager[None]:
        """To be held while the stream is open."""

    def position(self) -> int:
        """The position up to which everything can be read."""

    def initial(self, user_id: str, era: Era) -> tuple[Events, int]:
        """Everybody whom this user sees, and the position."""

    def part(
        self, user_id: str, since: int, era: Era, room_id: str | None = None
    ) -> tuple[Events, int]:
        """What is new after `since`, perhaps of a room's members only."""

    def members(
        self,
        user_id: str,
        room_id: str,
        era: Era,
        among: Collection[str] | None = None,
    ) -> Events:
        """The presence of the members of a room, or of these among them."""

    def settle(self) -> None:
        """Have the joins so far be part of what is new."""

    def wait(
        self, user_id: str, since: int, room_id: str | None = None
    ) -> Deferred[None]:
        """Fires when `part` has news to wake the client for; to be cancelled."""
