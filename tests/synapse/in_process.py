"""A whole Synapse in this process, on virtual time: with the module, or as it comes.

Its configuration, database (SQLite), servlets, handlers and module API are its own.
Only the reactor is not: time passes when a test says so, what runs in threads is done
at once, and requests come as bytes from a connection that is not there.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, cast
from unittest import SkipTest
from urllib.parse import quote

import attrs
from signedjson.key import generate_signing_key, write_signing_keys
from synapse.app.homeserver import create_homeserver
from synapse.config.homeserver import HomeServerConfig
from synapse.logging.context import (  # type: ignore[attr-defined]  # another's class
    SENTINEL_CONTEXT,
    LoggingContext,
    PreserveLoggingContext,
    run_in_background,
    set_current_context,
)
from synapse.metrics import all_later_gauges_to_clean_up_on_shutdown
from synapse.module_api import ModuleApi
from synapse.server import HomeServer
from synapse.storage.engines.sqlite import Sqlite3Engine
from synapse.types import UserID
from synapse.util.caches import CACHE_METRIC_REGISTRY
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python import threadpool
from twisted.python.failure import Failure

from matrix_presence.synapse import parts
from tests.base import TestCase
from tests.synapse import LACKING
from tests.synapse.rig import LatePings

_EPOCH = 1_790_000_000.0
_HERE = IPv4Address("TCP", "127.0.0.1", 8008)
_THERE = IPv4Address("TCP", "198.51.100.7", 40000)
_UNLIMITED = {"per_second": 1e6, "burst_count": 1_000_000}


#: The database as Synapse makes it, once there was one: to make it takes a while.
_fresh: list[bytes] = []
#: Requests of the last test that had to wait.
_waiting: list[Asked] = []


def _hurry(engine: type[Sqlite3Engine]) -> Callable[..., None]:
    """Connect as ever, and do not wait for a disk: nothing is to outlive a test."""
    stock = engine.on_new_connection

    def on_new_connection(self: Sqlite3Engine, connection: Any) -> None:
        stock(self, connection)
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.close()

    return on_new_connection


class NoThreads:
    """A thread pool whose work is done by the time it is handed over."""

    min, max = 0, 1

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.threads = self.workers = self.working = self.waiters = ()

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def callInThreadWithCallback(
        self,
        told: Callable[[bool, Any], object] | None,
        work: Callable[..., Any],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Do it now."""
        try:
            outcome = True, work(*args, **kwargs)
        except BaseException:
            outcome = False, Failure()
        if told is not None:
            told(*outcome)

    def callInThread(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Do it now."""
        self.callInThreadWithCallback(None, work, *args, **kwargs)


class Reactor(MemoryReactorClock):
    """A reactor that runs as far as anybody asks, and has no threads."""

    def __init__(self) -> None:
        super().__init__()
        self.advance(_EPOCH)
        self.threadpool = NoThreads()

    def getThreadPool(self) -> NoThreads:
        """The one there is."""
        return self.threadpool

    def callFromThread(
        self, call: Callable[..., object], *args: Any, **kw: Any
    ) -> None:
        """In the next turn."""
        self.callLater(0, call, *args, **kw)

    def callInThread(self, call: Callable[..., object], *args: Any, **kw: Any) -> None:
        """Now."""
        self.threadpool.callInThread(call, *args, **kw)

    def callWhenRunning(  # type: ignore[override]  # typed by what it is called with
        self, call: Callable[..., object], *args: Any, **kw: Any
    ) -> None:
        """In the next turn."""
        self.callLater(0, call, *args, **kw)

    def settle(self) -> None:
        """Let everything happen that takes no time."""
        while any(call.getTime() <= self.seconds() for call in self.getDelayedCalls()):
            self.advance(0)


@attrs.frozen
class Answer:
    """What a request was answered with."""

    code: int
    json: Any


class Asked:
    """A request that may not have been answered yet."""

    def __init__(self, transport: StringTransport, channel: Any) -> None:
        self._transport = transport
        self._channel = channel

    @property
    def is_answered(self) -> bool:
        """Whether the answer is complete: it ends with the connection."""
        return bool(self._transport.disconnecting)

    def answer(self) -> Answer:
        """The answer."""
        assert self.is_answered, "not answered"
        head, _, body = self._transport.value().partition(b"\r\n\r\n")
        return Answer(int(head.split()[1]), json.loads(body) if body else None)

    def give_up(self) -> None:
        """The client goes away without an answer."""
        self._channel.connectionLost(Failure(ConnectionLost()))


@attrs.frozen
class Person:
    """Somebody with an account here, and one of their devices."""

    user_id: str
    token: str
    device_id: str

    @property
    def path(self) -> str:
        """Of their status, below the version of the API."""
        return f"presence/{quote(self.user_id, safe='')}/status"


class InProcessTestCase(TestCase):
    """A Synapse of the name `hs`.

    A subclass says how it is configured. Requests are made as clients make them.
    """

    #: The module's entry; None for Synapse's own presence.
    module: ClassVar[Mapping[str, Any] | None] = MappingProxyType({})
    #: Other modules: the class and its configuration. They are made before ours.
    others: ClassVar[tuple[type[Any], ...]] = ()
    #: What is different in homeserver.yaml.
    sections: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def setUp(self) -> None:
        """Start it, with nobody on it."""
        # A poll that a test has left open goes when it is collected, and leaves the
        # context of its request to whatever runs at that moment.
        is_left = any(not asked.is_answered for asked in _waiting)
        _waiting.clear()
        if is_left:
            gc.collect()
        set_current_context(SENTINEL_CONTEXT)
        self.patch(parts, "Sender", LatePings)
        self.patch(threadpool, "ThreadPool", NoThreads)
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        with open(self.directory / "signing.key", "w") as keys:
            write_signing_keys(keys, [generate_signing_key("test")])
        self.reactor = Reactor()
        self.patch(Sqlite3Engine, "on_new_connection", _hurry(Sqlite3Engine))
        if _fresh:
            self.database.write_bytes(_fresh[0])
        self.start(is_fresh=not _fresh)

    def _config(self) -> HomeServerConfig:
        modules: list[dict[str, Any]] = [
            {"module": f"{other.__module__}.{other.__qualname__}"}
            for other in self.others
        ]
        if self.module is not None:
            name = "matrix_presence.synapse.PresenceModule"
            modules.append({"module": name, "config": {**self._own(), **self.module}})
        listener = {"names": ["client", "federation"], "compress": False}
        sections = {
            "server_name": "hs",
            "report_stats": False,
            "signing_key_path": str(self.directory / "signing.key"),
            "media_store_path": str(self.directory / "media"),
            "macaroon_secret_key": "macaroon",
            "form_secret": "form",
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "database": {"name": "sqlite3", "args": {"database": str(self.database)}},
            "listeners": [
                {
                    "port": 8008,
                    "type": "http",
                    "bind_addresses": ["127.0.0.1"],
                    "resources": [listener],
                }
            ],
            "presence": {"enabled": True},
            "rc_presence": {"per_user": _UNLIMITED},
            "rc_message": _UNLIMITED,
            "modules": modules,
            **self.sections,
        }
        config = HomeServerConfig()
        directory = str(self.directory)
        config.parse_config_dict(
            sections, config_dir_path=directory, data_dir_path=directory
        )
        return config

    def _own(self) -> dict[str, Any]:
        """The options that this version of Synapse does not have: ours, then."""
        options = {**self.sections.get("presence", {}), **self.sections}
        return {name: options[name] for name in LACKING & options.keys()}

    def needs(self, *options: str) -> None:
        """Skip the test where neither Synapse nor a module of ours has these.

        Raises:
            SkipTest: this is so.
        """
        if self.module is None and not LACKING.isdisjoint(options):
            raise SkipTest(f"this Synapse has no {', '.join(options)}")

    @property
    def database(self) -> Path:
        """The file of the database."""
        return self.directory / "homeserver.db"

    def start(self, *, is_fresh: bool = False) -> None:
        """Begin a life on the database as it is; with none, Synapse makes one."""
        config, reactor = self._config(), cast(Any, self.reactor)
        with LoggingContext(name="start", server_name="hs"):
            self.homeserver: HomeServer = create_homeserver(config, reactor)
            self.homeserver.setup()
            if is_fresh:
                _fresh.append(self.database.read_bytes())
            self.api: ModuleApi = self.homeserver.get_module_api()
            self.modules = [
                module(of_it, self.api)
                for module, of_it in config.modules.loaded_modules
            ]
            del self.reactor.tcpServers[:]
            self.homeserver.start_listening()
            self.site: Any = self.reactor.tcpServers[0][1]
        self.addCleanup(self._close)
        self.reactor.settle()

    def stop(self) -> None:
        """End this life, in order."""
        for phase in ("before", "during", "after"):
            for call, args, kwargs in self.reactor.triggers.get(phase, {}).pop(
                "shutdown", []
            ):
                done = call(*args, **kwargs)
                self.reactor.settle()
                if isinstance(done, Deferred):
                    self.successResultOf(done)
        self._close()

    def _close(self) -> None:
        # Both are kept for the whole process.
        CACHE_METRIC_REGISTRY.unregister_hooks_for_homeserver("hs")
        instance_id = self.homeserver.get_instance_id()
        for gauge in all_later_gauges_to_clean_up_on_shutdown.values():
            gauge.unregister_hooks_for_homeserver_instance_id(instance_id)
        pool = self.homeserver.get_datastores().main.db_pool._db_pool
        for connection in list(pool.connections.values()):
            connection.close()
        pool.connections.clear()

    @property
    def presence(self) -> Any:
        """The presence handler."""
        return self.homeserver.get_presence_handler()

    @property
    def store(self) -> Any:
        """Synapse's data store."""
        return self.homeserver.get_datastores().main

    def run_now(self, work: Awaitable[Any]) -> Any:
        """What this comes to, in a log context as a request has it.

        Raises:
            Exception: what it fails with.
        """
        outcome: list[Any] = []

        async def run() -> Any:
            return await work

        with LoggingContext(name="test", server_name="hs"):
            done: Deferred[Any] = run_in_background(run)
            done.addBoth(outcome.append)
            with PreserveLoggingContext():
                self.reactor.settle()
        assert outcome, "not done"
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return outcome[0]

    def pass_time(self, seconds: float, step: float = 0.25) -> None:
        """Let time pass, in steps short enough for the timers that count."""
        with PreserveLoggingContext():
            ends = self.reactor.seconds() + seconds
            while (left := ends - self.reactor.seconds()) > 1e-6:
                self.reactor.advance(min(step, left))
                self.reactor.settle()

    # What clients do.

    def person(self, name: str, device_id: str = "DEVICE") -> Person:
        """Somebody new; or, for a name there is, one more device of theirs."""
        handler = self.homeserver.get_registration_handler()

        async def register() -> str:
            user_id = f"@{name}:hs"
            if await self.store.get_user_by_id(user_id) is None:
                await handler.register_user(localpart=name)
            _, token, *_ = await handler.register_device(user_id, device_id, None)
            return str(token)

        return Person(f"@{name}:hs", self.run_now(register()), device_id)

    def asking(
        self, method: str, path: str, body: Any = None, by: Person | None = None
    ) -> Asked:
        """Send a request to the client API; it may wait."""
        if not path.startswith("/"):
            path = f"/_matrix/client/{path}"
        transport = StringTransport(hostAddress=_HERE, peerAddress=_THERE)
        channel = self.site.buildProtocol(_THERE)
        channel.makeConnection(transport)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        content = b"" if body is None else content
        lines = [f"{method} {path} HTTP/1.0", "Host: hs"]
        if by is not None:
            lines.append(f"Authorization: Bearer {by.token}")
        lines += [f"Content-Length: {len(content)}", "", ""]
        with PreserveLoggingContext():
            channel.dataReceived("\r\n".join(lines).encode() + content)
            self.reactor.settle()
        asked = Asked(transport, channel)
        if not asked.is_answered:
            _waiting.append(asked)
        return asked

    def ask(
        self, method: str, path: str, body: Any = None, by: Person | None = None
    ) -> Answer:
        """What a request is answered with, in less than a second."""
        asked = self.asking(method, path, body, by)
        for _ in range(20):
            if asked.is_answered:
                break
            self.pass_time(0.05)
        return asked.answer()

    def done(self, *args: Any, **kwargs: Any) -> Any:
        """The same, which has to succeed."""
        answer = self.ask(*args, **kwargs)
        assert answer.code == 200, answer
        return answer.json

    def put(self, person: Person, presence: str, **content: Any) -> None:
        """Set a status."""
        body = {"presence": presence, **content}
        self.done("PUT", f"v3/{person.path}", body, person)

    def get(self, observed: Person | str, by: Person) -> dict[str, Any]:
        """What somebody sees of somebody."""
        user_id = observed if isinstance(observed, str) else observed.user_id
        path = f"v3/presence/{quote(user_id, safe='')}/status"
        content: dict[str, Any] = self.done("GET", path, None, by)
        return content

    def room(self, *people: Person, **options: Any) -> str:
        """A room of these people; the first of them makes it."""
        creator, *others = people
        body = {"preset": "public_chat", **options}
        room_id = str(self.done("POST", "v3/createRoom", body, creator)["room_id"])
        for other in others:
            self.join(other, room_id)
        self.pass_time(0.5)
        return room_id

    def join(self, person: Person, room_id: str) -> None:
        """Somebody joins."""
        self.done("POST", f"v3/join/{quote(room_id, safe='')}", {}, person)

    def leave(self, person: Person, room_id: str) -> None:
        """Somebody leaves."""
        path = f"v3/rooms/{quote(room_id, safe='')}/leave"
        self.done("POST", path, {}, person)
        self.pass_time(0.5)

    def send(self, person: Person, room_id: str, event_type: str) -> None:
        """A message."""
        body = {"msgtype": "m.text", "body": "hello"}
        path = f"v3/rooms/{quote(room_id, safe='')}/send/{event_type}"
        txn = f"txn{self.reactor.seconds()}"
        self.done("PUT", f"{path}/{txn}", body, person)
        self.pass_time(0.1)

    def sync_path(
        self, since: str | None = None, timeout: int = 0, **options: Any
    ) -> str:
        """Of a sync; `timeout` in seconds."""
        parts = [f"timeout={timeout * 1000}"]
        if since is not None:
            parts.append(f"since={quote(since, safe='')}")
        parts += [f"{key}={quote(value, safe='')}" for key, value in options.items()]
        return "v3/sync?" + "&".join(parts)

    def sync(
        self, person: Person, since: str | None = None, **options: Any
    ) -> tuple[dict[str, Any], str]:
        """By sender: the presence a sync shows; and the token to go on with."""
        answer = self.done("GET", self.sync_path(since, **options), None, person)
        return shown_in(answer), answer["next_batch"]

    # Other servers.

    def inject_join(self, room_id: str, user_id: str) -> None:
        """A user of another server joins a room of ours."""
        self.run_now(self._inject_member(room_id, user_id, "join"))
        self.pass_time(0.5)

    async def _inject_member(self, room_id: str, user_id: str, membership: str) -> None:
        version = await self.store.get_room_version(room_id)
        builder = self.homeserver.get_event_builder_factory().for_room_version(
            version,
            {
                "type": "m.room.member",
                "sender": user_id,
                "state_key": user_id,
                "room_id": room_id,
                "content": {"membership": membership},
            },
        )
        creation = self.homeserver.get_event_creation_handler()
        event, unpersisted = await creation.create_new_client_event(builder)
        context = await unpersisted.persist(event)
        persistence = self.homeserver.get_storage_controllers().persistence
        assert persistence is not None
        await persistence.persist_event(event, context)
        self.homeserver.get_notifier().notify_replication()

    def edu(
        self, content: Any, edu_type: str = "m.presence", origin: str = "far"
    ) -> Any:
        """An EDU of another server arrives."""
        registry = self.homeserver.get_federation_registry()
        self.run_now(registry.on_edu(edu_type, origin, content))
        self.pass_time(0.5)

    def hear(self) -> list[tuple[str, str, str]]:
        """From now on: destination, user and state of all that is sent to others."""
        heard: list[tuple[str, str, str]] = []

        async def send(states: Any, destinations: Any) -> None:
            heard.extend(
                (destination, state.user_id, state.state)
                for destination in destinations
                for state in states
                if destination != "hs"
            )

        sender: Any = self.homeserver.get_federation_sender()
        sender.send_presence_to_destinations = send
        return heard

    def state(self, user_id: str) -> Any:
        """How the handler says that a user stands."""
        user = UserID.from_string(user_id)
        return self.run_now(self.presence.get_state(user))


def shown_in(answer: Mapping[str, Any]) -> dict[str, Any]:
    """By sender: the presence in the answer of a sync."""
    events = answer.get("presence", {}).get("events", ())
    return {event["sender"]: event["content"] for event in events}
