"""In-memory implementations of the ports, for trial tests of those who embed us.

    class GreetingTests(SynchronousTestCase):
        def test_a_room_mate_is_seen_online(self) -> None:
            presence = MemoryPresence()
            presence.room("!r:hs", "@a:hs", "@b:hs")
            self.successResultOf(presence.set_status("@a:hs", "online", "hello"))
            presence.clock.advance(1)
            self.assertEqual(presence.seen("@b:hs")["@a:hs"]["status_msg"], "hello")

Everything runs on a `Clock`; nothing opens a socket, a file or a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.web.server import Request
from zope.interface import implementer

from matrix_presence.config import PresenceConfig, parse
from matrix_presence.errors import MissingToken, UnknownToken
from matrix_presence.ids import server_of
from matrix_presence.interfaces import (
    NO_PROFILE,
    IFederation,
    IHomeserver,
    Profile,
    Requester,
)
from matrix_presence.rules.states import BY_NAME
from matrix_presence.service import PresenceService
from matrix_presence.storage.memory import MemoryPresenceStore

__all__ = [
    "MemoryFederation",
    "MemoryHomeserver",
    "MemoryPresence",
    "MemoryPresenceStore",
]

#: Some time in 2026, so that timestamps look like timestamps.
_EPOCH = 1_790_000_000.0


@implementer(IHomeserver)
class MemoryHomeserver:
    """Accounts and tokens as two dicts."""

    def __init__(self, server_name: str = "hs") -> None:
        self.server_name = server_name
        #: By access token: who it stands for.
        self.tokens: dict[str, Requester] = {}
        self.profiles: dict[str, Profile] = {}

    def add_user(
        self, user_id: str, device_id: str | None = "DEVICE", **flags: bool
    ) -> str:
        """An account with one device; its access token.

        `flags` are those of `Requester`: `is_guest`, `is_appservice`, `is_suspended`.
        """
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = Requester(user_id, device_id, **flags)
        self.profiles.setdefault(user_id, NO_PROFILE)
        return token

    async def authenticate(self, request: Request) -> Requester:
        """Who the token in the header or the query stands for."""
        header = request.getHeader(b"authorization") or b""
        given = header.removeprefix(b"Bearer ")
        if not given:
            given = (request.args or {}).get(b"access_token", [b""])[0]
        if not given:
            raise MissingToken
        requester = self.tokens.get(given.decode("ascii", "replace"))
        if requester is None:
            raise UnknownToken
        return requester

    def profile(self, user_id: str) -> Profile:
        """The profile set in `profiles`."""
        return self.profiles.get(user_id, NO_PROFILE)

    def is_local_user(self, user_id: str) -> bool:
        """Whether `add_user` was called for this user."""
        return user_id in self.profiles and server_of(user_id) == self.server_name


@implementer(IFederation)
@attrs.define
class MemoryFederation:
    """Keeps what is sent, and can be cut."""

    #: Destination and EDUs of each transaction that arrived, the oldest first.
    sent: list[tuple[str, list[dict[str, Any]]]] = attrs.Factory(list)
    #: Destinations that do not answer.
    down: set[str] = attrs.Factory(set)

    def send(self, destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
        """Arrives at once, unless the destination is down."""
        if destination in self.down:
            return fail(ConnectionError(f"{destination} does not answer"))
        self.sent.append((destination, list(edus)))
        return succeed(None)


class MemoryPresence:
    """All of presence on virtual time, started and ready.

    Args:
        store: to begin with what an earlier life left.
        options: of the configuration, as in its file: `idle_timeout="10s"`.
    """

    def __init__(
        self,
        server_name: str = "hs",
        *,
        store: MemoryPresenceStore | None = None,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        self.clock = clock or Clock()
        if not self.clock.seconds():
            self.clock.advance(_EPOCH)
        self.homeserver = MemoryHomeserver(server_name)
        self.store = store or MemoryPresenceStore()
        config: PresenceConfig = parse(options)
        self.service = PresenceService(self.clock, self.homeserver, self.store, config)
        self.handler = self.service.handler
        self.view = self.service.view
        self.sync = self.service.sync
        self.service.startService()
        self.clock.advance(0)

    def room(self, room_id: str, *user_ids: str) -> None:
        """A room with these members."""
        for user_id in user_ids:
            self.handler.joined(room_id, user_id)

    def set_status(
        self,
        user_id: str,
        presence: str,
        status_msg: str | None = None,
        device_id: str | None = "DEVICE",
    ) -> Deferred[None]:
        """What `PUT …/status` does; fires when it is stored."""
        requester = Requester(user_id, device_id)
        return self.handler.set_status(requester, BY_NAME[presence], status_msg)

    def seen(self, viewer: str, since: int | None = None) -> dict[str, dict[str, Any]]:
        """By user: the content of the `m.presence` events that a sync would show."""
        events, _ = self.sync.part(viewer, since)
        return {event["sender"]: event["content"] for event in events}

    def poll(
        self,
        viewer: str,
        since: int,
        set_presence: str | None = None,
        device_id: str | None = "DEVICE",
    ) -> MemoryPoll:
        """A long poll of this viewer, open until it is woken or closed."""
        return MemoryPoll(self, Requester(viewer, device_id), since, set_presence)

    def stop(self) -> Deferred[None]:
        """An orderly end; the store can begin another life."""
        stopped = self.service.stopService()
        self.clock.advance(0)
        return stopped


class MemoryPoll:
    """One open long poll."""

    def __init__(
        self,
        presence: MemoryPresence,
        requester: Requester,
        since: int,
        set_presence: str | None,
    ) -> None:
        self._presence = presence
        self._held = presence.sync.connected(requester, set_presence)
        self._held.__enter__()
        self.since = since
        self.viewer = requester.user_id
        #: Whether presence has woken it.
        self.woken = False
        self._wait = presence.sync.wait(self.viewer, since)
        self._wait.addCallbacks(self._wake, lambda _: None)

    def _wake(self, _: None) -> None:
        self.woken = True

    def close(self) -> tuple[dict[str, dict[str, Any]], int]:
        """Return the poll: what it shows by user, and the position for the next."""
        self._wait.cancel()
        events, position = self._presence.sync.part(self.viewer, self.since)
        self._held.__exit__(None, None, None)
        return {event["sender"]: event["content"] for event in events}, position
