"""Whether an account exists here, for those who cannot wait for the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from synapse.server import HomeServer

#: Accounts that are remembered; the least that a request or an EDU can name at once
#: has to fit.
_MOST = 10_000


class Accounts:
    """Remembers what `look_up` has found."""

    def __init__(self, homeserver: HomeServer) -> None:
        # A cached method, which is typed by a plugin of Synapse's own.
        self._store: Any = homeserver.get_datastores().main
        self._is_mine = homeserver.is_mine_id
        self._known: dict[str, bool] = {}

    async def look_up(self, user_ids: Iterable[str]) -> None:
        """Find out about these; `exists` knows them from then on."""
        for user_id in user_ids:
            if self._is_mine(user_id):
                found = await self._store.get_user_by_id(user_id)
                self._known.pop(user_id, None)
                self._known[user_id] = found is not None and not found.is_deactivated
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]

    def exists(self, user_id: str) -> bool:
        """Whether there is an account of this name; of others than looked up, not."""
        return self._known.get(user_id, False)
