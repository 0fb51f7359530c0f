"""What another server says of its users, and what users of the target see of it."""

from __future__ import annotations

from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.peer.hearing import QUIET
from matrix_presence.check.peer.server import push
from matrix_presence.check.peer.visit import Visit, guest, stranger
from matrix_presence.check.registry import federation_check
from matrix_presence.check.seeing import presence_is, says
from matrix_presence.check.timers import Timer, Wait
from matrix_presence.wire.edu import EDU_TYPE

#: How far a time may be off, ms: what two requests and the answer take.
_OFF = 3000


@federation_check(
    115,
    "edu-push",
    source="C-3, C-7: a push of an origin about its own user is taken.",
)
async def edu_push(bench: Bench) -> None:
    """What another server pushes of its user is seen in /sync by who shares a room."""
    visit = await guest(bench)
    since = (await bench.settled(bench.a)).since
    reply = await visit.send(
        push(visit.entry(status_msg="pushed", last_active_ago=7000))
    )
    bench.require(bench.expect(reply, 200) == {"pdus": {}}, 'not just {"pdus": {}}')
    said, _ = await bench.sees(
        bench.a,
        since,
        visit.user_id,
        says("pushed"),
        "it is not in /sync",
    )
    bench.require(said["presence"] == "online", "the state is another one")
    ago = said["last_active_ago"]
    bench.require(7000 <= ago < 7000 + _OFF, f"last_active_ago is {ago}, not 7000")


@federation_check(
    116,
    "edu-last-active",
    source="C-7: last_active_ago is converted to an absolute time on receipt and "
    "derived anew on output.",
)
async def edu_last_active(bench: Bench) -> None:
    """The last activity that was pushed grows older with time."""
    visit = await guest(bench)
    await visit.push(last_active_ago=60_000)
    began = bench.now()
    await bench.sleep(1.0)
    ago = (await visit.shows(lambda said: "last_active_ago" in said))["last_active_ago"]
    elapsed = bench.now() - began
    low, high = 60_000 + 900, 60_000 + elapsed + _OFF
    bench.require(low <= ago <= high, f"last_active_ago is {ago} after {elapsed} ms")


@federation_check(
    117,
    "edu-spoofed",
    source="C-3: entries whose domain is not the origin are ignored, never applied to "
    "local users.",
)
async def edu_spoofed(bench: Bench) -> None:
    """What a server says of users of others is ignored, and the rest is not."""
    visit = await guest(bench)
    await bench.a.put("online", "mine")
    spoofed = {"presence": "unavailable", "status_msg": "spoofed"}
    other = "@check:elsewhere.invalid"
    await visit.sent(
        push(
            visit.entry(user_id=bench.a.user_id, **spoofed),
            visit.entry(user_id=other, **spoofed),
            visit.entry(status_msg="after"),
        )
    )
    await visit.shows(says("after"))
    status = await bench.a.status()
    bench.require(status.get("status_msg") == "mine", "a local user was changed")
    reply = await bench.a.ask_status(other)
    bench.require(b"spoofed" not in reply.body, "a user of a third server was changed")


async def _good_beside(bench: Bench, visit: Visit, name: str, *bad: Any) -> None:
    """Make sure that a right entry beside wrong ones is applied."""
    reply = await visit.send(push(*bad, visit.entry(status_msg=name)))
    answered = f"a push with {name} is answered {reply.status}"
    bench.require(reply.status == 200, answered)
    sentence = f"a push with {name} takes the right entry along"
    await visit.shows(says(name), sentence)


@federation_check(
    118,
    "edu-incomplete",
    source="C-3, C-4: an entry without user_id or presence is skipped alone.",
)
async def edu_incomplete(bench: Bench) -> None:
    """An entry without user or presence does not keep the others from being taken."""
    visit = await guest(bench)
    await _good_beside(bench, visit, "no presence", {"user_id": visit.another_user()})
    await _good_beside(bench, visit, "no user_id", {"presence": "online"})


