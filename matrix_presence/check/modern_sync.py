"""What a /sync tells of others, and when."""

from __future__ import annotations

from typing import Any

from matrix_presence.check.bench import SOON, Bench
from matrix_presence.check.person import Person, presence_filter
from matrix_presence.check.polling import keep_online
from matrix_presence.check.registry import check
from matrix_presence.check.seeing import is_here, presence_is, says, shown

_INCREMENTAL = (
    "A-87: each interested user whose presence changed since `since`, once, with the "
    "latest state, going offline included."
)
_JOINED = (
    "A-88: users of a newly joined room, and those who newly joined, are told with "
    "their presence even when it has not changed."
)
#: Seconds in which something that must not come would have come.
_QUIET = 2.0
#: ms within which a waiting client should be told.
_AT_ONCE = 2000


@check(43, "sync-own-presence", source="A-86: one's own presence is included.")
async def sync_own_presence(bench: Bench) -> None:
    """A first sync shows one's own presence."""
    await bench.a.put("online")

    async def own() -> Any:
        types = presence_filter(types=["m.presence"])
        synced = await bench.a.sync(set_presence=None, filter=types)
        return synced.of(bench.a.user_id)

    await bench.eventually(
        own,
        lambda content: content is not None and content["presence"] == "online",
        "a first sync does not show oneself online",
    )


@check(44, "sync-event-shape", source="A-85: type, sender and content.presence.")
async def sync_event_shape(bench: Bench) -> None:
    """A presence event has type, sender and content, and nothing of room events."""
    await bench.b.put("online", "shape")
    synced = await shown(bench, bench.b)
    for event in synced.events:
        bench.require(event.get("type") == "m.presence", "the type is another")
        bench.require(isinstance(event.get("sender"), str), "there is no sender")
        bench.require("presence" in event["content"], "there is no content.presence")
        for key in ("event_id", "room_id"):
            bench.require(key not in event, f"there is a {key}")
        bench.prefer("user_id" not in event["content"], "there is a content.user_id")


@check(50, "sync-woken", source="A-90: a change of presence wakes a long poll.")
async def sync_woken(bench: Bench) -> None:
    """A client that waits is told within 2 s that somebody came online."""
    await bench.b.put("unavailable")
    since = (await bench.settled(bench.a)).since
    waiting = bench.start(
        bench.sees(
            bench.a,
            since,
            bench.b,
            says("wake up", "online"),
            "A's long poll does not show that B is online",
        )
    )
    await bench.sleep(0.2)
    await bench.b.put("online", "wake up")
    began = bench.now()
    await waiting
    took = bench.now() - began
    bench.prefer(took <= _AT_ONCE, f"it took {took} ms")


@check(51, "sync-told-unavailable", source=_INCREMENTAL)
async def sync_told_unavailable(bench: Bench) -> None:
    """A sync shows that somebody has become unavailable."""
    await _told(bench, "online", "unavailable")


@check(52, "sync-told-offline", source=_INCREMENTAL)
async def sync_told_offline(bench: Bench) -> None:
    """A sync shows that somebody went offline, and does not just leave them out."""
    await _told(bench, "online", "offline")


@check(53, "sync-not-repeated", source=_INCREMENTAL)
async def sync_not_repeated(bench: Bench) -> None:
    """What a sync has shown the next one does not repeat."""
    content, since = await _told(bench, "unavailable", "online")
    events, _ = await bench.hears(bench.a, since, _QUIET)
    bench.require(
        not _again(content, bench.b, events),
        "the next sync shows B again, who has not changed",
    )


@check(54, "sync-latest-only", source=_INCREMENTAL)
async def sync_latest_only(bench: Bench) -> None:
    """Of three changes between two syncs the second shows the last one, once."""
    since = (await bench.settled(bench.a)).since
    for presence, message in (
        ("unavailable", "first"),
        ("online", "second"),
        ("online", "third"),
    ):
        await bench.b.put(presence, message)
    await bench.sleep(1.5)
    contents = (await bench.a.sync(since)).all_of(bench.b.user_id)
    bench.require(len(contents) == 1, f"B is shown {len(contents)} times")
    bench.require(says("third", "online")(contents[0]), "it is not the latest")


