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
from collections.abc import Awaitable, Callable
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
        figures = {
            "sync": await self._timed(self._sync),
            "bump": await self._timed(self._bump),
        }
        with open(self._file, "w") as file:
            json.dump(figures, file)

    async def _timed(self, call: Callable[[UserID], Awaitable[None]]) -> float:
        users = [
            UserID(f"probe{number}", self._homeserver.hostname) for number in range(20)
        ]
        # They come online, which is not what is measured.
        for user in users:
            await call(user)
            await self._sync(user)
        await self._api.sleep(1)
        began = time.process_time()
        for number in range(self._rounds):
            await call(users[number % len(users)])
        return (time.process_time() - began) / self._rounds

    async def _sync(self, user: UserID) -> None:
        presence = self._homeserver.get_presence_handler()
        with await presence.user_syncing(user.to_string(), "DEVICE", True, "online"):
            pass

    async def _bump(self, user: UserID) -> None:
        presence = self._homeserver.get_presence_handler()
        await presence.bump_presence_active_time(user, "DEVICE")
