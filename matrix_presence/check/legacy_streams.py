"""What clients of the first releases use: a fourth state, streams before /sync."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from matrix_presence.check.bench import Bench
from matrix_presence.check.exchange import Reply
from matrix_presence.check.person import Person
from matrix_presence.check.registry import Profile, check
from matrix_presence.check.verdicts import NotOffered

_OLD = "r0"
#: Seconds in which a last activity becomes an old one.
_PAUSE = 1.5
_FREE = "free_for_chat"


async def _need_free_for_chat(bench: Bench) -> None:
    """Make A free for chat.

    Raises:
        NotOffered: the target does not know this, as from r0.2.0 on.
    """
    reply = await bench.a.ask_put({"presence": _FREE}, version=_OLD)
    if reply.status == 400:
        raise NotOffered("no free_for_chat: setting it on r0 is answered 400")
    bench.expect(reply, 200)


@check(
    105,
    "free-for-chat",
    source="A-22, X-1: r0 has free_for_chat; v3 shows it as online.",
    profile=Profile.LEGACY,
)
async def free_for_chat(bench: Bench) -> None:
    """Who is free for chat is so on r0, for others too, and online on v3."""
    await bench.a.put("online")
    since = (await bench.settled(bench.b, version=_OLD)).since
    await _need_free_for_chat(bench)
    status = await bench.a.status(version=_OLD)
    bench.require(status["presence"] == _FREE, "GET on r0 shows another state")
    await bench.sees(
        bench.b,
        since,
        bench.a,
        lambda said: said["presence"] == _FREE,
        "/sync on r0 shows another state",
        version=_OLD,
    )
    status = await bench.b.status(bench.a)
    bench.require(status["presence"] == "online", "GET on v3 shows no online")


@check(
    106,
    "free-for-chat-on-v3",
    source="X-1: free_for_chat on v3 is 400, its enum is closed.",
    profile=Profile.LEGACY,
)
async def free_for_chat_on_v3(bench: Bench) -> None:
    """On v3 nobody can be free for chat."""
    bench.expect(await bench.a.ask_put({"presence": _FREE}), 400)


@check(
    107,
    "raising-availability",
    source="B-14: changing the presence to a higher level of availability is "
    "pro-active.",
    profile=Profile.LEGACY,
)
async def raising_availability(bench: Bench) -> None:
    """To become more available is activity: the last active time begins anew."""
    await _need_free_for_chat(bench)
    for before, after in (
        ("offline", "unavailable"),
        ("unavailable", "online"),
        ("online", _FREE),
    ):
        ago = await _ago_after(bench.a, before, after, bench)
        sentence = f"from {before} to {after} last_active_ago goes on to {ago} ms"
        bench.require(ago < _PAUSE * 1000, sentence)


@check(
    108,
    "lowering-availability",
    source="B-15: changing to a lower level does not count as pro-active.",
    profile=Profile.LEGACY,
)
async def lowering_availability(bench: Bench) -> None:
    """To become less available is no activity: the last active time goes on."""
    await _need_free_for_chat(bench)
    for before, after in (
        (_FREE, "online"),
        ("online", "unavailable"),
        ("unavailable", "offline"),
    ):
        ago = await _ago_after(bench.a, before, after, bench)
        sentence = f"from {before} to {after} last_active_ago is reset to {ago} ms"
        bench.require(ago >= _PAUSE * 1000, sentence)


async def _ago_after(person: Person, before: str, after: str, bench: Bench) -> int:
    """The last_active_ago of somebody who changed a while ago, and again now; ms."""
    await person.put(before, version=_OLD)
    await bench.sleep(_PAUSE)
    await person.put(after, version=_OLD)
    ago: int = (await person.status(version=_OLD))["last_active_ago"]
    return ago


@check(
    109,
    "initial-sync",
    source="A-100: end, rooms and presence are required; own user and co-members are "
    "in it, by content.user_id.",
    profile=Profile.LEGACY,
)
async def initial_sync(bench: Bench) -> None:
    """GET /initialSync has end, rooms and the presence of oneself and of co-members."""
    await bench.a.put("online", "mine")
    await bench.b.put("online", "theirs")
    found = _offered(bench, await bench.a.ask("GET", "initialSync", version=_OLD))
    missing = {"end", "rooms", "presence"} - found.keys()
    bench.require(not missing, f"it lacks {', '.join(sorted(missing))}")
    contents = _contents(found["presence"])
    own = contents.get(bench.a.user_id)
    bench.require(own is not None, "oneself is not in it")
    missing = {"user_id", "presence", "last_active_ago"} - (own or {}).keys()
    bench.require(not missing, f"the own entry lacks {', '.join(sorted(missing))}")
    other = contents.get(bench.b.user_id) or {}
    bench.require(other.get("presence") == "online", "a co-member is not in it")


@check(
    110,
    "events",
    source="A-101, A-102: /events mixes m.presence in, by content.user_id.",
    profile=Profile.LEGACY,
)
async def events(bench: Bench) -> None:
    """A waiting GET /events tells of somebody whose presence changes."""
    await bench.b.put("unavailable")
    found = _offered(bench, await bench.a.ask("GET", "initialSync", version=_OLD))
    start = found["end"]

    async def change() -> None:
        await bench.sleep(0.5)
        await bench.b.put("online", "events")

    bench.start(change())
    deadline = bench.now() + 10_000
    while bench.now() < deadline:
        reply = await bench.a.ask(
            "GET",
            "events",
            query={"from": start, "timeout": 5000},
            wait=5.0,
            version=_OLD,
        )
        found = _offered(bench, reply)
        start = found["end"]
        told = _contents(found["chunk"]).get(bench.b.user_id) or {}
        if told.get("status_msg") == "events":
            return
    bench.require(False, "the change is not in the chunk of /events")


@check(
    111,
    "room-initial-sync",
    source="A-103: presence is m.presence of the room's members.",
    profile=Profile.LEGACY,
)
async def room_initial_sync(bench: Bench) -> None:
    """GET /rooms/{roomId}/initialSync has the presence of the room's members."""
    await bench.a.put("online")
    await bench.b.put("online")
    path = f"rooms/{quote(bench.room_id, '')}/initialSync"
    found = _offered(bench, await bench.a.ask("GET", path, version=_OLD))
    shown = _contents(found["presence"]).keys()
    members = {bench.a.user_id, bench.b.user_id}
    bench.require(members <= shown, "not all members are in it")


@check(
    112,
    "old-sync-sender",
    source="A-110: on r0 a presence event of /sync has its sender.",
    profile=Profile.LEGACY,
)
async def old_sync_sender(bench: Bench) -> None:
    """Presence events of /sync on r0 have a sender."""
    await bench.b.put("online", "sent")
    synced = await bench.a.sync(version=_OLD)
    said = synced.of(bench.b.user_id)
    bench.require(said is not None, "a co-member who is online is not in it")
    senders = [event.get("sender") for event in synced.events]
    bench.require(all(senders), "an event has no sender")


def _offered(bench: Bench, reply: Reply) -> dict[str, Any]:
    """The JSON of an answer on a path that has been deprecated for long.

    Raises:
        NotOffered: there is no such path.
        Failed: the answer is no 200.
    """
    if reply.status in {404, 405} and reply.errcode in {"M_UNRECOGNIZED", ""}:
        path = reply.path.partition("?")[0]
        raise NotOffered(f"GET {path} is answered {reply.status}")
    found: dict[str, Any] = bench.expect(reply, 200)
    return found


def _contents(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The contents of presence events by the user id in them; the last ones count."""
    return {
        event["content"].get("user_id"): event["content"]
        for event in events
        if event.get("type") == "m.presence"
    }
