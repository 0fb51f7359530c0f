"""A homeserver of accounts and rooms, in memory and on virtual time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from signedjson.key import decode_signing_key_base64
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from matrix_presence.errors import InvalidParam
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.passwords import Passwords
from matrix_presence.homeserver.room_side import RoomSide
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.interfaces import Profile, Requester
from matrix_presence.storage.database import Database
from matrix_presence.web.routes import Router
from matrix_presence.wire.content import MODERN, Era, era_of
from matrix_presence.wire.filters import EVERYTHING, PresenceFilter
from tests.base import TestCase
from tests.homeserver.accounts import CHEAP, at_once
from tests.web.connection import Connection, Response

KEY = decode_signing_key_base64(
    "ed25519", "1", "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
)
ALICE, BOB, CAROL = "@alice:hs.test", "@bob:hs.test", "@carol:hs.test"


class FakePresence:
    """The presence part of /sync, moved by the test."""

    def __init__(self) -> None:
        self.position = 1
        #: Who is connected at the moment, and with which `set_presence`.
        self.connections: list[tuple[str, str | None]] = []
        self.waiting: list[Deferred[None]] = []

    def changed(self) -> None:
        """Somebody's presence has changed, and everybody sees it."""
        self.position += 1
        waiting, self.waiting = self.waiting, []
        for deferred in waiting:
            if not deferred.called:
                deferred.callback(None)

    def era(self, version: str) -> Era:
        """That of any server."""
        return era_of(version)

    @contextmanager
    def connected(
        self, requester: Requester, set_presence: str | None, era: Era = MODERN
    ) -> Iterator[None]:
        """Note the connection while it lasts."""
        if set_presence == "bad":
            raise InvalidParam("bad")
        entry = (requester.user_id, set_presence)
        self.connections.append(entry)
        try:
            yield
        finally:
            self.connections.remove(entry)

    def part(
        self,
        user_id: str,
        since: int | None,
        *,
        full_state: bool = False,
        only: PresenceFilter = EVERYTHING,
        era: Era = MODERN,
    ) -> tuple[list[dict[str, Any]], int]:
        """One event for each change there was."""
        if since is not None and since >= self.position and not full_state:
            return [], self.position
        event = {
            "type": "m.presence",
            "sender": "@x:hs.test",
            "content": {"presence": "online", "n": self.position},
        }
        return [event] if only.wanted else [], self.position

    def wait(
        self,
        user_id: str,
        since: int,
        only: PresenceFilter = EVERYTHING,
        era: Era = MODERN,
    ) -> Deferred[None]:
        """Fires with the next change."""
        deferred: Deferred[None] = Deferred()
        self.waiting.append(deferred)
        return deferred


