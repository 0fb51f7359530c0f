"""What a /sync does to the presence of who sends it: `set_presence`."""

from __future__ import annotations

from matrix_presence.check.bench import Bench
from matrix_presence.check.registry import Need, check
from matrix_presence.check.seeing import presence_is, shown

_SET_PRESENCE = (
    "A-80: set_presence is offline, online or unavailable; omitted, “the client is "
    "automatically marked as online”."
)


@check(45, "sync-offline", source=_SET_PRESENCE, needs=[Need.NEW_ACCOUNT])
async def sync_offline(bench: Bench) -> None:
    """A sync with set_presence=offline does not make a new user online."""
    person = await bench.newcomer()
    synced = await person.sync(set_presence="offline")
    own = synced.of(person.user_id) or {"presence": "offline"}
    bench.require(own["presence"] == "offline", f"the sync shows {own['presence']}")
    status = await person.status()
    bench.require(status["presence"] != "online", "the status is online")


@check(46, "sync-unavailable", source=_SET_PRESENCE)
async def sync_unavailable(bench: Bench) -> None:
    """A sync with set_presence=unavailable makes a user unavailable for others."""
    await bench.a.put("online")
    since = (await shown(bench, bench.a, to=bench.b)).since
    await bench.a.sync(set_presence="unavailable")
    content, _ = await bench.sees(
        bench.b,
        since,
        bench.a,
        presence_is("unavailable"),
        "B is not told that A is idle",
    )
    bench.require("last_active_ago" in content, "there is no last_active_ago")


@check(47, "sync-online", source=_SET_PRESENCE)
async def sync_online(bench: Bench) -> None:
    """A sync with set_presence=online makes a user online who was unavailable."""
    await _syncs_online(bench, "online")


@check(48, "sync-plain", source=_SET_PRESENCE)
async def sync_plain(bench: Bench) -> None:
    """A sync that does not say set_presence makes a user online."""
    await _syncs_online(bench, None)


@check(49, "sync-bogus", source="A-81: another value is 400 M_INVALID_PARAM.")
async def sync_bogus(bench: Bench) -> None:
    """A set_presence that there is not is refused."""
    reply = await bench.a.ask_sync(set_presence="bogus")
    bench.expect(reply, 400, "M_INVALID_PARAM")


async def _syncs_online(bench: Bench, set_presence: str | None) -> None:
    """Have A, who is unavailable, sync, and B told that they are online."""
    await bench.a.put("unavailable")
    since = (await bench.settled(bench.b)).since
    await bench.a.sync(set_presence=set_presence)
    await bench.sees(
        bench.b, since, bench.a, presence_is("online"), "B is not told that A is online"
    )
