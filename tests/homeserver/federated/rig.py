"""Homeservers that share rooms, in one process: HTTP in memory, virtual time."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from signedjson.key import generate_signing_key
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from matrix_presence.federation.own_keys import OwnKeys
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.app import EmbeddedHomeserver
from matrix_presence.homeserver.drafts import Draft, Signer
from matrix_presence.homeserver.events import Event
from matrix_presence.homeserver.federation_side import FederationSide
from matrix_presence.homeserver.passwords import Passwords
from matrix_presence.homeserver.room import Room
from matrix_presence.homeserver.room_side import RoomSide
from matrix_presence.homeserver.server_keys import StoredKeys
from matrix_presence.homeserver.settings import parse_options, settle
from matrix_presence.interfaces import Profile
from matrix_presence.storage.database import Database
from matrix_presence.wire.canonical import canonical
from matrix_presence.wire.room_versions import ROOM_VERSIONS, RoomVersion
from tests.base import TestCase
from tests.federation.servers import Internet, Server
from tests.homeserver.accounts import CHEAP, at_once
from tests.web.connection import Connection, Response

_FEDERATION = "/_matrix/federation"


class Homeserver:
    """One embedded homeserver among others, with clients."""

    def __init__(self, case: FederatedTestCase, name: str) -> None:
        self.case = case
        self.name = name
        self.key = generate_signing_key("a")
        self.file = case.mktemp()
        self.tokens: dict[str, str] = {}
        self.txn = 0
        self.start()

    def start(self) -> None:
        """Start it, perhaps again: from what is in the database."""
        case = self.case
        self.database = Database.immediate(f"sqlite:{self.file}")
        case.done(self.database.migrate("homeserver", "matrix_presence.homeserver"))
        self.service = case.done(self._made())
        starting = self.service.startService()
        case.pass_time(0)
        case.successResultOf(starting)
        self.rooms = self.side.rooms
        site: Any = case.reactor.tcpServers[-1][1]
        self.root = site.resource
        case.internet.agents[self.name.encode()] = RequestTraversalAgent(self.root)

    async def _made(self) -> EmbeddedHomeserver:
        clock = self.case.reactor
        config = settle(parse_options({"server_name": self.name, "federation": True}))
        assert config.federation is not None
        self.accounts = await Accounts.load(
            self.database, self.name, clock, Passwords(at_once, CHEAP)
        )
        self.side = await RoomSide.load(self.database, self.accounts, self.key, clock)
        own = OwnKeys(self.name, [self.key], [], self.case.now)
        stored = StoredKeys(self.database)
        side = FederationSide(clock, self.case.internet, own, config.federation, stored)
        return EmbeddedHomeserver(
            clock, config, self.database, self.accounts, self.side, side
        )

    def stop(self) -> None:
        """Stop it, as a shutdown does; others cannot reach it any more."""
        self.case.internet.agents.pop(self.name.encode(), None)
        self.case.done(self.service.stopService())

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def register(self, name: str) -> str:
        """A new account with a name, logged in; its user id."""
        done = self.case.done
        account = done(self.accounts.register(name, None))
        _, token = done(self.accounts.log_in(account, name.upper(), None))
        self.tokens[account.user_id] = token
        profile = Profile(displayname=name.title())
        done(self.accounts.set_profile(account, profile))
        user_id: str = account.user_id
        return user_id

    def ask(
        self, user_id: str, method: str, path: str, *body: Any, **query: Any
    ) -> Response:
        """The response to a request; `path` is relative to `/_matrix/client/v3/`."""
        target = f"/_matrix/client/v3/{path}"
        if query:
            target += "?" + urlencode(query, doseq=True)
        connection = Connection(self.root, Clock())
        connection.start(method, target, *body, token=self.tokens[user_id])
        for _ in range(20):
            responses = connection.responses()
            if responses:
                return responses[0]
            self.case.pass_time(0.1)
        raise AssertionError(f"{method} {target} is not answered")

    def call(
        self, user_id: str, method: str, path: str, *body: Any, **query: Any
    ) -> Any:
        """The JSON of a successful request."""
        response = self.ask(user_id, method, path, *body, **query)
        self.case.assertEqual(200, response.status, response.body)
        return response.json

    def create(self, user_id: str, *invited: str, **body: Any) -> str:
        """A new room, public unless said otherwise; its id."""
        body = {"preset": "public_chat", "invite": invited, **body}
        room_id: str = self.call(user_id, "POST", "createRoom", body)["room_id"]
        return room_id

    def join(self, user_id: str, room_id: str, *via: str) -> None:
        """Come in, with the help of one of these servers."""
        path = f"join/{quote(room_id)}"
        self.call(user_id, "POST", path, {}, server_name=list(via))

    def leave(self, user_id: str, room_id: str) -> None:
        """Go out."""
        self.call(user_id, "POST", f"rooms/{quote(room_id)}/leave", {})

    def say(self, user_id: str, room_id: str, text: str) -> str:
        """Send a message; its id."""
        self.txn += 1
        path = f"rooms/{quote(room_id)}/send/m.room.message/{self.txn}"
        content = {"msgtype": "m.text", "body": text}
        event_id: str = self.call(user_id, "PUT", path, content)["event_id"]
        return event_id

    def set(self, user_id: str, room_id: str, event_type: str, content: Any) -> str:
        """Set state with an empty state key; the event id."""
        path = f"rooms/{quote(room_id)}/state/{event_type}"
        event_id: str = self.call(user_id, "PUT", path, content)["event_id"]
        return event_id

    def sync(self, user_id: str, **query: Any) -> Any:
        """The JSON of a /sync that does not wait."""
        return self.call(user_id, "GET", "sync", **query)

    def room(self, room_id: str) -> Room:
        """The room."""
        room = self.rooms.get(room_id)
        assert room is not None
        return room

    def texts(self, room_id: str) -> list[str]:
        """The messages in the room, in the order in which they came."""
        return [
            event.content.get("body", "")
            for event in self.room(room_id).timeline
            if event.type == "m.room.message"
        ]


class Peer(Server):
    """A server that the test speaks for: it signs and sends whatever it is told to."""

    def __init__(self, case: FederatedTestCase, name: str) -> None:
        super().__init__(case.internet, case.reactor, name)
        self.case = case
        self.signer = Signer(name, self.own.keys[0], case.reactor)
        self.txn = 0

    def get(self, destination: str, path: str, **query: Any) -> Any:
        """The answer to a signed GET; `path` is relative to `…/federation/`."""
        target = f"{_FEDERATION}/{path}"
        if asked := urlencode(query, doseq=True):
            target += "?" + asked
        return self.case.answer(self.client.get(destination, target))

    def put(self, destination: str, path: str, body: Any) -> Any:
        """The answer to a signed PUT."""
        target, content = f"{_FEDERATION}/{path}", canonical(body)
        return self.case.answer(self.client.put(destination, target, content))

    def post(self, destination: str, path: str, body: Any) -> Any:
        """The answer to a signed POST."""
        target, content = f"{_FEDERATION}/{path}", canonical(body)
        return self.case.answer(self.client.post(destination, target, content))

    def send(self, destination: str, *pdus: Any) -> dict[str, Any]:
        """What becomes of these events in one transaction, by event id."""
        self.txn += 1
        body = {
            "origin": self.name,
            "origin_server_ts": self.now(),
            "pdus": list(pdus),
        }
        answer = self.put(destination, f"v1/send/{self.txn}", body)
        results: dict[str, Any] = answer["pdus"]
        return results

    def join(self, resident: str, room_id: str, user_id: str) -> Any:
        """Join by the handshake; what the resident answered."""
        path = f"v1/make_join/{quote(room_id)}/{quote(user_id)}"
        made = self.get(resident, path, ver=list(ROOM_VERSIONS))
        version = ROOM_VERSIONS[made["room_version"]]
        event = self.signed(made["event"], version)
        path = f"v2/send_join/{quote(room_id)}/{quote(event.event_id, safe='')}"
        return self.put(resident, path, event.pdu)

    def signed(self, pdu: dict[str, Any], version: RoomVersion) -> Event:
        """This event, with hash and signature, and an id if it takes one."""
        if version.identifier in ("1", "2"):
            self.txn += 1
            pdu = {"event_id": f"$e{self.txn}:{self.name}", **pdu}
        return self.signer.signed(pdu, version)

    def event(
        self,
        room: Room,
        sender: str,
        event_type: str,
        content: Any,
        state_key: str | None = None,
        **fields: Any,
    ) -> Event:
        """An event as it would come next in a room, with these fields changed."""
        draft = Draft(sender, event_type, content, state_key)
        pdu = self.signer.template(draft, room)
        return self.signed(pdu | fields, room.version)

    def message(self, room: Room, sender: str, text: str, **fields: Any) -> Event:
        """A message as it would come next in a room."""
        content = {"msgtype": "m.text", "body": text}
        return self.event(room, sender, "m.room.message", content, **fields)


class FederatedTestCase(TestCase):
    """An internet of homeservers."""

    def setUp(self) -> None:
        """Nobody is on it yet."""
        self.reactor: Any = MemoryReactorClock()
        self.reactor.advance(1_790_000_000)
        self.internet = Internet()
        self.running: list[Homeserver] = []
        self.addCleanup(self._stop_all)

    def _stop_all(self) -> None:
        for server in self.running:
            server.stop()

    def homeserver(self, name: str) -> Homeserver:
        """A new homeserver of this name."""
        server = Homeserver(self, name)
        self.running.append(server)
        return server

    def peer(self, name: str) -> Peer:
        """A server that the test speaks for."""
        return Peer(self, name)

    def now(self) -> int:
        """Epoch ms."""
        return int(self.reactor.seconds() * 1000)

    def pass_time(self, seconds: float = 1.0) -> None:
        """Let so much time pass, and answers arrive."""
        for _ in range(10):
            self.reactor.advance(seconds / 10)
            for agent in list(self.internet.agents.values()):
                agent.flush()

    def done(self, coroutine: Any) -> Any:
        """What a coroutine, or Deferred, that waits for nothing returns."""
        return self.successResultOf(maybeDeferred(lambda: coroutine))

    def answer(self, coroutine: Any) -> Any:
        """What a coroutine returns or raises once others have answered."""
        results: list[Any] = []
        Deferred.fromCoroutine(coroutine).addBoth(results.append)
        for _ in range(20):
            if results:
                break
            self.pass_time(0.1)
        (result,) = results
        if isinstance(result, Failure):
            result.raiseException()
        return result
