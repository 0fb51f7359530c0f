"""How clients of a process that does not write presence are woken: in windows.

There Synapse's own handler wakes all in the rooms of whoever has changed, for each
change that the writer has written; each of them then composes a whole sync. What it
would wake them for is gathered here, so that a change after a quiet time wakes at once,
and what follows wakes once a window, and no faster than the budget allows. It is the
process that has a window, and not each client: whom a change concerns is known to the
writer only. Nothing is lost by it: whoever syncs in the meantime sees what there is.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from synapse.logging.context import PreserveLoggingContext
from synapse.notifier import Notifier
from synapse.server import HomeServer
from synapse.types import StreamKeyType
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from matrix_presence.config import PresenceConfig


def wake_in_windows(
    homeserver: HomeServer, handler: Any, config: PresenceConfig
) -> None:
    """From now on Synapse's handler of this process wakes in windows."""
    window, per_second = config.client_window, config.client_wakeups_per_second
    if isinstance(getattr(handler, "notifier", None), Notifier) and (
        window or per_second
    ):
        handler.notifier = WorkerWakeups(
            homeserver.get_reactor(), handler.notifier, window, per_second
        )


class WorkerWakeups:
    """Takes the place of the notifier for the handler of presence alone.

    Args:
        window: ms; see `cache.attention`.
        per_second: clients woken, over all; 0 for no limit.
    """

    def __init__(
        self, clock: IReactorTime, notifier: Notifier, window: int, per_second: float
    ) -> None:
        self._clock = clock
        self._notifier = notifier
        self._window = window / 1000
        self._per_second = per_second
        #: Who is to be woken next: users by id, and all in these rooms.
        self._users: set[str] = set()
        self._rooms: set[str] = set()
        self._token = 0
        #: While it runs nobody is woken.
        self._timer: IDelayedCall | None = None

    def on_new_event(
        self,
        stream_key: StreamKeyType,
        new_token: int,
        users: Collection[Any] | None = None,
        rooms: Collection[str] | None = None,
    ) -> None:
        """Something has changed that these users, and those in these rooms, may see."""
        self._users.update(map(str, users or ()))
        self._rooms.update(rooms or ())
        self._token = max(self._token, new_token)
        if self._timer is None:
            self._wake()

    def _wake(self) -> None:
        self._timer = None
        users, self._users = self._users, set()
        rooms, self._rooms = self._rooms, set()
        if not (users or rooms):
            return
        pause = self._window
        if self._per_second:
            pause = max(pause, self._count(users, rooms) / self._per_second)
        self._timer = self._clock.callLater(pause, self._wake)
        with PreserveLoggingContext():
            self._notifier.on_new_event(
                StreamKeyType.PRESENCE, self._token, users=users, rooms=rooms
            )

    def _count(self, users: Collection[str], rooms: Collection[str]) -> int:
        """How many polls are open that will be woken."""
        notifier = self._notifier
        streams = {
            stream
            for room in rooms
            for stream in notifier.room_to_user_streams.get(room, ())
        }
        streams.update(
            notifier.user_to_user_stream[user]
            for user in users
            if user in notifier.user_to_user_stream
        )
        return sum(stream.count_listeners() for stream in streams)
