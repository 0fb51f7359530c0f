"""What a /sync does to one's own presence, and what it tells of others."""

from __future__ import annotations

from typing import Any

from matrix_presence.check.bench import SOON, Bench
from matrix_presence.check.person import Person, Synced, presence_filter
from matrix_presence.check.polling import keep_online
from matrix_presence.check.registry import Need, check

_SET_PRESENCE = (
    "A-80: set_presence is offline, online or unavailable; omitted, “the client is "
    "automatically marked as online”."
)
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
    synced = await _shown(bench, bench.b)
    for event in synced.events:
        bench.require(event.get("type") == "m.presence", "the type is another")
        bench.require(isinstance(event.get("sender"), str), "there is no sender")
        bench.require("presence" in event["content"], "there is no content.presence")
        for key in ("event_id", "room_id"):
            bench.require(key not in event, f"there is a {key}")
        bench.prefer("user_id" not in event["content"], "there is a content.user_id")


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
    since = (await _shown(bench, bench.a, to=bench.b)).since
    await bench.a.sync(set_presence="unavailable")
    content, _ = await bench.sees(
        bench.b, since, bench.a, _is("unavailable"), "B is not told that A is idle"
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
            _says("online", "wake up"),
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
    bench.require(_says("online", "third")(contents[0]), "it is not the latest")


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
        bench.a, since, bench.c, _is_here, "A is not shown C, whose room they join"
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
        bench.a, since, bench.c, _is_here, "A is not shown C, who joins their room"
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
            if any(map(_says("online", message), synced.all_of(person.user_id))):
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
    synced = await _shown(bench, bench.b)
    offline = synced.of(bench.c.user_id)
    bench.require(
        offline is None or offline["presence"] == "offline", "C is not shown offline"
    )
    bench.note("who is offline is " + ("left out" if offline is None else "listed"))


@check(60, "sync-full-state", source="A-89: full_state has it too.")
async def sync_full_state(bench: Bench) -> None:
    """A sync with full_state shows who is online although nothing has changed."""
    await keep_online(bench, bench.b, "full")
    await _shown(bench, bench.b)
    since = (await bench.settled(bench.a)).since
    synced = await bench.a.sync(since, full_state="true")
    bench.require(synced.of(bench.b.user_id), "the presence of B is not in it")


def _is(presence: str) -> Any:
    return lambda content: content.get("presence") == presence


def _is_here(content: dict[str, Any]) -> bool:
    """Whether somebody is not offline; they may have become idle meanwhile."""
    return content.get("presence") != "offline"


def _says(presence: str, message: str) -> Any:
    return lambda content: (
        (content.get("presence"), content.get("status_msg")) == (presence, message)
    )


async def _shown(bench: Bench, of: Person, *, to: Person | None = None) -> Synced:
    """A first sync (A's unless said otherwise) that shows somebody online."""
    observer = bench.a if to is None else to

    def shows(synced: Synced) -> bool:
        content = synced.of(of.user_id)
        return content is not None and content.get("presence") == "online"

    return await bench.eventually(
        observer.sync, shows, "a first sync does not show a room mate who is online"
    )


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
        bench.a, since, bench.b, _is(after), f"A is not told that B is {after}"
    )


async def _syncs_online(bench: Bench, set_presence: str | None) -> None:
    """Have A, who is unavailable, sync, and B told that they are online."""
    await bench.a.put("unavailable")
    since = (await bench.settled(bench.b)).since
    await bench.a.sync(set_presence=set_presence)
    await bench.sees(
        bench.b, since, bench.a, _is("online"), "B is not told that A is online"
    )
