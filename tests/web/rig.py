"""Presence on virtual time, behind HTTP, as a homeserver would serve it.

A `MemoryPresence`, a router with the status endpoints, and a `/sync` of ten lines that
has nothing but presence to tell.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from urllib.parse import quote

import attrs
from treq.testing import StubTreq
from twisted.internet.defer import Deferred

from matrix_presence.errors import InvalidParam
from matrix_presence.testing import MemoryPresence
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.encoding import decoded_object
from matrix_presence.web.routes import Router
from matrix_presence.web.status import VERSIONS
from matrix_presence.wire.content import Era
from matrix_presence.wire.filters import parse_presence_filter

_NO_BODY = object()
#: Seconds; a power of two, so that the clock does not drift from whole milliseconds.
_STEP = 1 / 16

#: The option `rc_presence` for tests that are not about limits.
UNLIMITED = {"per_user": {"per_second": 9999, "burst_count": 9999}}


@attrs.frozen
class Reply:
    """What came back for one request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        """The status and the errcode."""
        return self.status, self.json["errcode"]

    @property
    def seen(self) -> dict[str, Any]:
        """By sender: the content of the presence events of a sync."""
        events = self.json["presence"]["events"]
        seen = {event["sender"]: event["content"] for event in events}
        if len(seen) != len(events):
            raise AssertionError(f"a sender comes twice in {events}")
        return seen

    @property
    def next_batch(self) -> str:
        """The token for the next sync."""
        token: str = self.json["next_batch"]
        return token


def status_path(user_id: str, version: str = "v3") -> str:
    """The path of a user's status."""
    return f"/_matrix/client/{version}/presence/{quote(user_id)}/status"


class Rig:
    """A server of presence and its clients. `options` are those of the section."""

    def __init__(self, **options: Any) -> None:
        self.presence = MemoryPresence(**options)
        self.clock = self.presence.clock
        self.handler = self.presence.handler
        self.homeserver = self.presence.homeserver
        self.router = Router()
        self.presence.service.status.add_to(self.router)
        self.presence.service.lists.add_to(self.router)
        for version in VERSIONS:
            era = self.presence.sync.era(version)
            path = f"_matrix/client/{version}/sync"
            self.router.add("GET", path, partial(self._sync, era))
        #: It makes its methods when it is made, so mypy does not know them.
        self._treq: Any = StubTreq(self.router)

    async def _sync(self, era: Era, call: Call) -> Answer:
        requester = await self.homeserver.authenticate(call.request)
        user_id, sync = requester.user_id, self.presence.sync
        only = parse_presence_filter(
            decoded_object(call.query("filter", "{}").encode())
        )
        since = _number(call.query("since"))
        timeout = _number(call.query("timeout"))
        full_state = call.query("full_state") == "true"
        with sync.connected(requester, call.query("set_presence"), era):
            events, position = sync.part(
                user_id, since, full_state=full_state, only=only, era=era
            )
            if since is not None and timeout and not events:
                news = sync.wait(user_id, since, only, era)
                news.addTimeout(timeout / 1000, self.clock, lambda *_: None)
                await news
                events, position = sync.part(user_id, since, only=only, era=era)
        return 200, {"next_batch": str(position), "presence": {"events": events}}

    def user(self, name: str, device_id: str | None = "DEVICE", **flags: bool) -> str:
        """Another device of `@name:hs`; its access token."""
        return self.homeserver.add_user(f"@{name}:hs", device_id, **flags)

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = _NO_BODY,
        query: dict[str, str] | None = None,
    ) -> Deferred[Reply]:
        """The reply, once it is there. `body` is a JSON value, or bytes as they are."""
        data = b"" if body is _NO_BODY else body
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        response = self._treq.request(
            method, "http://hs" + path, headers=headers, data=data, params=query
        )
        return Deferred.fromCoroutine(self._reply(response))

    async def _reply(self, request: Deferred[Any]) -> Reply:
        response = await request
        headers = {
            name.decode().lower(): values[0].decode()
            for name, values in response.headers.getAllRawHeaders()
            # treq's requests have the real time, so that two equal replies would
            # differ whenever a second ends between them.
            if name != b"Date"
        }
        return Reply(response.code, headers, await self._treq.content(response))

    def get(
        self, token: str | None, user_id: str, version: str = "v3"
    ) -> Deferred[Reply]:
        """`GET` the status of a user."""
        return self.request("GET", status_path(user_id, version), token=token)

    def put(
        self, token: str | None, user_id: str, body: Any, version: str = "v3"
    ) -> Deferred[Reply]:
        """`PUT` the status of a user."""
        path = status_path(user_id, version)
        return self.request("PUT", path, token=token, body=body)

    def sync(
        self,
        token: str | None,
        since: str | None = None,
        version: str = "v3",
        **query: Any,
    ) -> Deferred[Reply]:
        """`GET /sync`. A `filter` is given as the JSON value."""
        if "filter" in query:
            query["filter"] = json.dumps(query["filter"])
        if since is not None:
            query["since"] = since
        path = f"/_matrix/client/{version}/sync"
        texts = {key: str(value) for key, value in query.items()}
        return self.request("GET", path, token=token, query=texts)

    def advance(self, seconds: float) -> None:
        """Let time pass, a little at once, and late answers arrive."""
        whole, rest = divmod(seconds, _STEP)
        self.clock.pump([_STEP] * int(whole) + [rest])
        self._treq.flush()


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise InvalidParam("Expected a number")
    return int(text)
