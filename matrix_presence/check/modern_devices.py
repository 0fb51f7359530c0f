"""Devices that come and go: connected, disconnected, several of one user."""

from __future__ import annotations

from matrix_presence.check.bench import Bench
from matrix_presence.check.polling import poll
from matrix_presence.check.registry import Need, check
from matrix_presence.check.timers import Timer, Wait

_COLLATED = (
    "B-5: presence is collated from all devices of a user; the most available counts."
)
_TIMEOUT = "B-46: a device is connected until a while after its last sync has returned."
_AFTER_TIMEOUT = Wait(Timer.ONLINE, 1.0)


@check(68, "devices-add-up", source=_COLLATED, needs=[Need.NEW_ACCOUNT])
async def devices_add_up(bench: Bench) -> None:
    """With one device unavailable and another online a user is online."""
    # Somebody new: servers may remember the further device after it has gone.
    person = await bench.newcomer()
    other = await bench.another_device(person)
    await other.put("online")
    await person.put("unavailable")
    await bench.sleep(1.0)
    presence = (await person.status())["presence"]
    bench.require(presence == "online", f"they are {presence}")


@check(
    69,
    "logged-out-device",
    source=f"{_COLLATED} B-52: logout ends what a device contributes.",
    wait=_AFTER_TIMEOUT,
    needs=[Need.NEW_ACCOUNT],
)
async def logged_out_device(bench: Bench) -> None:
    """When the only online device is logged out, its user is not online any more."""
    person = await bench.newcomer()
    other = await bench.another_device(person)
    await person.put("unavailable")
    await other.put("online")
    await bench.eventually(
        person.status,
        lambda status: status["presence"] == "online",
        "a user is not online, although one of their devices is",
    )
    await other.done("POST", "logout", {})
    await bench.eventually(
        person.status,
        lambda status: status["presence"] != "online",
        "they are still online",
        bench.timers.seconds(_AFTER_TIMEOUT),
    )


@check(70, "disconnected", source=_TIMEOUT, wait=_AFTER_TIMEOUT)
async def disconnected(bench: Bench) -> None:
    """Who stops to sync is offline for others after the time-out, and not before."""
    await bench.b.put("online")
    since = (await bench.settled(bench.a)).since
    await bench.b.sync(set_presence="online")
    began = bench.now()
    await bench.sees(
        bench.a,
        since,
        bench.b,
        lambda content: content["presence"] == "offline",
        "A is not told that B is offline, who does not sync any more",
        bench.timers.seconds(_AFTER_TIMEOUT),
    )
    took = (bench.now() - began) / 1000
    bench.require(
        took >= bench.timers.online / 2, f"it is told after {took:.1f} s already"
    )


@check(71, "long-poll-is-connected", source=_TIMEOUT, wait=_AFTER_TIMEOUT)
async def long_poll_is_connected(bench: Bench) -> None:
    """A device is connected as long as its long poll is open."""
    await bench.b.put("online")
    seconds = bench.timers.online + 3.0
    polling = bench.start(poll(bench, bench.b, seconds, every=seconds))
    await bench.sleep(seconds - 0.5)
    presence = (await bench.a.status(bench.b))["presence"]
    bench.require(presence != "offline", "B is offline although they poll")
    await polling


@check(
    72,
    "sync-over-limit",
    source="A-83: the rate limiter never fails a /sync; set_presence is ignored.",
)
async def sync_over_limit(bench: Bench) -> None:
    """Syncs that set presence more often than one may are answered all the same."""
    for number in range(20):
        reply = await bench.c.ask_sync(
            set_presence=("online", "unavailable")[number % 2], limits=False
        )
        bench.expect(reply, 200)
