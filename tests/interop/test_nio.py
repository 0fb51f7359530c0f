"""Two matrix-nio clients see each other's presence through a real server."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nio import AsyncClient, AsyncClientConfig, PresenceEvent, SyncResponse
from nio.responses import (
    JoinResponse,
    LoginResponse,
    PresenceGetResponse,
    PresenceSetResponse,
    RegisterResponse,
    RoomCreateResponse,
    RoomSendResponse,
)

from contrib.bench.servers import Server
from tests.interop.running import running

#: Short, so that a test sees people idle and leave.
TIMES = {
    "idle_timeout": "3s",
    "last_active_granularity": "1s",
    "sync_online_timeout": "2s",
    "client_window": 0,
    "tick": 0,
}
#: Seconds after which something that should have been seen will not be.
PATIENCE = 15.0
PASSWORD = "correct horse battery staple"

_names = itertools.count()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server whose times are short."""
    with running(tmp_path, TIMES) as server:
        yield server


class Person:
    """Someone with a client, and what that client was told."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.told: list[PresenceEvent] = []
        client.add_presence_callback(self._presence, PresenceEvent)

    async def _presence(self, event: PresenceEvent) -> None:
        self.told.append(event)

    async def sync(self, set_presence: str | None = None, timeout: int = 0) -> None:
        """One sync; its token is kept for the next."""
        answer = await self.client.sync(timeout=timeout, set_presence=set_presence)
        assert isinstance(answer, SyncResponse), answer

    async def put(self, presence: str, status_msg: str | None = None) -> None:
        """Set the own status."""
        answer = await self.client.set_presence(presence, status_msg)
        assert isinstance(answer, PresenceSetResponse), answer
        # nio would repeat the state in each sync from now on; here tests say when.
        self.client._presence = None

    async def sees(
        self,
        other: Person,
        seen: Callable[[PresenceEvent], bool],
        set_presence: str | None = None,
    ) -> PresenceEvent:
        """Long-poll until told something of the other that is as expected."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in self.told:
                    if event.user_id == other.client.user_id and seen(event):
                        self.told.clear()
                        return event
                self.told.clear()
                await self.sync(set_presence, timeout=1000)


def presence_is(presence: str, status_msg: str | None = None) -> Callable[..., bool]:
    """Whether an event says just this."""
    return lambda event: (event.presence, event.status_msg) == (presence, status_msg)


@asynccontextmanager
async def people(server: Server) -> AsyncIterator[tuple[Person, Person, str]]:
    """Two who have registered, logged in and share a room; the room's id."""
    config = AsyncClientConfig(encryption_enabled=False, max_timeouts=3)
    clients = [
        AsyncClient(f"http://127.0.0.1:{server.port}", config=config) for _ in range(2)
    ]
    try:
        for client in clients:
            name = f"person{next(_names)}"
            answer = await client.register(name, PASSWORD)
            assert isinstance(answer, RegisterResponse), answer
            # Once more, with a password: people come back.
            client.user = answer.user_id
            answer = await client.login(PASSWORD)
            assert isinstance(answer, LoginResponse), answer
        alice, bob = map(Person, clients)
        room = await alice.client.room_create()
        assert isinstance(room, RoomCreateResponse), room
        await alice.client.room_invite(room.room_id, bob.client.user_id)
        joined = await bob.client.join(room.room_id)
        assert isinstance(joined, JoinResponse), joined
        await alice.sync()
        await bob.sync()
        yield alice, bob, room.room_id
    finally:
        for client in clients:
            await client.close()


def test_put_reaches_the_other_both_ways(server: Server) -> None:
    """What one sets by PUT the other reads in /sync and by GET, message and all."""

    async def scenario() -> None:
        async with people(server) as (alice, bob, _):
            for one, other in [(alice, bob), (bob, alice)]:
                await one.put("unavailable", "at lunch")
                await other.sees(one, presence_is("unavailable", "at lunch"))
                await one.put("online", "back")
                await other.sees(one, presence_is("online", "back"))
                got = await other.client.get_presence(one.client.user_id)
                assert isinstance(got, PresenceGetResponse), got
                assert (got.presence, got.status_msg) == ("online", "back")

    asyncio.run(scenario())


def test_set_presence_of_a_sync_reaches_the_other_both_ways(server: Server) -> None:
    """`set_presence` of a /sync is seen, and ends some time after the last sync."""

    async def scenario() -> None:
        async with people(server) as (alice, bob, _):
            for one, other in [(alice, bob), (bob, alice)]:
                await one.sync("unavailable")
                await other.sees(one, presence_is("unavailable"), "offline")
                await one.sync("online")
                await other.sees(one, presence_is("online"), "offline")
                await other.sees(one, presence_is("offline"), "offline")

    asyncio.run(scenario())


def test_client_that_only_polls_idles_until_it_speaks(server: Server) -> None:
    """Polling is no activity: the user idles; a message makes them online again."""

    async def scenario() -> None:
        async with people(server) as (alice, bob, room_id):
            poll = asyncio.create_task(_poll_for_ever(alice))
            try:
                idle = await bob.sees(alice, presence_is("unavailable"))
                assert idle.last_active_ago is not None
                assert idle.last_active_ago >= 3000
                sent = await alice.client.room_send(
                    room_id, "m.room.message", {"msgtype": "m.text", "body": "hello"}
                )
                assert isinstance(sent, RoomSendResponse), sent
                active = await bob.sees(alice, presence_is("online"))
                assert active.currently_active
            finally:
                poll.cancel()

    asyncio.run(scenario())


def test_status_and_tokens_survive_a_restart(server: Server) -> None:
    """After a restart clients go on with their tokens and find what was set."""

    async def scenario() -> None:
        async with people(server) as (alice, bob, _):
            await alice.put("online", "over the hills")
            await bob.sees(alice, presence_is("online", "over the hills"))
            # The two connections that the clients keep alive would be cut.
            assert server.signal(signal.SIGTERM) == 0
            server.start()
            got = await bob.client.get_presence(alice.client.user_id)
            assert got.status_msg == "over the hills"
            await alice.put("unavailable", "far away")
            await bob.sees(alice, presence_is("unavailable", "far away"))

    asyncio.run(scenario())


async def _poll_for_ever(person: Person) -> None:
    while True:
        await person.sync(timeout=1000)
