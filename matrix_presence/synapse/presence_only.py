"""A poll that presence alone ends is answered without a whole sync.

A sync of Synapse's looks for everything that a client may want to know, which takes
some milliseconds. Synapse keeps, for each user, up to which token their polls have been
told of news. Where that is the token a client comes with, but for presence, nothing
else is to be told: the answer is presence, and the token to go on with is the client's
own with presence moved on. All the rest of it stays, so nothing can be passed over: the
next whole sync looks from where the client stands.
"""

from __future__ import annotations

import logging
from inspect import signature
from typing import Any

import attrs
from synapse.handlers.sync import SyncConfig, SyncHandler, SyncResult
from synapse.notifier import Notifier, _NotifierUserStream
from synapse.server import HomeServer
from synapse.types import StreamKeyType, StreamToken

from matrix_presence.synapse.listeners import Listeners
from matrix_presence.synapse.source import PresenceSource

logger = logging.getLogger(__name__)

#: So many answers in a row, and then a whole sync: caches of Synapse's reach only so
#: far back from the present.
_IN_A_ROW = 30
#: What a sync is asked for.
_ASKED = ("sync_config", "since_token", "full_state")
#: On a stream of Synapse's: how many there were.
_COUNT = "_matrix_presence_in_a_row"


def answer_briefly(
    homeserver: HomeServer, source: PresenceSource, listeners: Listeners
) -> None:
    """From now on answer such polls here, if this Synapse is built as those known."""
    handler: Any = homeserver.get_sync_handler()
    if not _is_known(handler):
        logger.info("Polls that presence ends are answered with a whole sync")
        return
    notifier, store = homeserver.get_notifier(), homeserver.get_datastores().main
    handler.current_sync_for_user = PresenceOnly(handler, notifier, store, source).sync
    listeners.presence_only = True


def _is_known(handler: SyncHandler) -> bool:
    whole = getattr(handler, "current_sync_for_user", None)
    empty = getattr(SyncResult, "empty", None)
    return (
        whole is not None
        and tuple(signature(whole).parameters) == _ASKED
        and empty is not None
        and len(signature(empty).parameters) == 3
        and hasattr(_NotifierUserStream, "count_listeners")
        and hasattr(StreamToken, "copy_and_replace")
    )


class PresenceOnly:
    """In the place of `SyncHandler.current_sync_for_user`."""

    def __init__(
        self, handler: Any, notifier: Notifier, store: Any, source: PresenceSource
    ) -> None:
        self._whole = handler.current_sync_for_user
        self._streams = notifier.user_to_user_stream
        self._store = store
        self._source = source

    async def sync(
        self,
        sync_config: SyncConfig,
        since_token: StreamToken | None = None,
        full_state: bool = False,
    ) -> SyncResult:
        """The answer to a sync; it may be empty, and the poll then goes on."""
        stream: Any = self._streams.get(sync_config.user.to_string())
        if stream is None:
            return await self._sync_whole(sync_config, since_token, full_state)
        told = stream.current_token
        if (
            since_token is not None
            and not full_state
            and _only_presence(since_token, told)
            and not sync_config.filter_collection.blocks_all_presence()
            and (in_a_row := getattr(stream, _COUNT, 0)) < _IN_A_ROW
        ):
            setattr(stream, _COUNT, in_a_row + 1)
            result = await self._brief(sync_config, since_token)
        else:
            setattr(stream, _COUNT, 0)
            result = await self._sync_whole(sync_config, since_token, full_state)
        # Nothing has been told in the meantime, and nobody waits: up to here there is
        # nothing left to tell, and the next poll need not look.
        if result and stream.current_token is told and not stream.count_listeners():
            stream.current_token = result.next_batch
        return result

    async def _sync_whole(
        self, sync_config: SyncConfig, since_token: StreamToken | None, full_state: bool
    ) -> SyncResult:
        result: SyncResult = await self._whole(
            sync_config, since_token, full_state=full_state
        )
        return result

    async def _brief(self, sync_config: SyncConfig, since: StreamToken) -> SyncResult:
        user, device_id = sync_config.user, sync_config.device_id
        states, position = await self._source.get_new_events(
            user, since.presence_key, is_guest=sync_config.is_guest
        )
        presence = await sync_config.filter_collection.filter_presence(states)
        keys, unused = {}, []
        if device_id:
            # Each answer tells these, for nothing else does. Both are cached.
            user_id, store = user.to_string(), self._store
            keys = await store.count_e2e_one_time_keys(user_id, device_id)
            unused = await store.get_e2e_unused_fallback_key_types(user_id, device_id)
        next_batch = since.copy_and_replace(StreamKeyType.PRESENCE, position)
        nothing = SyncResult.empty(next_batch, keys, list(unused))
        return attrs.evolve(nothing, presence=presence)


def _only_presence(since: StreamToken, told: StreamToken) -> bool:
    """Whether what was told after `since` is presence and nothing else."""
    position = told.presence_key
    return (
        since.presence_key < position
        # Most often it is this, and the rest need not be looked at.
        and since.room_key == told.room_key
        and since.copy_and_replace(StreamKeyType.PRESENCE, position) == told
    )
