"""A Synapse module that measures the presence handler it finds, from inside.

    modules:
      - module: contrib.bench.synapse_probe.Probe
        config: {file: figures.json, rounds: 2000, people: 10000, seconds: 120}

Once the server is up it goes through what clients do most often, with nothing changing
by it, and writes what each took into a file: seconds of processor time for one. Then
many people sync, poll after poll, and nobody changes: what that takes in a second, and
what the same takes before they come and after they have gone, when presence hears
nothing of it. The difference is presence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from typing import Any

from synapse.module_api import ModuleApi
from synapse.types import UserID

#: A poll of those many people lasts so long, in seconds, and as many turns are taken in
#: a second.
_POLL = 30.0
_TURNS = 10
#: So many seconds after they came online nobody is "currently active" any more, and not
#: yet idle either: from here on nothing changes for some minutes.
_SETTLED = 90.0
#: Users that come online in one turn of the reactor.
_AT_ONCE = 20

_Sync = Callable[[UserID], Awaitable[AbstractContextManager[None]]]


async def _unheard(user: UserID) -> AbstractContextManager[None]:
    """A sync of which presence is not told."""
    return nullcontext()


class Probe:
    """Measures once, shortly after the start."""

    def __init__(self, config: dict[str, Any], api: ModuleApi) -> None:
        self._file = config["file"]
        self._rounds = config["rounds"]
        self._people = config["people"]
        self._seconds = config["seconds"]
        self._homeserver = api._hs
        self._api = api
        api.delayed_background_call(1000, self._measure, desc="presence_probe")

    async def _measure(self) -> None:
        users = [
            UserID(f"probe{number}", self._homeserver.hostname) for number in range(20)
        ]
        presence = self._homeserver.get_presence_handler()
        sync = self._sync

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
        figures["steady"] = await self._steady()
        with open(self._file, "w") as file:
            json.dump(figures, file)

    def _sync(self, user: UserID) -> Awaitable[AbstractContextManager[None]]:
        presence = self._homeserver.get_presence_handler()
        return presence.user_syncing(user.to_string(), "DEVICE", True, "online")

    async def _steady(self) -> float:
        """Seconds of processor time in a second, beyond what a server takes anyway."""
        users = [
            UserID(f"steady{number}", self._homeserver.hostname)
            for number in range(self._people)
        ]
        polls: list[AbstractContextManager[None]] = [nullcontext() for _ in users]
        settling = min(_SETTLED, self._seconds)

        async def polls_again(sync: _Sync, number: int) -> None:
            polls[number].__exit__(None, None, None)
            polls[number] = await sync(users[number])
            polls[number].__enter__()

        async def all_at_once(sync: _Sync) -> None:
            for number in range(self._people):
                await polls_again(sync, number)
                if number % _AT_ONCE == 0:
                    await self._api.sleep(0)

        unheard = partial(polls_again, _unheard)
        heard = partial(polls_again, self._sync)
        # First what a server does at its start comes to its end.
        await self._turns(unheard, settling)
        before = await self._turns(unheard, self._seconds / 2)
        await all_at_once(self._sync)
        await self._turns(heard, settling)
        with_presence = await self._turns(heard, self._seconds)
        # While polls are merely open, presence may still be busy with them.
        await all_at_once(_unheard)
        await self._turns(unheard, settling)
        after = await self._turns(unheard, self._seconds / 2)
        return with_presence - (before + after) / 2

    async def _turns(
        self, turn: Callable[[int], Awaitable[None]], seconds: float
    ) -> float:
        """Everybody has their turn every `_POLL` seconds; what a second takes."""
        a_turn = self._people / _POLL / _TURNS
        began, cpu = time.monotonic(), time.process_time()
        taken = 0
        while (passed := time.monotonic() - began) < seconds:
            until = int(passed * _TURNS * a_turn)
            for number in range(taken, until):
                await turn(number % self._people)
            taken = until
            await self._api.sleep(1 / _TURNS)
        return (time.process_time() - cpu) / passed

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
