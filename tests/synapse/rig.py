"""A Synapse of a few dozen lines: what the module asks of one, on a `Clock`.

The database is a real SQLite in memory with Synapse's columns; the rest keeps what it
is told, so that a test can look.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType, SimpleNamespace
from typing import Any

import attrs
from synapse.api.presence import UserPresenceState
from synapse.types import UserID
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from matrix_presence.federation.sender import Sender
from matrix_presence.synapse import assembly, handler, parts, shapes
from matrix_presence.synapse.handler import SynapsePresence
from matrix_presence.synapse.options import parse_entry
from tests.base import TestCase

ALICE, BOB, CAROL, REMOTE = "@alice:hs", "@bob:hs", "@carol:hs", "@dave:far"
ROOM = "!room:hs"
_EPOCH = 1_790_000_000.0
_lives = itertools.count()

_SCHEMA = """
CREATE TABLE presence_stream (stream_id BIGINT, user_id TEXT, state TEXT,
    last_active_ts BIGINT, last_federation_update_ts BIGINT, last_user_sync_ts BIGINT,
    status_msg TEXT, currently_active BOOLEAN, instance_name TEXT);
CREATE TABLE current_state_events (event_id TEXT, room_id TEXT, type TEXT,
    state_key TEXT, membership TEXT, UNIQUE (room_id, type, state_key));
