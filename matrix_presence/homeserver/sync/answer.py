"""The body of one /sync: rooms, presence, account data, devices.

A /sync in which only presence moved touches no room: each stream is first compared by
its position, a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import orjson
from twisted.internet.defer import Deferred

from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.homeserver.slices import Slices
from matrix_presence.homeserver.sync.ask import Ask
from matrix_presence.homeserver.sync.filters import EventFilter
from matrix_presence.homeserver.sync.room_parts import RoomParts
from matrix_presence.homeserver.sync.rooms import RoomNews
from matrix_presence.homeserver.sync.token import SyncToken
from matrix_presence.interfaces import Requester
from matrix_presence.wire.content import Era
from matrix_presence.wire.filters import PresenceFilter

_Events = list[dict[str, Any]]


class AccountSide(Protocol):
    """What a /sync has of an account."""

    @property
    def position(self) -> int:
        """The newest position of account data, to-device messages, device lists."""

    def ignored(self, user_id: str) -> frozenset[str]:
        """The users whom this one ignores."""

    def filter(self, user_id: str, filter_id: str) -> dict[str, Any] | None:
        """A stored filter; None if there is none of this id."""

    def sync_account_data(
        self, user_id: str, since: int | None
    ) -> tuple[_Events, dict[str, _Events]]:
        """What is new in the account data, global and by room."""

    def to_device(
        self, user_id: str, device_id: str | None, since: int | None
    ) -> tuple[_Events, int]:
        """Messages after `since`, and their position; earlier ones were received."""

    def otk_counts(self, user_id: str, device_id: str) -> dict[str, int]:
        """How many one-time keys the device has left, by algorithm."""

    def unused_fallback_types(self, user_id: str, device_id: str) -> list[str]:
        """The algorithms of which the device has an unused fallback key."""

    def device_lists_changed(self, since: int, user_ids: Iterable[str]) -> list[str]:
        """Whose devices changed."""


class PresenceSide(Protocol):
    """The presence part of a /sync."""

    def era(self, version: str) -> Era:
        """How presence is told to those who come by this version of the API."""

    def connected(
        self, requester: Requester, set_presence: str | None, era: Era = ...
    ) -> AbstractContextManager[None]:
        """To be held while the /sync is open."""

    def part(
        self,
        user_id: str,
        since: int | None,
        *,
        full_state: bool = False,
        only: PresenceFilter = ...,
        era: Era = ...,
    ) -> tuple[_Events, int]:
        """The presence events after `since`, and their position."""

    def wait(
        self, user_id: str, since: int, only: PresenceFilter = ..., era: Era = ...
    ) -> Deferred[None]:
        """Fires when `part` has news to wake the client for."""


class _Looked(NamedTuple):
    """What is new in rooms and account data, all of it of one moment."""

    rooms: RoomNews
    account_data: _Events
    by_room: dict[str, _Events]


class Answers:
    """Makes the answers to /sync.

    Those that are long to make are made in slices of the reactor's time, and are what
    they would be had they been made at once, at the end.
    """

    def __init__(
        self,
        rooms: Rooms,
        parts: RoomParts,
        accounts: AccountSide,
        presence: PresenceSide,
        slices: Slices,
    ) -> None:
        self._rooms = rooms
        self._parts = parts
        self._accounts = accounts
        self._presence = presence
        self._slices = slices

    async def answer(
        self, ask: Ask, since: SyncToken | None
    ) -> tuple[bytes | None, SyncToken]:
        """The encoded answer, None when there is nothing new; and the next token."""
        looked = None
        if (
            since is None
            or ask.full_state
            or self._rooms.positions.current > since.rooms
            or self._accounts.position > since.account
        ):
            looked = await self._looked(ask, since)
        # From here on nothing is waited for: what the token says has been looked at.
        return self._of_now(ask, since, looked)

    async def _looked(self, ask: Ask, since: SyncToken | None) -> _Looked:
        """Look at the rooms, until there was a look in which nothing moved."""
        rooms_since = None if since is None else since.rooms
        news = RoomNews(self._rooms, self._parts, ask, rooms_since)
        account_since = None if since is None else since.account
        data: tuple[_Events, dict[str, _Events]]

        def look() -> Iterator[None]:
            nonlocal data
            data = self._accounts.sync_account_data(ask.user_id, account_since)
            return news.steps(data[1])

        await self._slices.settle(look)
        return _Looked(news, *data)

    def _of_now(
        self, ask: Ask, since: SyncToken | None, looked: _Looked | None
    ) -> tuple[bytes | None, SyncToken]:
        events, presence = self._presence.part(
            ask.user_id,
            None if since is None else since.presence,
            full_state=ask.full_state,
            only=ask.only.presence,
            era=ask.era,
        )
        messages, to_device = self._accounts.to_device(
            ask.user_id,
            ask.requester.device_id,
            None if since is None else since.to_device,
        )
        now = SyncToken(
            self._rooms.positions.current, self._accounts.position, to_device, presence
        )
        parts: dict[str, Any] = {}
        if events:
            parts["presence"] = {"events": events}
        if messages:
            parts["to_device"] = {"events": messages}
        if looked is not None:
            own = _allowed(looked.account_data, ask.only.account_data)
            if own:
                parts["account_data"] = {"events": own}
            if rooms := looked.rooms.parts(looked.by_room):
                parts["rooms"] = rooms
            if since is not None:
                self._add_device_lists(parts, ask, since, now, looked.rooms)
        if not parts and since is not None:
            return None, now
        return self.encoded(ask, parts, now), now

    def encoded(self, ask: Ask, parts: dict[str, Any], now: SyncToken) -> bytes:
        """The answer of these parts."""
        user_id, device_id = ask.user_id, ask.requester.device_id
        body: dict[str, Any] = {"next_batch": str(now), **parts}
        if device_id is not None:
            # Left out, they would mean that there are none: the client would make more.
            body["device_one_time_keys_count"] = self._accounts.otk_counts(
                user_id, device_id
            )
            body["device_unused_fallback_key_types"] = (
                self._accounts.unused_fallback_types(user_id, device_id)
            )
        return orjson.dumps(body)

    def _add_device_lists(
        self,
        parts: dict[str, Any],
        ask: Ask,
        since: SyncToken,
        now: SyncToken,
        news: RoomNews,
    ) -> None:
        """Whose devices the client has to ask for again, and whose it can forget."""
        changed, left = news.met(), news.parted()
        if now.account > since.account:
            known = self._rooms.neighbours(ask.user_id) | {ask.user_id}
            changed.update(self._accounts.device_lists_changed(since.account, known))
        if changed or left:
            parts["device_lists"] = {"changed": sorted(changed), "left": sorted(left)}


def _allowed(events: _Events, only: EventFilter) -> _Events:
    return [event for event in events if only.allows_type(event["type"])]
