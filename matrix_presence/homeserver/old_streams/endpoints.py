"""GET /events, /initialSync and /rooms/{roomId}/initialSync, under every version."""

from __future__ import annotations

from functools import partial

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from matrix_presence.errors import Forbidden, InvalidParam, MissingParam, NotFound
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.paths import EVERY_VERSION, serve
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.old_streams.listener import Listener, PresenceStream
from matrix_presence.homeserver.old_streams.news import StreamNews
from matrix_presence.homeserver.old_streams.shapes import old_client_event
from matrix_presence.homeserver.old_streams.snapshots import Snapshots
from matrix_presence.homeserver.polling import timeout_of, until_news
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.homeserver.sync.filters import MAX_LIMIT
from matrix_presence.homeserver.sync.token import SyncToken, parse_sync_token
from matrix_presence.homeserver.visibility import horizon, may_see
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.wire.content import Era

#: Milliseconds that /events waits unless it is told otherwise.
_TIMEOUT = 30_000
#: Events of rooms in one answer of /events, at most.
_AT_ONCE = 100
#: Messages of each room in an initial sync, unless it is told otherwise.
_MESSAGES = 10


@attrs.frozen
class OldStreamEndpoints:
    """What clients used before there was /sync."""

    authentication: Authentication
    rooms: Rooms
    accounts: Accounts
    presence: PresenceStream
    news: StreamNews
    snapshots: Snapshots
    clock: IReactorTime

    def add_to(self, router: Router) -> None:
        """Serve them, to each version as it knows presence."""
        for version in EVERY_VERSION:
            era = self.presence.era(version)
            for path, endpoint in (
                ("events", self.events),
                ("initialSync", self.initial_sync),
                ("rooms/{room_id}/initialSync", self.room_initial_sync),
            ):
                serve(router, "GET", path, partial(endpoint, era), [version])
        serve(router, "GET", "events/{event_id}", self.event, EVERY_VERSION)

    async def events(self, era: Era, call: Call) -> Answer:
        """What is new in the rooms of the requester, or in one that they look into.

        The requester is online meanwhile, unless they are a guest (A-101, D-41).
        """
        requester = self.authentication.requester(call.request)
        listener = attrs.evolve(
            self._listener(requester, era), room=self._watched_room(call, requester)
        )
        start = _start(call) or self.news.now()
        limit = min(_limit(call, _AT_ONCE), _AT_ONCE)
        deadline = self.clock.seconds() + timeout_of(call, _TIMEOUT) / 1000
        with self.presence.connected(requester, era):
            news = self.news.after(listener, start, limit)
            while not (news.events or news.goes_on):
                left = deadline - self.clock.seconds()
                if left <= 0 or self.rooms.waiting.stopped:
                    break
                await self._something(listener, news.end, left)
                news = self.news.after(listener, news.end, limit)
        return 200, {"start": str(start), "end": str(news.end), "chunk": news.events}

    def _something(
        self, listener: Listener, since: SyncToken, seconds: float
    ) -> Deferred[None]:
        """Fires when there may be something new, or the time is up."""
        told = self.presence.wait(listener.user_id, since.presence, listener.room_id)
        return until_news(self.clock, self.rooms.waiting, listener.key, told, seconds)

    async def event(self, call: Call) -> Answer:
        """One event of a room that the requester is or was in."""
        requester = self.authentication.member(call.request)
        user, event_id = self.rooms.of(requester.user_id), call.params["event_id"]
        for room_id in (*user.joined, *user.others):
            room = self.rooms.get(room_id)
            event = None if room is None else room.events.get(event_id)
            if room is None or event is None:
                continue
            if may_see(room, requester.user_id, event):
                mine = event.sender == requester.user_id
                device_id = requester.device_id if mine else None
                return 200, old_client_event(event, self.rooms.now(), device_id)
        raise NotFound("There is no such event")

    async def initial_sync(self, era: Era, call: Call) -> Answer:
        """All rooms of the requester, and the presence of all whom they see (A-100)."""
        requester = self.authentication.member(call.request)
        limit, archived = _limit(call, _MESSAGES), call.query("archived") == "true"
        listener = self._listener(requester, era)
        body = await self.snapshots.of_everything(listener, limit, archived=archived)
        return 200, body

    async def room_initial_sync(self, era: Era, call: Call) -> Answer:
        """One room, also for who only looks into it (A-103)."""
        requester = self.authentication.requester(call.request)
        room, limit = self._room(call.params["room_id"]), _limit(call, _MESSAGES)
        listener = self._listener(requester, era)
        return 200, await self.snapshots.of_room(listener, room, limit)

    def _listener(self, requester: Requester, era: Era) -> Listener:
        return Listener(requester, era, self.accounts.ignored(requester.user_id))

    def _watched_room(self, call: Call, requester: Requester) -> Room | None:
        """The room that the requester asks for alone, if they do (A-104).

        Raises:
            Forbidden: they may not see it.
            MissingParam: a guest asks for none.
        """
        room_id = call.query("room_id")
        if room_id is None:
            if requester.is_guest:
                raise MissingParam("Guests listen to one 'room_id'")
            return None
        room = self._room(room_id)
        horizon(room, requester.user_id)
        return room

    def _room(self, room_id: str) -> Room:
        """The room of this id.

        Raises:
            Forbidden: it is not here. Whether it is elsewhere is nobody's business.
        """
        room = self.rooms.get(room_id)
        if room is None:
            raise Forbidden("You are not in this room")
        return room


def _start(call: Call) -> SyncToken | None:
    """Where the stream goes on; None for now.

    Raises:
        InvalidParam: `from` is no token of ours.
    """
    text = call.query("from")
    # "END" is what clients of api/v1 say for now.
    return None if text in (None, "END") else parse_sync_token(str(text))


def _limit(call: Call, default: int) -> int:
    text = call.query("limit")
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise InvalidParam("'limit' must be an integer above 0")
    return max(1, min(int(text[:9]), MAX_LIMIT))
