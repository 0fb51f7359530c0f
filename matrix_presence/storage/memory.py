"""Presence in memory, for tests: a store that fails, waits and crashes on demand.

What was committed outlives `close` and `crash`, so that one object plays the disk
through several lives of a server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from matrix_presence.interfaces import (
    Batch,
    DestinationRow,
    IPresenceStore,
    ListRow,
    StoreHead,
    UserRow,
)

T = TypeVar("T")


@implementer(IPresenceStore)
class MemoryPresenceStore:
    """The presence store as a dict. Deferreds have fired unless `hold` was called."""

    def __init__(self, users: Iterable[UserRow] = ()) -> None:
        #: What would be on disk, by user id.
        self.users = {user.user_id: user for user in users}
        #: The entries of presence lists, by observer and observed.
        self.lists: dict[tuple[str, str], ListRow] = {}
        #: What is kept of other servers, by name.
        self.destinations: dict[str, DestinationRow] = {}
        self.old_servers: set[str] = set()
        #: The highest position that a committed batch has reserved.
        self.reserved = 0
        #: Whether the last life ended in order; a life under way has not.
        self.clean = True
        #: Every batch that was committed, the oldest first.
        self.committed: list[Batch] = []
        self._refused: set[str] = set()
        self._failures: deque[Exception] = deque()
        self._held = False
        self._waiting: deque[Callable[[], None]] = deque()

    # What tests do with it.

    def fail_next(self, error: Exception, times: int = 1) -> None:
        """Fail the next commits with this error; nothing of them is stored."""
        self._failures.extend([error] * times)

    def refuse(self, user_id: str) -> None:
        """Leave this user's row out of every batch from now on."""
        self._refused.add(user_id)

    def accept(self, user_id: str) -> None:
        """Take this user's row again."""
        self._refused.discard(user_id)

    def hold(self) -> None:
        """Commit nothing and answer nothing until `release`."""
        self._held = True

    def release(self) -> None:
        """Do what was asked for since `hold`, in order, and hold no longer."""
        self._held = False
        while self._waiting and not self._held:
            self._waiting.popleft()()

    @property
    def held(self) -> int:
        """How many calls wait for `release`."""
        return len(self._waiting)

    def crash(self) -> None:
        """Forget what is not committed, as a killed process does.

        Its Deferreds never fire. The next `open` finds a store that is not clean.
        """
        self._waiting.clear()
        self._held = False
        self._failures.clear()

    # What the port asks for.

    def open(self) -> Deferred[StoreHead]:
        """Mark the store as in use; say how it was left."""
        return self._do(self._open)

    def load(self, after: str, limit: int) -> Deferred[Sequence[UserRow]]:
        """At most `limit` users in the order of their ids, those after `after`."""

        def loaded() -> Sequence[UserRow]:
            ids = sorted(user_id for user_id in self.users if user_id > after)
            return [self.users[user_id] for user_id in ids[:limit]]

        return self._do(loaded)

    def load_lists(
        self, after: tuple[str, str], limit: int
    ) -> Deferred[Sequence[ListRow]]:
        """At most `limit` entries in the order of their keys, those after `after`."""

        def loaded() -> Sequence[ListRow]:
            keys = sorted(key for key in self.lists if key > after)
            return [self.lists[key] for key in keys[:limit]]

        return self._do(loaded)

    def load_destinations(
        self, after: str, limit: int
    ) -> Deferred[Sequence[DestinationRow]]:
        """At most `limit` servers in the order of their names, those after `after`."""

        def loaded() -> Sequence[DestinationRow]:
            names = sorted(name for name in self.destinations if name > after)
            return [self.destinations[name] for name in names[:limit]]

        return self._do(loaded)

    def load_old_servers(self) -> Deferred[Sequence[str]]:
        """The names of all of them."""
        return self._do(lambda: sorted(self.old_servers))

    def write(self, batch: Batch) -> Deferred[Collection[str]]:
        """Commit the batch; the ids of the users left out."""

        def written() -> Collection[str]:
            if self._failures:
                raise self._failures.popleft()
            return self._commit(batch)

        return self._do(written)

    def close(self, position: int | None) -> Deferred[None]:
        """Note how this life ended."""

        def closed() -> None:
            self.clean = position is not None
            if position is not None:
                self.reserved = position

        return self._do(closed)

    def _open(self) -> StoreHead:
        head = StoreHead(reserved=self.reserved, clean=self.clean)
        self.clean = False
        return head

    def _commit(self, batch: Batch) -> Collection[str]:
        refused = {
            user.user_id for user in batch.users if user.user_id in self._refused
        }
        for user in batch.users:
            if user.user_id not in refused:
                self.users[user.user_id] = user
        for user_id in batch.forgotten:
            self.users.pop(user_id, None)
        for row in batch.lists:
            if row.accepted is None and not row.untold:
                self.lists.pop((row.observer, row.observed), None)
            else:
                self.lists[row.observer, row.observed] = row
        for server in batch.destinations:
            if server.is_plain:
                self.destinations.pop(server.server_name, None)
            else:
                self.destinations[server.server_name] = server
        self.old_servers.update(batch.old_servers)
        self.reserved = max(self.reserved, batch.reserved)
        self.committed.append(batch)
        return refused

    def _do(self, step: Callable[[], T]) -> Deferred[T]:
        done: Deferred[T] = Deferred()

        def do() -> None:
            answer: Any
            try:
                answer = step()
            except Exception:
                done.errback()
            else:
                done.callback(answer)

        if self._held:
            self._waiting.append(do)
        else:
            do()
        return done