@check(55, "sync-no-stranger", source="D-20: who shares no room is told nothing.")
async def sync_no_stranger(bench: Bench) -> None:
    """A's sync never shows C, with whom they share no room."""
    since = (await bench.settled(bench.a)).since
    await bench.c.put("online", "not for A")
    await bench.c.put("unavailable")
    events, _ = await bench.hears(bench.a, since, _QUIET)
    senders = {event.get("sender") for event in events}
    bench.require(bench.c.user_id not in senders, "A is shown C")


@check(56, "sync-after-joining", source=_JOINED)
async def sync_after_joining(bench: Bench) -> None:
    """Who joins a room is shown the presence of those who are in it."""
    room_id = await bench.room(bench.c)
    since = (await bench.settled(bench.a)).since
    await bench.c.put("online", "here already")
    await bench.join(room_id, bench.a)
    await bench.sees(
        bench.a, since, bench.c, is_here, "A is not shown C, whose room they join"
    )


@check(57, "sync-after-being-joined", source=_JOINED)
async def sync_after_being_joined(bench: Bench) -> None:
    """Who is in a room is shown the presence of who joins it, once."""
    room_id = await bench.room(bench.a)
    since = (await bench.settled(bench.a)).since
    # So that the join itself, which is activity too, is no news to anybody.
    await bench.c.put("online", "coming")
    await bench.sleep(0.5)
    await bench.join(room_id, bench.c)
    content, since = await bench.sees(
        bench.a, since, bench.c, is_here, "A is not shown C, who joins their room"
    )
    bench.require("last_active_ago" in content, "there is no last_active_ago")
    events, _ = await bench.hears(bench.a, since, _QUIET)
    bench.require(
        not _again(content, bench.c, events), "A is shown C again, who has not changed"
    )


@check(58, "sync-two-rooms", source="D-20: the audience is that of all rooms.")
async def sync_two_rooms(bench: Bench) -> None:
    """Two users in different rooms with one are both shown to them."""
    await bench.room(bench.a, bench.c)
    since = (await bench.settled(bench.a)).since
    await bench.b.put("online", "one room")
    await bench.c.put("online", "another room")
    seen: set[str] = set()
    deadline = bench.now() + SOON * 1000
    while bench.now() < deadline and len(seen) < 2:
        synced = await bench.a.sync(since, timeout=1.0)
        since = synced.since
        for person, message in ((bench.b, "one room"), (bench.c, "another room")):
            if any(map(says(message, "online"), synced.all_of(person.user_id))):
                seen.add(person.user_id)
    bench.require(len(seen) == 2, f"of B and C A is shown {sorted(seen) or 'nobody'}")


@check(
    59,
    "sync-first",
    source="A-89: a first sync has the current presence of all interested users; those "
    "who are offline may be left out.",
)
async def sync_first(bench: Bench) -> None:
    """A first sync shows a room mate who is online, and one offline as that or not."""
    await bench.room(bench.a, bench.c)
    await bench.c.put("offline")
    await keep_online(bench, bench.b, "first")
    synced = await shown(bench, bench.b)
    offline = synced.of(bench.c.user_id)
    bench.require(
        offline is None or offline["presence"] == "offline", "C is not shown offline"
    )
    bench.note("who is offline is " + ("left out" if offline is None else "listed"))


@check(60, "sync-full-state", source="A-89: full_state has it too.")
async def sync_full_state(bench: Bench) -> None:
    """A sync with full_state shows who is online although nothing has changed."""
    await keep_online(bench, bench.b, "full")
    await shown(bench, bench.b)
    since = (await bench.settled(bench.a)).since
    synced = await bench.a.sync(since, full_state="true")
    bench.require(synced.of(bench.b.user_id), "the presence of B is not in it")


def _again(
    content: dict[str, Any], person: Person, events: list[dict[str, Any]]
) -> bool:
    """Whether these events tell of a person what was told before.

    Time may have changed something else than times: a short granularity ends soon.
    """
    return any(
        event.get("sender") == person.user_id
        and _timeless(event["content"]) == _timeless(content)
        for event in events
    )


def _timeless(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != "last_active_ago"}


async def _told(bench: Bench, before: str, after: str) -> tuple[dict[str, Any], str]:
    """Have B go from one state to another, and A told so; the content, A's token."""
    await bench.b.put(before)
    since = (await bench.settled(bench.a)).since
    await bench.b.put(after)
    return await bench.sees(
        bench.a, since, bench.b, presence_is(after), f"A is not told that B is {after}"
    )