"""


class Reactor(Clock):
    """A clock that is running, as far as anybody asks."""

    def __init__(self) -> None:
        super().__init__()
        self.advance(_EPOCH)

    def callWhenRunning(self, call: Callable[[], object]) -> None:
        """Now."""
        call()


class Transaction:
    """A cursor with Synapse's additions."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor
        #: To be called when it is committed.
        self.after: list[Callable[[], object]] = []
        self.execute = cursor.execute
        self.fetchall = cursor.fetchall

    def execute_batch(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """The same statement for each row."""
        self._cursor.executemany(sql, rows)


class Pool:
    """Transactions that are over at once, unless they are held back."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.executescript(_SCHEMA)
        #: Of each transaction: its name.
        self.log: list[str] = []
        #: While it is a list, transactions wait in it until `release`.
        self.held: list[Deferred[None]] | None = None
        #: Texts that the database refuses.
        self.refused: set[str] = set()

    async def runInteraction(
        self, name: str, work: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """As Synapse's own."""
        if self.held is not None:
            waiting: Deferred[None] = Deferred()
            self.held.append(waiting)
            await waiting
        self.log.append(name)
        cursor = self.connection.cursor()
        cursor.execute("BEGIN")
        try:
            txn = Transaction(cursor)
            outcome = work(txn, *args)
            for text in self.refused:
                cursor.execute(
                    "SELECT 1 FROM presence_stream WHERE status_msg = ?", (text,)
                )
                if cursor.fetchone():
                    raise sqlite3.IntegrityError(text)
        except Exception:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
        for call in txn.after:
            call()
        return outcome

    def release(self) -> None:
        """Let the transactions that wait go on, and later ones pass."""
        held, self.held = self.held or [], None
        for waiting in held:
            waiting.callback(None)

    def rows(self) -> dict[str, tuple[int, str, str | None]]:
        """By user: stream id, state and message."""
        found = self.connection.execute(
            "SELECT user_id, stream_id, state, status_msg FROM presence_stream"
        )
        return {user_id: (at, state, message) for user_id, at, state, message in found}


class Ids:
    """A stream id generator."""

    def __init__(self) -> None:
        self.last = 1
        self.current = 1

    def get_current_token(self) -> int:
        """The last id whose rows are written."""
        return self.current

    def get_next_txn(self, txn: Transaction) -> int:
        """The next id; it counts when the transaction is committed."""
        self.last += 1
        txn.after.append(partial(setattr, self, "current", self.last))
        return self.last


class Store:
    """Synapse's data store."""

    def __init__(self) -> None:
        self.db_pool = Pool()
        self.ids = Ids()
        self.full_presence: dict[str, int] = {}
        self.appservice_users: set[str] = set()
        #: The stream of events: memberships by event, and changes of state.
        self.head = 10
        self.memberships: dict[str, str] = {}
        self.deltas: list[Any] = []
        self._curr_state_delta_stream_cache = SimpleNamespace(
            has_any_entity_changed=lambda position: any(
                delta.stream_id > position for delta in self.deltas
            )
        )

    def get_presence_stream_id_gen(self) -> Ids:
        """The generator."""
        return self.ids

    def get_current_presence_token(self) -> int:
        """Its position."""
        return self.ids.current

    async def get_user_by_id(self, user_id: str) -> Any:
        """Everybody is there."""
        return SimpleNamespace(is_deactivated=False)

    def get_if_app_services_interested_in_user(self, user_id: str) -> bool:
        """Whether the user is an application service's."""
        return user_id in self.appservice_users

    async def should_user_receive_full_presence_with_token(
        self, user_id: str, from_token: int
    ) -> bool:
        """Whether a module wants everything sent."""
        return from_token <= self.full_presence.get(user_id, -1)

    async def add_users_to_send_full_presence_to(self, user_ids: Iterable[str]) -> None:
        """A module wants everything sent to these."""
        self.full_presence.update(dict.fromkeys(user_ids, self.ids.current))

    def take_presence_startup_info(self) -> list[UserPresenceState]:
        """Nothing that is not in the table."""
        return []

    async def get_all_presence_updates(self, *args: Any) -> Any:
        """What it was asked."""
        return args

    def get_room_max_stream_ordering(self) -> int:
        """The last event."""
        return self.head

    async def get_partial_current_state_deltas(
        self, after: int, upto: int
    ) -> tuple[int, list[Any]]:
        """One change of state at a time."""
        for delta in self.deltas:
            if after < delta.stream_id <= upto:
                return delta.stream_id, [delta]
        return upto, []

    async def get_membership_from_event_ids(
        self, event_ids: Iterable[str]
    ) -> dict[str, Any]:
        """By event: the membership in it."""
        return {
            event_id: SimpleNamespace(membership=self.memberships[event_id])
            for event_id in event_ids
        }

    def change(self, room_id: str, user_id: str, membership: str | None) -> None:
        """The membership of a user changes; None: this server forgets it."""
        self.head += 1
        event_id = None if membership is None else f"${self.head}"
        if event_id is not None and membership is not None:
            self.memberships[event_id] = membership
        self.deltas.append(
            SimpleNamespace(
                stream_id=self.head,
                room_id=room_id,
                event_type="m.room.member",
                state_key=user_id,
                event_id=event_id,
            )
        )


@attrs.frozen
class Token:
    """As much of a stream token as there is to see."""

    presence_key: int


@attrs.define(eq=False)
class UserStream:
    """What the notifier knows of the polls of one user."""

    current_token: Token
    listeners: list[Deferred[Token]] = attrs.Factory(list)

    def update_and_fetch_deferreds(
        self, token: Token, now: int
    ) -> list[Deferred[Token]]:
        """Bring up to date; who is to be woken by it."""
        self.current_token = token
        waiting, self.listeners = self.listeners, []
        return waiting


class Notifier:
    """Synapse's notifier."""

    server_name = "hs"

    def __init__(self, sources: SimpleNamespace) -> None:
        self.user_to_user_stream: dict[str, UserStream] = {}
        self.callbacks: list[Callable[[], None]] = []
        self.add_replication_callback = self.callbacks.append
        self.seen: list[Any] = []
        self.event_sources = SimpleNamespace(
            sources=sources,
            get_current_token=lambda: Token(sources.presence.get_current_key()),
        )

    async def on_new_room_events(self, events_and_pos: Any, token: Any) -> None:
        """Keeps them."""
        self.seen += events_and_pos

    def poll(self, user_id: str) -> Deferred[Token]:
        """What Synapse's wait does for a poll that has seen everything."""
        now = self.event_sources.get_current_token()
        stream = self.user_to_user_stream.setdefault(user_id, UserStream(now))
        stream.current_token = now
        waiting: Deferred[Token] = Deferred()
        stream.listeners.append(waiting)
        return waiting


class Queue:
    """Synapse's way to its federation senders."""

    def __init__(self, homeserver: Synapse, presence: object) -> None:
        homeserver.queue = self
        #: Destination and states of each call.
        self.sent: list[tuple[str, list[UserPresenceState]]] = []

    async def send_presence_to_destinations(
        self, states: list[UserPresenceState], destinations: list[str]
    ) -> None:
        """Keeps them."""
        self.sent += [(destination, states) for destination in destinations]

    async def process_replication_rows(self, *args: Any) -> None:
        """Not interested."""


class Synapse:
    """The homeserver."""

    hostname = "hs"
    queue: Queue

    def __init__(self, reactor: Reactor, store: Store) -> None:
        self.reactor = reactor
        self.store = store
        self.sources = SimpleNamespace(presence=SimpleNamespace())
        self.notifier = Notifier(self.sources)
        #: By type of EDU: the processes that take it.
        self.takers: dict[str, list[str]] = {}
        self.registry = SimpleNamespace(
            edu_handlers={}, register_instances_for_edu=self.takers.__setitem__
        )
        self.api = SimpleNamespace(_presence_stream=None)
        self.sliding = SimpleNamespace(wait_for_sync_for_user=self.slide)
        self.sliding_polls: list[Deferred[str]] = []
        self.told_appservices: list[tuple[int, list[str]]] = []
        self.shutdown: list[Callable[[], Deferred[None]]] = []
        limit = attrs.make_class("Limit", ["per_second", "burst_count"])
        self.config = SimpleNamespace(
            worker=SimpleNamespace(writers=SimpleNamespace(presence=["master"])),
            server=SimpleNamespace(
                presence_enabled=True,
                track_presence=True,
                presence_last_active_granularity=60_000,
                presence_sync_online_timeout=30_000,
                presence_idle_timeout=300_000,
                presence_include_offline_users_on_sync=False,
                rooms_to_exclude_from_presence=["!excluded:hs"],
            ),
            ratelimiting=SimpleNamespace(rc_presence_per_user=limit(0.1, 10)),
            experimental=SimpleNamespace(msc3026_enabled=True),
        )

    def get_instance_name(self) -> str:
        """The main process."""
        return "master"

    def get_instance_id(self) -> str:
        """Another for each life."""
        return f"{id(self)} {self.reactor.seconds()} {next(_lives)}"

    def get_reactor(self) -> Reactor:
        """The clock."""
        return self.reactor

    def get_clock(self) -> Any:
        """Synapse's view of it."""
        return SimpleNamespace(time_msec=lambda: int(self.reactor.seconds() * 1000))

    def get_datastores(self) -> Any:
        """One database."""
        return SimpleNamespace(main=self.store)

    def get_notifier(self) -> Notifier:
        """The notifier."""
        return self.notifier

    def get_event_sources(self) -> Any:
        """All of them."""
        return self.notifier.event_sources

    def get_federation_registry(self) -> Any:
        """Who takes which EDU."""
        return self.registry

    def get_presence_router(self) -> Any:
        """Nobody routes."""
        return SimpleNamespace(_get_users_for_states_callbacks=[])

    def get_module_api(self) -> Any:
        """Other modules read by it."""
        return self.api

    def get_application_service_handler(self) -> Any:
        """Keeps what it is told."""

        def notify(key: Any, position: int, users: list[str]) -> None:
            self.told_appservices.append((position, users))

        return SimpleNamespace(notify_interested_services_ephemeral=notify)

    def get_sliding_sync_handler(self) -> Any:
        """Its polls last until a test ends them."""
        return self.sliding

    async def slide(self, requester: Any, config: str) -> str:
        """One poll."""
        poll: Deferred[str] = Deferred()
        self.sliding_polls.append(poll)
        return await poll

    def is_mine_id(self, user_id: str) -> bool:
        """Whether the user is ours."""
        return user_id.endswith(":hs")

    def register_async_shutdown_handler(
        self, *, phase: str, eventType: str, shutdown_func: Any
    ) -> None:
        """Keeps it."""
        self.shutdown.append(shutdown_func)

    def run_as_background_process(
        self, name: str, run: Callable[[], Awaitable[Any]]
    ) -> Deferred[Any]:
        """Starts it."""
        return Deferred.fromCoroutine(run())  # type: ignore[arg-type]  # async def all


#: The first ping of another server comes as late as it may, not at any moment of the
#: first minutes.
LatePings = partial(Sender, chance=lambda: 0.999)


class SynapseTestCase(TestCase):
    """Alice and Bob share a room of a Synapse that has the module."""

    #: The module's entry.
    options: Mapping[str, Any] = MappingProxyType({})

    def setUp(self) -> None:
        """Start with an empty database, and everything loaded."""
        self.patch(handler, "PresenceFederationQueue", Queue)
        self.patch(parts, "Sender", LatePings)
        self.patch(shapes, "missing", lambda homeserver: [])
        self.reactor = Reactor()
        self.store = Store()
        self.member(ROOM, ALICE)
        self.member(ROOM, BOB)
        self.start()

    def member(self, room_id: str, user_id: str) -> None:
        """A membership from before the start."""
        self.store.db_pool.connection.execute(
            "INSERT INTO current_state_events"
            " VALUES (?, ?, 'm.room.member', ?, 'join')",
            (f"${room_id}{user_id}", room_id, user_id),
        )

    def start(self) -> None:
        """Begin a life on the database as it is."""
        self.synapse = Synapse(self.reactor, self.store)
        homeserver: Any = self.synapse
        built = assembly.build(homeserver, parse_entry(self.options), self.stock)
        assert type(built) is SynapsePresence, built
        self.presence = built
        self.handler = built.parts.handler
        self.notifier = self.synapse.notifier
        self.reactor.advance(0)

    def stock(self, homeserver: object) -> str:
        """Synapse's own builder."""
        return "stock"

    def stop(self) -> None:
        """End this life in order."""
        for end in self.synapse.shutdown:
            self.successResultOf(end())

    def pass_time(self, seconds: float) -> None:
        """Let time pass in steps short enough for every timer to be in time."""
        self.reactor.pump([0.25] * int(seconds * 4))

    def put(self, user_id: str, presence: str, **content: Any) -> None:
        """Set a status; it is on disk when this returns."""
        done = self.putting(user_id, presence, **content)
        self.reactor.pump([0.01, 0.05])
        self.successResultOf(done)

    def putting(self, user_id: str, presence: str, **content: Any) -> Deferred[None]:
        """Set a status, which may take a while."""
        state = {"presence": presence, **content}
        return Deferred.fromCoroutine(
            self.presence.set_state(UserID.from_string(user_id), "DEVICE", state)
        )

    def sync(self, user_id: str, presence: str = "online", counts: bool = True) -> None:
        """A sync that returns at once."""
        with self.poll(user_id, presence, counts):
            pass
        self.reactor.pump([0.01, 0.05])

    def poll(self, user_id: str, presence: str = "online", counts: bool = True) -> Any:
        """To be held while a sync is open."""
        opening = self.presence.user_syncing(user_id, "DEVICE", counts, presence)
        return self.successResultOf(Deferred.fromCoroutine(opening))

    def crowd(self, number: int) -> tuple[list[str], list[Any], list[Deferred[Token]]]:
        """So many more in the room: who, the polls they hold, and what wakes them."""
        users = [f"@user{each}:hs" for each in range(number)]
        polls = [self.poll(user, "offline") for user in users]
        for user, poll in zip(users, polls, strict=True):
            self.handler.joined(ROOM, user)
            poll.__enter__()
        return users, polls, [self.notifier.poll(user) for user in users]

    def state(self, user_id: str) -> UserPresenceState:
        """How a user stands."""
        asking = self.presence.get_state(target_user=UserID.from_string(user_id))
        found = self.successResultOf(Deferred.fromCoroutine(asking))
        assert isinstance(found, UserPresenceState)
        return found

    def events(
        self, viewer: str, since: int | None, **options: Any
    ) -> tuple[dict[str, UserPresenceState], int]:
        """By user: what the event source shows; and up to where."""
        user = UserID.from_string(viewer)
        reading = self.synapse.sources.presence.get_new_events(user, since, **options)
        states, position = self.successResultOf(Deferred.fromCoroutine(reading))
        return {state.user_id: state for state in states}, position
