"""A Synapse module that measures the presence handler it finds, from inside.

    modules:
      - module: contrib.bench.synapse_probe.Probe
        config: {file: figures.json, rounds: 2000}

Once the server is up it goes through what clients do most often, with nothing changing
by it, and writes what each took into a file: seconds of processor time for one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from synapse.module_api import ModuleApi
from synapse.types import UserID


class Probe:
    """Measures once, shortly after the start."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._file = config["file"]
        self._rounds = config["rounds"]
        self._homeserver = api._hs
        self._api = api
        api.delayed_background_call(1000, self._measure, desc="presence_probe")

    async def _measure(self) -> None:
        users = [
            UserID(f"probe{number}", self._homeserver.hostname) for number in range(20)
        ]
        presence = self._homeserver.get_presence_handler()

        def sync(user: UserID) -> Awaitable[AbstractContextManager[None]]:
            return presence.user_syncing(user.to_string(), "DEVICE", True, "online")

        async def poll(user: UserID) -> None:
            with await sync(user):
                pass

        async def bump(user: UserID) -> None:
            await presence.bump_presence_active_time(user, "DEVICE")

        # They come online, which is not what is measured.
        for user in users:
            await poll(user)
        await self._api.sleep(1)
        figures = {"sync": await self._timed(poll, users)}
        # Who sends a message is polling at that time.
        with ExitStack() as open_polls:
            for user in users:
                open_polls.enter_context(await sync(user))
            figures["bump"] = await self._timed(bump, users)
        with open(self._file, "w") as file:
            json.dump(figures, file)

    async def _timed(
        self, call: Callable[[UserID], Awaitable[None]], users: Sequence[UserID]
    ) -> float:
        for user in users:
            await call(user)
        began = time.process_time()
        for number in range(self._rounds):
            await call(users[number % len(users)])
        took = time.process_time() - began
        return took / int(self._rounds)