class RoomsTestCase(TestCase):
    """Accounts, rooms, and a client of each user."""

    def setUp(self) -> None:
        """A server with three users."""
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.database = Database.immediate()
        migrated = self.database.migrate("homeserver", "matrix_presence.homeserver")
        self.successResultOf(migrated)
        self.tokens: dict[str, str] = {}
        #: Pro-active events that were reported.
        self.active: list[tuple[str, str | None]] = []
        #: Joins and leaves that were reported.
        self.moves: list[tuple[str, str, str]] = []
        self.start()
        for name in ("alice", "bob", "carol"):
            self.register(name)
        self.txn = 0
        self.addCleanup(self._nothing_is_left)

    def _nothing_is_left(self) -> None:
        self.side.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def start(self) -> None:
        """Start the server, perhaps again: from what is in the database."""
        self.accounts: Accounts = self.done(
            Accounts.load(
                self.database, "hs.test", self.clock, Passwords(at_once, CHEAP)
            )
        )
        self.side: RoomSide = self.done(
            RoomSide.load(self.database, self.accounts, KEY, self.clock)
        )
        self.rooms: Rooms = self.side.rooms
        self.rooms.tell(self)
        self.presence = FakePresence()
        self.router = Router()
        self.side.add_routes(
            self.router,
            Authentication(self.accounts),
            self.presence,
            lambda who: self.active.append((who.user_id, who.device_id)),
        )
        self.connection = self.connect()

    def connect(self) -> Connection:
        """A further connection to the server."""
        # Idle connections are none of these tests' business.
        return Connection(self.router, Clock())

    def joined(self, room_id: str, user_id: str) -> None:
        """Note a join."""
        self.moves.append(("joined", room_id, user_id))

    def left(self, room_id: str, user_id: str) -> None:
        """Note a leave."""
        self.moves.append(("left", room_id, user_id))

    def restore_room(self, room_id: str, user_ids: Sequence[str]) -> None:
        """Note who was there before."""
        self.moves += [("was there", room_id, user_id) for user_id in user_ids]

    def done(self, coroutine: Any) -> Any:
        """What a coroutine that waits for nothing returns."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def register(self, name: str, *, is_guest: bool = False) -> str:
        """A new account with a name, logged in; its user id."""
        account = self.done(self.accounts.register(name, None, is_guest=is_guest))
        _, token = self.done(self.accounts.log_in(account, name.upper(), None))
        self.tokens[account.user_id] = token
        profile = Profile(displayname=name.title())
        self.done(self.accounts.set_profile(account, profile))
        user_id: str = account.user_id
        return user_id

    def ask(
        self, user_id: str | None, method: str, path: str, *body: Any, **query: Any
    ) -> Response:
        """The response to a request; `path` is relative to `/_matrix/client/v3/`."""
        token = None if user_id is None else self.tokens[user_id]
        target = f"/_matrix/client/v3/{path}"
        if query:
            target += "?" + urlencode(query)
        return self.connection.request(method, target, *body, token=token)

    def get(self, user_id: str, path: str, **query: Any) -> Any:
        """The JSON of a successful GET."""
        response = self.ask(user_id, "GET", path, **query)
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def post(self, user_id: str, path: str, body: Any = None) -> Any:
        """The JSON of a successful POST."""
        response = self.ask(user_id, "POST", path, {} if body is None else body)
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def put(self, user_id: str, path: str, body: Any) -> Any:
        """The JSON of a successful PUT."""
        response = self.ask(user_id, "PUT", path, body)
        self.assertEqual(response.status, 200, response.body)
        return response.json

    def assertRefused(self, response: Response, status: int, errcode: str) -> None:
        """The response is this refusal."""
        self.assertEqual((response.status, response.errcode), (status, errcode))

    def room(self, creator: str = ALICE, *members: str, **body: Any) -> str:
        """A new room, public unless said otherwise, with these members."""
        body = {"preset": "public_chat", **body}
        room_id: str = self.post(creator, "createRoom", body)["room_id"]
        for member in members:
            self.post(member, f"join/{quote(room_id)}")
        return room_id

    def say(self, user_id: str, room_id: str, text: str = "hello", **more: Any) -> str:
        """Send a message; its event id."""
        self.txn += 1
        path = f"rooms/{quote(room_id)}/send/m.room.message/{self.txn}"
        content = {"msgtype": "m.text", "body": text, **more}
        event_id: str = self.put(user_id, path, content)["event_id"]
        return event_id

    def state(self, user_id: str, room_id: str, event_type: str, content: Any) -> str:
        """Set state with an empty state key; the event id."""
        path = f"rooms/{quote(room_id)}/state/{event_type}"
        event_id: str = self.put(user_id, path, content)["event_id"]
        return event_id

    def sync(self, user_id: str, since: str | None = None, **query: Any) -> Any:
        """The JSON of a /sync that does not wait."""
        if since is not None:
            query["since"] = since
        return self.get(user_id, "sync", **query)

    def bodies(self, events: list[dict[str, Any]]) -> list[str]:
        """The texts of those events that are messages."""
        return [
            event["content"].get("body")
            for event in events
            if event["type"] == "m.room.message"
        ]
