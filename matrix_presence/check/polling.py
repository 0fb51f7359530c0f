"""A client that polls and does nothing else, as one does that nobody touches."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.person import Person

#: With nothing to be told of, only the time ends a poll.
NO_NEWS: Mapping[str, Any] = {
    "room": {"rooms": []},
    "presence": {"types": []},
    "account_data": {"types": []},
}

#: Seconds, longer than any check that does not wait for time-outs.
_WHOLE_CHECK = 300.0


async def keep_online(bench: Bench, person: Person, message: str) -> None:
    """Have somebody set online with this message, and stay connected for the check."""
    await person.put("online", message)
    bench.start(poll(bench, person, _WHOLE_CHECK, every=10.0))


async def poll(bench: Bench, person: Person, seconds: float, *, every: float) -> None:
    """Have somebody poll for so long.

    Args:
        every: how long each poll waits for news, in seconds.
    """
    sync = partial(person.sync, set_presence="online", filter=NO_NEWS)
    since = (await sync()).since
    deadline = bench.now() + seconds * 1000
    while (left := (deadline - bench.now()) / 1000) > 0.01:
        began = bench.now()
        since = (await sync(since, timeout=min(left, every))).since
        if bench.now() - began < 100:
            # It answers although there is nothing to tell.
            await bench.sleep(0.1)
