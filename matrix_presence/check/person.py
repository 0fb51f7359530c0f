"""A user of the target, as their client sees it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs
import orjson

from matrix_presence.check.conversation import NOTHING, Conversation
from matrix_presence.check.exchange import Reply
from matrix_presence.check.verdicts import Failed

#: So that no two requests of a run are taken for a repetition of the same.
_numbers = itertools.count(1)


@attrs.frozen
class Account:
    """A login of a user of the target."""

    user_id: str
    token: str
    device_id: str | None = None
    #: None for a token that was given to us.
    password: str | None = None


@attrs.frozen
class Synced:
    """What a /sync answered."""

    body: dict[str, Any]

    @property
    def since(self) -> str:
        """The token that the next sync goes on from."""
        token: str = self.body["next_batch"]
        return token

    @property
    def events(self) -> list[dict[str, Any]]:
        """Those in its `presence` part."""
        section = self.body.get("presence") or {}
        events: list[dict[str, Any]] = section.get("events") or []
        return events

    def all_of(self, user_id: str) -> list[dict[str, Any]]:
        """The contents of all presence of this user."""
        return [each["content"] for each in self.events if _sender(each) == user_id]

    def of(self, user_id: str) -> dict[str, Any] | None:
        """The content of the last presence of this user; None if there is none."""
        contents = self.all_of(user_id)
        return contents[-1] if contents else None


@attrs.frozen
class Person:
    """Asks as one user, in the course of one check."""

    account: Account
    conversation: Conversation

    @property
    def user_id(self) -> str:
        """Their full id."""
        return self.account.user_id

    @property
    def server_name(self) -> str:
        """That of the target."""
        return self.user_id.partition(":")[2]

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = NOTHING,
        *,
        version: str = "v3",
        **more: Any,
    ) -> Reply:
        """The answer to a request with their token; see `Conversation.ask`.

        Args:
            path: relative to `/_matrix/client/VERSION/`, percent-encoded.
        """
        return await self.conversation.ask(
            method,
            f"/_matrix/client/{version}/{path}",
            body,
            **{"token": self.account.token, "asker": self.user_id, **more},
        )

    async def done(
        self, method: str, path: str, body: Any = NOTHING, **more: Any
    ) -> Any:
        """The JSON of a request that has to succeed; see `ask`.

        Raises:
            Failed: it did not.
        """
        reply = await self.ask(method, path, body, **more)
        if reply.status != 200:
            raise Failed(f"{method} …/{path} is answered {reply.status}, not 200")
        return reply.json

    async def ask_put(self, body: Any = NOTHING, **more: Any) -> Reply:
        """The answer to setting their own status to whatever this is."""
        return await self.ask("PUT", status_path(self.user_id), body, **more)

    async def put(
        self, presence: str, status_msg: Any = NOTHING, *, version: str = "v3"
    ) -> Reply:
        """Set their own status, which has to succeed.

        Raises:
            Failed: it did not.
        """
        body = {"presence": presence}
        if status_msg is not NOTHING:
            body["status_msg"] = status_msg
        reply = await self.ask_put(body, version=version)
        if reply.status != 200:
            raise Failed(f"PUT {presence} is answered {reply.status}, not 200")
        return reply

    async def ask_status(self, of: Person | str, **more: Any) -> Reply:
        """The answer to asking for somebody's status."""
        user_id = of if isinstance(of, str) else of.user_id
        return await self.ask("GET", status_path(user_id), **more)

    async def status(
        self, of: Person | str | None = None, **more: Any
    ) -> dict[str, Any]:
        """Somebody's status (by default their own), which they have to be told.

        Raises:
            Failed: they are not.
        """
        reply = await self.ask_status(of or self, **more)
        if reply.status != 200 or not isinstance(reply.json, dict):
            raise Failed(f"GET of a status is answered {reply.status}, not 200")
        content: dict[str, Any] = reply.json
        return content

    async def ask_sync(
        self,
        since: str | None = None,
        *,
        timeout: float = 0.0,
        set_presence: str | None = "offline",
        filter: Mapping[str, Any] | str | None = None,
        version: str = "v3",
        limits: bool = True,
        **query: Any,
    ) -> Reply:
        """The answer to a /sync that by itself makes nobody online.

        Args:
            timeout: seconds.
            set_presence: None for a client that says nothing.
            filter: whole, or the id of a stored one; by default presence and what is
                in rooms.
        """
        query["timeout"] = int(timeout * 1000)
        if since is not None:
            query["since"] = since
        if set_presence is not None:
            query["set_presence"] = set_presence
        if not isinstance(filter, str):
            filter = orjson.dumps(_different(filter or {})).decode()
        query["filter"] = filter
        return await self.ask(
            "GET", "sync", query=query, wait=timeout, limits=limits, version=version
        )

    async def sync(self, since: str | None = None, **more: Any) -> Synced:
        """What a /sync answers that has to succeed; see `ask_sync`.

        Raises:
            Failed: it did not, or what it answered is no sync.
        """
        reply = await self.ask_sync(since, **more)
        body = reply.json
        if reply.status != 200 or not isinstance(body, dict):
            raise Failed(f"GET /sync is answered {reply.status}, not 200")
        synced = Synced(body)
        if not isinstance(body.get("next_batch"), str):
            raise Failed("a /sync has no next_batch")
        if not all(isinstance(each.get("content"), dict) for each in synced.events):
            raise Failed("a presence event of a /sync has no content")
        return synced

    async def send(
        self,
        room_id: str,
        kind: str = "m.room.message",
        content: Mapping[str, Any] | None = None,
    ) -> str:
        """Send an event into a room; its id.

        Raises:
            Failed: it was refused.
        """
        if content is None:
            content = {"msgtype": "m.text", "body": "matrix-presence check"}
        path = f"rooms/{quote(room_id, '')}/send/{kind}/check{next(_numbers)}"
        answer = await self.done("PUT", path, content)
        event_id: str = answer["event_id"]
        return event_id


def status_path(user_id: str) -> str:
    """Where the status of a user is, relative to `/_matrix/client/VERSION/`."""
    return f"presence/{quote(user_id, '')}/status"


def presence_filter(**presence: Any) -> dict[str, Any]:
    """A filter with this presence part."""
    return {"presence": presence}


def _different(filter: Mapping[str, Any]) -> dict[str, Any]:
    """The same filter, but none that was used before.

    Synapse keeps the answers to first syncs for two minutes, by their filter.
    """
    rooms = {"timeline": {"limit": 1, "not_types": [f"check.{next(_numbers)}"]}}
    return {"room": rooms, **filter}


def _sender(event: Mapping[str, Any]) -> Any:
    return event.get("sender") or event["content"].get("user_id")
