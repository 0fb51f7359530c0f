"""Old clients and a modern one (matrix-nio, on v3) on one server at the same time.

The old ones do all that r0.1.0 has for presence; the modern one, who shares a room with
them, must notice nothing of it but what the module of today allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from nio import AsyncClient, AsyncClientConfig, PresenceEvent, SyncResponse
from nio.responses import JoinResponse, PresenceGetResponse, RegisterResponse

from contrib.bench.servers import Server
from tests.interop.old_client import OldClient, old_client
from tests.interop.running import running

#: Seconds after which something that should have been seen will not be.
PATIENCE = 15.0
#: What an event and its content may have on v3, and the states there are.
EVENT_KEYS = {"type", "sender", "content"}
MODERN_KEYS = {
    "presence",
    "last_active_ago",
    "status_msg",
    "currently_active",
    "displayname",
    "avatar_url",
    # Says free for chat beside `online`; others ignore what they do not know.
    "org.matrix_presence.state",
}
STATES = {"online", "unavailable", "offline", "org.matrix.msc3026.busy"}


class Modern:
    """A matrix-nio client that polls all the time, and all that it was told."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.raw: list[dict[str, Any]] = []
        self.parsed: list[PresenceEvent] = []
        self._told = asyncio.Event()
        parse_body = client.parse_body

        async def recorded(response: Any) -> dict[Any, Any]:
            body: dict[Any, Any] = await parse_body(response)
            if "next_batch" in body:
                self.raw += body.get("presence", {}).get("events", [])
            return body

        client.parse_body = recorded
        client.add_presence_callback(self._presence, PresenceEvent)

    async def _presence(self, event: PresenceEvent) -> None:
        self.parsed.append(event)
        self._told.set()

    async def poll(self) -> None:
        """One /sync after the other, for ever."""
        while True:
            answer = await self.client.sync(timeout=1000)
            assert isinstance(answer, SyncResponse), answer

    async def sees(self, user_id: str, presence: str, status_msg: str) -> None:
        """Wait until the client has been told this."""
        expected = user_id, presence, status_msg
        async with asyncio.timeout(PATIENCE):
            while expected not in [
                (event.user_id, event.presence, event.status_msg)
                for event in self.parsed
            ]:
                self._told.clear()
                await self._told.wait()


@asynccontextmanager
async def modern_client(server: Server, localpart: str) -> AsyncIterator[Modern]:
    """Registered, and polling once `poll` is started."""
    config = AsyncClientConfig(encryption_enabled=False, max_timeouts=3)
    url = f"http://127.0.0.1:{server.port}"
    client = AsyncClient(url, config=config)
    try:
        answer = await client.register(localpart, "correct horse " + localpart)
        assert isinstance(answer, RegisterResponse), answer
        yield Modern(client)
    finally:
        await client.close()


async def lists_are_used(dino: OldClient, stego: OldClient, modern_id: str) -> None:
    """Dino invites Stego, who accepts, is seen, and is dropped; and the modern user."""
    do = asyncio.to_thread
    await do(dino.change_list, invite=[stego.user_id, modern_id])
    invite = await do(stego.hear, "m.presence_invite")
    assert invite["sender"] == dino.user_id
    await do(stego.change_list, accept=[dino.user_id])
    heard = await do(dino.hear, "m.presence", user_id=stego.user_id)
    assert heard["content"]["user_id"] == heard["sender"]
    await do(stego.set_presence, "free_for_chat", status_msg="grazing")
    heard = await do(dino.hear, "m.presence", status_msg="grazing")
    assert heard["content"]["presence"] == "free_for_chat"
    (entry,) = await do(dino.presence_list)
    assert (entry["user_id"], entry["presence"]) == (stego.user_id, "free_for_chat")
    await do(dino.change_list, drop=[stego.user_id, modern_id])
    assert await do(dino.presence_list) == []
    await do(stego.set_presence, "unavailable", status_msg="resting")


async def session(server: Server, version: str, modern: Modern) -> None:
    """All of it, the modern client polling meanwhile."""
    do = asyncio.to_thread
    with (
        old_client(server, version, "dino") as dino,
        old_client(server, version, "stego") as stego,
    ):
        # Stego and the modern user share a room; Dino is in none.
        body = {"preset": "public_chat"}
        room_id = (await do(stego.ask, "POST", "createRoom", body))["room_id"]
        joined = await modern.client.join(room_id)
        assert isinstance(joined, JoinResponse), joined
        for one in (dino, stego):
            (await do(one.begin))["presence"]
        polling = asyncio.create_task(modern.poll())
        try:
            await lists_are_used(dino, stego, modern.client.user_id)
            # What is set on old paths is seen on v3, in the states of v3.
            await modern.sees(stego.user_id, "online", "grazing")
            await modern.sees(stego.user_id, "unavailable", "resting")
            for state, seen in (("free_for_chat", "online"), ("offline", "offline")):
                await do(stego.set_presence, state, status_msg=f"now {state}")
                await modern.sees(stego.user_id, seen, f"now {state}")
            got = await modern.client.get_presence(stego.user_id)
            assert isinstance(got, PresenceGetResponse), got
            assert got.presence == "offline"
            # And the other way: what the modern one sets, old ones hear.
            await modern.client.set_presence("unavailable", "modern times")
            heard = await do(stego.hear, "m.presence", status_msg="modern times")
            assert heard["content"]["user_id"] == modern.client.user_id
        finally:
            polling.cancel()
        check(modern, dino)
        path = f"/_matrix/client/v3/presence/list/{quote(dino.user_id)}"
        answer = await do(dino.caller.call, "GET", path, None, dino.token)
        assert answer[0] == 404


def check(modern: Modern, stranger: OldClient) -> None:
    """Nothing that the modern client was told is more than v3 has."""
    assert modern.raw
    for event in modern.raw:
        assert event["type"] == "m.presence", event
        assert set(event) == EVENT_KEYS, event
        assert set(event["content"]) <= MODERN_KEYS, event
        assert event["content"]["presence"] in STATES, event
        # Who shares no room is not seen, whatever lists there are.
        assert event["sender"] != stranger.user_id
    assert len(modern.parsed) == len(modern.raw)


@pytest.mark.parametrize("version", ["r0", "api/v1"])
def test_a_modern_client_sees_nothing_of_the_old_ways(
    version: str, tmp_path: Path
) -> None:
    """While old clients register, sync, listen, list each other and are free for chat
    (A-60…A-70, A-100, A-101), matrix-nio on v3 is told of three states, with `sender`
    and without `user_id` in the content (A-5, A-110, X-1, X-8)."""

    async def scenario(run: Callable[[Modern], Any]) -> None:
        async with modern_client(server, "nio") as modern:
            await run(modern)

    with running(tmp_path, {"client_window": 0, "tick": 0}) as server:
        asyncio.run(scenario(lambda modern: session(server, version, modern)))
