"""What a server does by itself when nobody does anything, and what ends that."""

from __future__ import annotations

from typing import Any

from matrix_presence.check.bench import SOON, Bench
from matrix_presence.check.polling import poll
from matrix_presence.check.registry import check
from matrix_presence.check.seeing import presence_is
from matrix_presence.check.timers import Timer, Wait

_IDLES = (
    "B-40: “The server will automatically set a user's presence to unavailable if "
    "their last active time was over a threshold value (e.g. 5 minutes).”"
)
_RETURNS = (
    "B-42: “Any activity that bumps the last active time on any of the user's clients "
    "will cause the server to automatically set their presence to online.”"
)
_ACTIVE = (
    "B-31: “When true, the server will not send further updates to the last active "
    "time until an update is sent to the client with either a) currently_active set to "
    "false or b) a presence state other than online.”"
)
_UNTIL_IDLE = Wait(Timer.IDLE, 1.0)
_UNTIL_INACTIVE = Wait(Timer.GRANULARITY, 1.0)
#: Seconds between polls of a client that never waits long.
_SHORT_POLL = 1.0
#: Seconds in which news would come that must not.
_QUIET = 3.0


@check(77, "idle-while-polling", source=_IDLES, wait=_UNTIL_IDLE)
async def idle_while_polling(bench: Bench) -> None:
    """Who only polls becomes unavailable after the idle time-out."""
    await _idles(bench, every=_SHORT_POLL)


@check(78, "back-from-idle", source=_RETURNS, wait=_UNTIL_IDLE)
async def back_from_idle(bench: Bench) -> None:
    """Who has become idle by themselves is online again when they send a message."""
    since = await _idles(bench, every=bench.timers.seconds(_UNTIL_IDLE))
    await bench.b.send(bench.room_id)
    await bench.sees(
        bench.a, since, bench.b, presence_is("online"), "A is not told that B is back"
    )


@check(79, "back-from-unavailable", source=_RETURNS)
async def back_from_unavailable(bench: Bench) -> None:
    """Who has set unavailable is online again when they send a message."""
    await bench.b.put("unavailable")
    since = (await bench.settled(bench.a)).since
    await bench.b.send(bench.room_id)
    await bench.sees(
        bench.a, since, bench.b, presence_is("online"), "A is not told that B is online"
    )


@check(80, "inactive-again", source="B-34: false is announced.", wait=_UNTIL_INACTIVE)
async def inactive_again(bench: Bench) -> None:
    """Others are told when somebody is no longer currently active."""
    seconds = bench.timers.seconds(_UNTIL_INACTIVE)
    since = await _active(bench)
    bench.start(poll(bench, bench.b, seconds, every=seconds))
    await bench.sees(
        bench.a,
        since,
        bench.b,
        # Idle already, where the two times are close together.
        lambda content: not content.get("currently_active"),
        "A is not told that B is not currently active any more",
        seconds,
    )


@check(81, "no-news-while-active", source=_ACTIVE, wait=Wait(more=_QUIET))
async def no_news_while_active(bench: Bench) -> None:
    """Ten messages of somebody currently active cause no update of presence."""
    since = await _active(bench)
    listening = bench.start(bench.hears(bench.a, since, _QUIET))
    for _ in range(10):
        await bench.b.send(bench.room_id)
    events, _ = await listening
    news = [
        event["content"]
        for event in events
        if event.get("sender") == bench.b.user_id and _is_active(event["content"])
    ]
    bench.require(
        not news, f"A was told {len(news)} times, although nothing but times changed"
    )


@check(82, "status-msg-while-active", source="B-35: a new status is told at once.")
async def status_msg_while_active(bench: Bench) -> None:
    """A new message of somebody currently active is told at once."""
    since = await _active(bench)
    await bench.b.send(bench.room_id)
    await bench.b.put("online", "news")
    await bench.sees(
        bench.a,
        since,
        bench.b,
        # With the news that they are not active any more it would come too late.
        lambda content: content.get("status_msg") == "news" and _is_active(content),
        "A is not told of the new message",
        SOON,
    )


@check(83, "active-only-online", source="B-30: only while the state is online.")
async def active_only_online(bench: Bench) -> None:
    """currently_active is never true of somebody who is not online."""
    for presence in ("unavailable", "offline"):
        await bench.b.put("online", presence)
        # Not until all is settled: B, who has no sync open, would be offline by then.
        since = (await bench.a.sync()).since
        await bench.b.put(presence)
        told, _ = await bench.sees(
            bench.a,
            since,
            bench.b,
            presence_is(presence),
            f"A is not told of {presence}",
        )
        for content in (told, await bench.b.status(), await bench.a.status(bench.b)):
            bench.require(
                content.get("currently_active") is not True,
                f"currently_active is true with {content.get('presence')}",
            )


async def _idles(bench: Bench, *, every: float) -> str:
    """Have B poll and do nothing, until A is told that they are idle; A's token."""
    seconds = bench.timers.seconds(_UNTIL_IDLE)
    await bench.b.put("online", "idling")
    since = (await bench.settled(bench.a)).since
    bench.start(poll(bench, bench.b, seconds, every=every))
    _, since = await bench.sees(
        bench.a,
        since,
        bench.b,
        presence_is("unavailable"),
        "A is not told that B is idle, who does nothing but poll",
        seconds,
    )
    presence = (await bench.b.status())["presence"]
    bench.require(presence == "unavailable", f"for themselves B is {presence}")
    return since


async def _active(bench: Bench) -> str:
    """Have B become active, and A told so; A's token after it."""
    await bench.b.put("unavailable")
    since = (await bench.settled(bench.a)).since
    await bench.b.put("online")
    _, since = await bench.sees(
        bench.a, since, bench.b, _is_active, "A is not told that B is currently active"
    )
    return since


def _is_active(content: dict[str, Any]) -> bool:
    return content.get("currently_active") is True
