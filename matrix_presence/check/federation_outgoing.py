"""What another server is told of users of the target, and of whom it is told."""

from __future__ import annotations

from matrix_presence.check.bench import Bench
from matrix_presence.check.peer.edus import faults
from matrix_presence.check.peer.hearing import QUIET, TOLD
from matrix_presence.check.peer.visit import Visit, guest, stranger
from matrix_presence.check.registry import federation_check
from matrix_presence.check.seeing import presence_is, says
from matrix_presence.check.timers import Wait

_WAIT = Wait(more=TOLD)


@federation_check(
    125,
    "edu-told",
    source="C-2: presence of users whom the receiver would be interested in is sent; "
    "the entries of a push are typed.",
    wait=_WAIT,
)
async def edu_told(bench: Bench) -> None:
    """A server that shares a room is told who is online, and what belongs to it."""
    visit = await guest(bench)
    await bench.a.put("online", "told")
    said = await visit.hears(bench.a, says("told"), "nothing is told")
    bench.require(said["presence"] == "online", f"it says {said['presence']!r}")
    ago = said.get("last_active_ago")
    bench.require(type(ago) is int and ago >= 0, f"last_active_ago is {ago!r}")
    active = said.get("currently_active")
    bench.require(active is True, f"currently_active is {active!r}")


@federation_check(
    126,
    "edu-told-each-state",
    source="C-1, C-10: each state is sent, some delay is acceptable.",
    wait=_WAIT,
)
async def edu_told_each_state(bench: Bench) -> None:
    """A server that shares a room is told who is unavailable, and who is offline."""
    visit = await guest(bench)
    await bench.a.put("online")
    for state in ("unavailable", "offline"):
        await _told_of(bench, visit, state)


async def _told_of(bench: Bench, visit: Visit, state: str) -> None:
    """Have A set a state, of which the peer has to be told anew."""
    mark = visit.mark()
    await bench.a.put(state)
    sentence = f"it is not told of {state}"
    await visit.hears(bench.a, presence_is(state), sentence, mark)


@federation_check(
    127,
    "edu-schema",
    source="C-5, C-10: what is sent is strictly typed: at most 50 entries and 64 KiB, "
    "of users of the origin.",
    wait=_WAIT,
)
async def edu_schema(bench: Bench) -> None:
    """Every EDU that came in this run so far has the form that the schema requires."""
    visit = await guest(bench)
    for state in ("online", "unavailable", "offline"):
        await _told_of(bench, visit, state)
    for heard in visit.peer.ear.heard:
        if heard.origin == visit.target_name:
            for fault in faults(heard.edu, heard.origin):
                bench.require(False, fault)


@federation_check(
    128,
    "edu-not-told",
    source="C-2: only presence of users whom the receiver would be interested in.",
    wait=_WAIT,
)
async def edu_not_told(bench: Bench) -> None:
    """A server is told nothing of who shares no room with its users."""
    visit = await guest(bench)
    await bench.c.put("online", "not to be told")
    await bench.a.put("online", "to be told")
    await visit.hears(bench.a, says("to be told"), "it is told nothing at all")
    await bench.sleep(QUIET)
    bench.require(not visit.entries(bench.c), "it is told of them")


@federation_check(
    129,
    "edu-told-to-joiner",
    source="C-12: on a remote user's join the presence of local members is sent to "
    "that server only.",
    wait=_WAIT,
)
async def edu_told_to_joiner(bench: Bench) -> None:
    """A server whose user joins is told of the members, a third one not once more."""
    visit = await stranger(bench)
    third = await visit.another()
    rooms = [await bench.room(bench.a) for _ in range(2)]
    # Of somebody who is online there would be news all by itself: that they are not
    # currently active any more.
    await bench.a.put("unavailable", "there before")
    await third.join(rooms[0])
    await third.hears(bench.a, says("there before"), "a joiner is told nothing")
    await bench.sleep(QUIET)
    mark = third.mark()
    await visit.join(rooms[1])
    await visit.hears(bench.a, says("there before"), "a joiner is told nothing")
    await bench.sleep(QUIET)
    # That they are offline by now, as nobody syncs, would be news too.
    again = [
        each
        for each in third.entries(bench.a, mark)
        if presence_is("unavailable")(each)
    ]
    bench.require(not again, "a third server is told again")


@federation_check(
    130,
    "edu-told-on-join",
    source="C-12: on a local user's join that user's presence is sent to the servers "
    "of the room.",
    wait=_WAIT,
)
async def edu_told_on_join(bench: Bench) -> None:
    """A server whose room a user of the target joins is told of that user."""
    visit = await stranger(bench)
    await bench.a.put("online", "coming in")
    await visit.brings_in(bench.a)
    await visit.hears(bench.a, says("coming in"), "it is not told of them")


@federation_check(
    131,
    "edu-not-told-after-leave",
    source="C-2, D-20: sharing a room ends with leaving it.",
    wait=_WAIT,
)
async def edu_not_told_after_leave(bench: Bench) -> None:
    """A server whose users have left all rooms of a user is told no more of them."""
    visit = await stranger(bench)
    room_id = await bench.room(bench.a)
    await visit.join(room_id)
    await bench.a.put("online", "before")
    await visit.hears(bench.a, says("before"), "it is told nothing at all")
    await visit.leave(room_id)
    # So that something has to come after that which must not.
    other = visit.with_another_user()
    await other.join(await bench.room(bench.b))
    mark = visit.mark()
    await bench.a.put("unavailable", "after")
    await bench.b.put("online", "the last")
    await visit.hears(bench.b, says("the last"), "it is told nothing at all")
    await bench.sleep(QUIET)
    bench.require(not visit.entries(bench.a, mark), "it is told all the same")


@federation_check(
    144,
    "edu-told-after-silence",
    source="C-11: presence is not kept for a server that is away; its current state "
    "is sent when it is back.",
    wait=Wait(more=2 * TOLD),
)
async def edu_told_after_silence(bench: Bench) -> None:
    """A server that was away is told how things are, not what it has missed."""
    visit = await (await stranger(bench)).another()
    await visit.join(await bench.room(bench.a))
    await bench.a.put("online", "before")
    await visit.hears(bench.a, says("before"), "it is told nothing at all")
    visit.peer.is_down = True
    missed = [f"missed {number}" for number in range(4)]
    for status in missed:
        await bench.a.put("online", status)
        await bench.sleep(QUIET)
    await bench.a.put("online", "now")
    await bench.sleep(QUIET)
    mark = visit.mark()
    visit.peer.is_down = False
    # A sign of life, by which other servers know that it is back.
    await visit.push()
    await visit.hears(
        bench.a,
        says("now"),
        "it is not told of the current state",
        mark,
        within=2 * TOLD,
    )
    # The first of them may be what was under way when it went, sent again.
    told = {said.get("status_msg") for said in visit.entries(bench.a, mark)}
    bench.require(not told & set(missed[1:]), "it is told what has passed meanwhile")
