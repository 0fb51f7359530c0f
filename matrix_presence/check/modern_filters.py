"""Which presence a filter lets through, and whom a user ignores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from matrix_presence.check.bench import Bench
from matrix_presence.check.person import Synced, presence_filter
from matrix_presence.check.polling import keep_online
from matrix_presence.check.registry import check
from matrix_presence.check.timers import Wait

_FILTER = (
    "A-91: `presence` of a filter is an EventFilter: types, not_types, senders, "
    "not_senders and limit; `*` stands for anything, and not_* wins."
)
#: Seconds that a client waits who must not be woken.
_POLL = 3.0
#: Nothing but presence.
_NO_ROOMS: Mapping[str, Any] = {"room": {"rooms": []}, "account_data": {"types": []}}


@check(61, "filter-no-types", source=f"{_FILTER} A-90.", wait=Wait(more=_POLL))
async def filter_no_types(bench: Bench) -> None:
    """A filter without any type shows no presence, and a change wakes nobody."""
    since = (await bench.settled(bench.a)).since
    nothing = {**_NO_ROOMS, **presence_filter(types=[])}
    began = bench.now()
    waiting = bench.start(bench.a.sync(since, timeout=_POLL, filter=nothing))
    await bench.sleep(0.2)
    await bench.b.put("online", f"at {began}")
    synced = await waiting
    bench.require(not synced.events, "there is presence in the answer")
    took = bench.now() - began
    bench.require(took > _POLL * 800, f"the long poll is answered after {took} ms")


@check(62, "filter-types", source=_FILTER)
async def filter_types(bench: Bench) -> None:
    """not_types with m.presence shows none, types with m.* shows it."""
    await _online(bench)
    none = await bench.a.sync(filter=presence_filter(not_types=["m.presence"]))
    bench.require(not none.events, "not_types of m.presence lets presence through")
    some = await bench.a.sync(filter=presence_filter(types=["m.*"]))
    bench.require(some.events, "types of m.* lets no presence through")


@check(63, "filter-senders", source=_FILTER)
async def filter_senders(bench: Bench) -> None:
    """senders shows these only, not_senders shows all others, and wins."""
    await _online(bench)
    only = await _senders(bench, senders=[bench.b.user_id])
    bench.require(only == {bench.b.user_id}, f"senders of B shows {sorted(only)}")
    others = await _senders(bench, not_senders=[bench.b.user_id])
    bench.require(bench.b.user_id not in others, "not_senders of B shows B")
    both = await _senders(
        bench, senders=[bench.b.user_id], not_senders=[bench.b.user_id]
    )
    bench.require(not both, f"senders and not_senders of B show {sorted(both)}")


@check(64, "filter-limit", source="A-92: the most events that are to be returned.")
async def filter_limit(bench: Bench) -> None:
    """With a limit of 1 no more than one event is shown, though two have changed."""
    await bench.room(bench.a, bench.c)
    since = (await bench.settled(bench.a)).since
    for person in (bench.b, bench.c):
        await person.put("online", f"at {bench.now()}")
    await bench.sleep(1.5)
    synced = await bench.a.sync(since, filter=presence_filter(limit=1))
    bench.require(len(synced.events) <= 1, f"there are {len(synced.events)} events")


@check(65, "filter-stored", source="A-91: a filter is JSON, or the id of a stored one.")
async def filter_stored(bench: Bench) -> None:
    """A stored filter does what the same one does that is written out."""
    await _online(bench)
    path = f"user/{quote(bench.a.user_id, '')}/filter"
    for key, shown in (("senders", True), ("not_senders", False)):
        wanted = presence_filter(**{key: [bench.b.user_id]})
        stored = (await bench.a.done("POST", path, wanted))["filter_id"]
        for where, given in (("stored", stored), ("inline", wanted)):
            found = bench.b.user_id in _who(await bench.a.sync(filter=given))
            bench.require(
                found == shown, f"{where}, {key} of B {'shows' if found else 'hides'} B"
            )


@check(66, "filter-event-fields", source="A-93: event_fields names what to include.")
async def filter_event_fields(bench: Bench) -> None:
    """With event_fields of type and sender an event has at least these."""
    await _online(bench)
    fields = {"event_fields": ["type", "sender"]}
    reply = await bench.a.ask_sync(filter=fields)
    found = bench.expect(reply, 200).get("presence", {}).get("events", [])
    bench.require(found, "there is no presence")
    for event in found:
        bench.require("type" in event and "sender" in event, "a named field is missing")
    bench.note("content is " + ("kept" if "content" in found[0] else "left out"))


@check(
    67,
    "ignored-user",
    source="A-94: “Once ignored, the client will no longer receive events sent by that "
    "user, with the exception of state events.”",
    wait=Wait(more=2.0),
)
async def ignored_user(bench: Bench) -> None:
    """A user whom one ignores is not shown."""
    path = f"user/{quote(bench.a.user_id, '')}/account_data/m.ignored_user_list"
    before = await bench.a.ask("GET", path)
    kept = before.json if before.status == 200 else {"ignored_users": {}}
    bench.afterwards(lambda: bench.a.ask("PUT", path, kept))
    await bench.a.done("PUT", path, {"ignored_users": {bench.b.user_id: {}}})
    since = (await bench.settled(bench.a)).since
    await bench.b.put("unavailable", "ignored")
    await bench.b.put("online", "ignored")
    events, _ = await bench.hears(bench.a, since, 2.0)
    senders = {event.get("sender") for event in events}
    bench.require(bench.b.user_id not in senders, "A is shown B, whom they ignore")


async def _online(bench: Bench) -> None:
    """Have B online, and a first sync of A show it."""
    await keep_online(bench, bench.b, "filtered")
    await bench.eventually(
        bench.a.sync,
        lambda synced: bench.b.user_id in _who(synced),
        "a first sync does not show B, who is online",
    )


async def _senders(bench: Bench, **presence: Any) -> set[str]:
    return _who(await bench.a.sync(filter=presence_filter(**presence)))


def _who(synced: Synced) -> set[str]:
    return {event["sender"] for event in synced.events}