@federation_check(
    119,
    "edu-malformed-entry",
    source="C-4: a malformed entry is skipped alone, a transaction never fails for "
    "presence.",
)
async def edu_malformed_entry(bench: Bench) -> None:
    """An entry of the wrong types does not keep the others from being taken."""
    visit = await guest(bench)
    other = visit.another_user()
    for name, bad in (
        ("a user_id that is none", visit.entry(user_id="nope")),
        (
            "a last_active_ago that is text",
            visit.entry(user_id=other, last_active_ago="x"),
        ),
    ):
        await _good_beside(bench, visit, name, bad)


@federation_check(
    120,
    "edu-malformed",
    source="C-4: an EDU that is malformed as a whole is skipped, a transaction never "
    "fails for presence.",
)
async def edu_malformed(bench: Bench) -> None:
    """A transaction with a malformed EDU is answered 200."""
    visit = await stranger(bench)
    wrong: tuple[dict[str, Any], ...] = ({}, {"push": 5}, {"push": {}})
    for content in wrong:
        reply = await visit.send({"edu_type": EDU_TYPE, "content": content})
        answered = f"the content {content} is answered {reply.status}"
        bench.require(reply.status == 200, answered)


@federation_check(
    121,
    "edu-unknown",
    source="C-5: EDUs of an unknown type are ignored.",
)
async def edu_unknown(bench: Bench) -> None:
    """An EDU of an unknown type is ignored, and those beside it are not."""
    visit = await guest(bench)
    unknown = {"edu_type": "check.unknown", "content": {"push": 5}}
    await visit.sent(unknown, push(visit.entry(status_msg="beside it")))
    await visit.shows(says("beside it"))


@federation_check(
    124,
    "edu-of-stranger",
    source="D-20: the audience are those who share a room where both are joined.",
)
async def edu_of_stranger(bench: Bench) -> None:
    """Who shares no room with a user of another server is told nothing of them."""
    visit = await guest(bench)
    other = visit.another_user()
    since = (await bench.settled(bench.a)).since
    await visit.sent(
        push(
            visit.entry(user_id=other, status_msg="unseen"),
            visit.entry(status_msg="seen"),
        )
    )
    await visit.shows(says("seen"))
    heard, _ = await bench.hears(bench.a, since, QUIET)
    senders = {event.get("sender") for event in heard}
    bench.require(other not in senders, "/sync tells of them")
    reply = await bench.a.ask_status(other)
    bench.expect(reply, 403, "M_FORBIDDEN", accept=(404,))


@federation_check(
    132,
    "remote-times-out",
    source="C-9: remote state expires to offline if nothing is pushed for the "
    "federation timeout.",
    wait=Wait(Timer.FEDERATION, 1.2),
)
async def remote_times_out(bench: Bench) -> None:
    """A user of a server that falls silent is offline in the end."""
    visit = await guest(bench)
    await visit.push(status_msg="silent from now on")
    await visit.shows(presence_is("online"))
    timers = bench.timers
    within = timers.of(Timer.FEDERATION) * 1.2 + timers.slack
    await visit.shows(presence_is("offline"), "they stay as they are", within)


@federation_check(
    133,
    "edu-other-states",
    source="C-6: a state that is none of the three is shown to clients as one of them.",
)
async def edu_other_states(bench: Bench) -> None:
    """States that no text settled on are taken, and shown as one that clients know."""
    visit = await guest(bench)
    known = {"online", "unavailable", "offline", "org.matrix.msc3026.busy"}
    for state in ("free_for_chat", "org.matrix.msc3026.busy", "zzz"):
        await visit.push(presence=state, status_msg=f"as {state}")
        sentence = f"the state {state} is not shown in any way"
        said = await visit.shows(says(f"as {state}"), sentence)
        shown = said["presence"]
        bench.prefer(shown in known, f"{state} is shown to clients as {shown!r}")
        bench.require(isinstance(shown, str), f"{state} is shown as {shown!r}")
