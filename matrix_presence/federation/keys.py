"""The keys of other servers: fetched when they are needed, kept while they are valid.

Whoever sends us a request names a server and a key, so all of this is bounded: how many
servers are remembered, how many are asked at once, how often the same one is asked.
"""

from __future__ import annotations

import logging
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from signedjson.types import VerifyKey

from matrix_presence.cache.sharing import Sharing
from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.wire.server_keys import ServerKeys, read_server_keys

logger = logging.getLogger(__name__)

#: Servers whose keys are remembered, and servers of whom it is remembered when they
#: may be asked again.
_MOST = 5000
#: Servers asked at the same time.
_AT_ONCE = 200
#: ms until a server is asked again that has answered: a key of which its document says
#: nothing is probably not there.
_SOONEST = 60_000
#: ms until a server is asked again that has not answered, at first and at most.
_FIRST_WAIT = 60_000
_LONGEST_WAIT = 3_600_000


class NoKey(Exception):
    """The key of another server cannot be had, and why."""


class KeySource(Protocol):
    """Where the keys of a server can be had from."""

    async def fetch(self, server_name: str) -> ServerKeys:
        """Its keys.

        Raises:
            Exception: they cannot be had from here.
        """


class KeyStore(Protocol):
    """Where keys survive a restart."""

    async def load(self, server_name: str) -> tuple[object, int] | None:
        """The document of this server, and when it was fetched (epoch ms)."""

    async def save(
        self, server_name: str, document: dict[str, Any], fetched_ts: int
    ) -> None:
        """Keep this document in place of the one before."""


class KeyRing:
    """The keys of other servers.

    Args:
        own: our own keys are known without asking anybody.
        sources: asked one after the other until one answers.
        store: None to remember in memory only.
        chance: a number from 0 up to 1, another each time.
    """

    def __init__(
        self,
        own: OwnKeys,
        sources: Sequence[KeySource],
        store: KeyStore | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._own = own
        self._sources = sources
        self._store = store
        self._chance = chance
        #: By name, those used last at the end.
        self._known: OrderedDict[str, ServerKeys] = OrderedDict()
        self._under_way: Sharing[str, ServerKeys] = Sharing()
        #: By name: failures in a row, and when it may be asked again (epoch ms).
        self._asked: OrderedDict[str, tuple[int, int]] = OrderedDict()

    async def key(self, server_name: str, key_id: str, valid_at: int) -> VerifyKey:
        """The key of this id of this server, which was valid at that time (epoch ms).

        Raises:
            NoKey: it cannot be had, or was not valid then.
        """
        found = (await self._remembered(server_name)).key(key_id, valid_at)
        if found is None:
            found = (await self._fetched(server_name)).key(key_id, valid_at)
        if found is None:
            raise NoKey(f"{server_name} has no key {key_id} that was valid then")
        return found

    async def keys(self, server_name: str, valid_until: int) -> ServerKeys:
        """All keys of this server, fetched anew if they are not valid until then.

        If that fails, those we had.

        Raises:
            NoKey: there were none either.
        """
        known = await self._remembered(server_name)
        if known.keys and known.valid_until_ts >= valid_until:
            return known
        try:
            return await self._fetched(server_name)
        except NoKey:
            if known.keys:
                return known
            raise

    async def _remembered(self, server_name: str) -> ServerKeys:
        """What is known of this server without asking; perhaps no key at all."""
        if server_name == self._own.server_name:
            return read_server_keys(self._own.document(), server_name, self._own.now())
        known = self._known.get(server_name)
        if known is not None:
            self._known.move_to_end(server_name)
            return known
        stored = None
        # Of whom it was asked for, nothing better is stored; made-up names are looked
        # for once.
        if self._store is not None and server_name not in self._asked:
            stored = await self._stored(self._store, server_name)
        if stored is None:
            return ServerKeys(server_name, {}, {}, {}, 0)
        # Another may have fetched newer ones meanwhile.
        return self._known.get(server_name) or self._remember(stored)

    async def _stored(self, store: KeyStore, server_name: str) -> ServerKeys | None:
        try:
            stored = await store.load(server_name)
            return stored and read_server_keys(stored[0], server_name, stored[1])
        except Exception:
            logger.exception("Stored keys could not be read")
            return None

    def _remember(self, keys: ServerKeys) -> ServerKeys:
        self._known[keys.server_name] = keys
        self._known.move_to_end(keys.server_name)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return keys

    async def _fetched(self, server_name: str) -> ServerKeys:
        """Ask for the keys; all who want the same at the same time share one request.

        Raises:
            NoKey: nobody answered, or it is too early to ask again.
        """
        if server_name not in self._under_way:
            if self._own.now() < self._asked.get(server_name, (0, 0))[1]:
                raise NoKey(f"{server_name} was asked for its keys a moment ago")
            if len(self._under_way) >= _AT_ONCE:
                raise NoKey("too many servers are being asked for their keys")
        return await self._under_way.share(
            server_name, lambda: self._fetch(server_name)
        )

    async def _fetch(self, server_name: str) -> ServerKeys:
        reasons = []
        for source in self._sources:
            try:
                keys = await source.fetch(server_name)
            except Exception as reason:
                reasons.append(str(reason) or type(reason).__name__)
            else:
                await self._save(self._remember(keys))
                return keys
        self._note_failure(server_name)
        raise NoKey(f"keys of {server_name}: {'; '.join(reasons)}")

    async def _save(self, keys: ServerKeys) -> None:
        now = self._own.now()
        again_ts = min(now + _SOONEST, keys.valid_until_ts)
        self._note(keys.server_name, 0, again_ts)
        if self._store is not None:
            try:
                document = dict(keys.document)
                await self._store.save(keys.server_name, document, now)
            except Exception:
                logger.exception("Keys could not be stored")

    def _note_failure(self, server_name: str) -> None:
        failures = self._asked.get(server_name, (0, 0))[0]
        wait = min(_LONGEST_WAIT, _FIRST_WAIT << min(failures, 10))
        again_ts = self._own.now() + int(wait * (0.5 + self._chance() / 2))
        self._note(server_name, failures + 1, again_ts)

    def _note(self, server_name: str, failures: int, again_ts: int) -> None:
        self._asked[server_name] = failures, again_ts
        self._asked.move_to_end(server_name)
        if len(self._asked) > _MOST:
            self._asked.popitem(last=False)
