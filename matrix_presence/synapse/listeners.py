"""Those who wait in Synapse's /sync, and how they are woken: through its notifier.

Synapse keeps, for each user, up to which token their polls have been woken. A poll that
comes with that very token waits; one with another looks at once. So whoever has been
brought up to date there cannot miss anything, whether they wait at that moment or only
will, and nobody else has to be touched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from pyroaring import BitMap
from synapse.logging.context import PreserveLoggingContext
from synapse.metrics import SERVER_NAME_LABEL
from synapse.notifier import (
    Notifier,
    _NotifierUserStream,
    users_woken_by_stream_counter,
)
from synapse.types import StreamKeyType
from twisted.internet.interfaces import IReactorTime

from matrix_presence.cache.attention import Attention
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.synapse.partings import PartingLog
from matrix_presence.waiting import Waiting

#: Users woken in one turn of the reactor: each may compose a whole sync, which takes
#: some milliseconds.
_A_TURN = 3


class Listeners(Waiting):
    """The open polls of Synapse."""

    def __init__(
        self,
        clock: IReactorTime,
        attention: Attention,
        cache: PresenceCache,
        notifier: Notifier,
        partings: PartingLog,
    ) -> None:
        super().__init__(clock, attention)
        self._cache = cache
        self._notifier = notifier
        #: By user: how many polls are open beside the one that nearly all have.
        self._more: dict[int, int] = {}
        #: By user: the last position at which a module had something for them.
        self._routed: dict[int, int] = {}
        self.partings = partings
        #: Whose turn it is.
        self._turn: deque[int] = deque()
        self._taking_turns = False
        #: Whether a poll that is told of presence alone is answered with it alone; see
        #: `presence_only`.
        self.presence_only = False

    def __len__(self) -> int:
        return len(self.users) + sum(self._more.values())

    def opened(self, user: int, user_id: str) -> None:
        """A poll of this user begins; it ends with `closed`."""
        users = self.users
        if user in users:
            self._more[user] = self._more.get(user, 0) + 1
        else:
            users.add(user)
        # Who has no stream there will begin with what is there then.
        stream = self._notifier.user_to_user_stream.get(user_id)
        if stream is not None and self._has_news(user, stream):
            self.changed(BitMap([user]), urgent=True)
        else:
            # What this user was to be woken for, they have had in the meantime.
            self._attention.withdraw(user)

    def closed(self, user: int) -> None:
        """A poll that `opened` was called for has returned."""
        if user not in self._more:
            self.users.discard(user)
        elif self._more[user] > 1:
            self._more[user] -= 1
        else:
            del self._more[user]

    def routed(self, users: BitMap, position: int) -> None:
        """A module wants these to hear of something that was at this position."""
        for user in users:
            self._routed[user] = position
        self.changed(users, urgent=True)

    def _has_news(self, user: int, stream: _NotifierUserStream) -> bool:
        """Whether a poll of this user may be waiting although there is something."""
        since = stream.current_token.presence_key
        if since == self._cache.position:
            return False
        return bool(
            self._routed.get(user, 0) > since
            or self._cache.changed_for(user, since)
            or self._cache.farewells.since(since, user)
            or self.partings.since(since, user)
        )

    def _wake(self, user: int) -> None:
        self._turn.append(user)
        if not self._taking_turns:
            self._taking_turns = True
            self._clock.callLater(0, self._take_turns)

    def _take_turns(self) -> None:
        some = list(self._next_turns())
        if self._turn:
            self._clock.callLater(0, self._take_turns)
        else:
            self._taking_turns = False
        if some:
            self._poke(some)

    def _next_turns(self) -> Iterator[_NotifierUserStream]:
        streams, ids = self._notifier.user_to_user_stream, self._cache.users.ids
        left = _A_TURN
        while left and self._turn:
            user = self._turn.popleft()
            stream = streams.get(ids[user])
            # In the meantime they may have been woken for another reason.
            if (
                stream is not None
                and user in self.users
                and self._has_news(user, stream)
            ):
                left -= 1
                yield stream

    def _poke(self, streams: list[_NotifierUserStream]) -> None:
        notifier = self._notifier
        # It asks each stream of Synapse's where it stands.
        everything = (
            None if self.presence_only else notifier.event_sources.get_current_token()
        )
        now = int(self._clock.seconds() * 1000)
        for stream in streams:
            # A poll that has not begun to wait, or looks for something else right now,
            # sees by the token that it has to look again.
            token = everything or stream.current_token.copy_and_replace(
                StreamKeyType.PRESENCE, self._cache.position
            )
            waiting = stream.update_and_fetch_deferreds(token, now)
            self.woken += 1
            with PreserveLoggingContext():
                for listener in waiting:
                    listener.callback(token)
        labels = {
            "stream": StreamKeyType.PRESENCE,
            SERVER_NAME_LABEL: notifier.server_name,
        }
        users_woken_by_stream_counter.labels(**labels).inc(len(streams))

    def stop(self) -> None:
        """Wake nobody any more; Synapse itself ends the polls."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._turn.clear()
        # The polls still end one by one.
        self.users.clear()
