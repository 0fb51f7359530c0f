"""Presence lists between servers: invites, and their replies."""

from __future__ import annotations

from matrix_presence.check.bench import SOON, Bench
from matrix_presence.check.letters import (
    ACCEPT,
    DENY,
    INVITE,
    NOWHERE,
    letter,
    observing,
)
from matrix_presence.check.lists import (
    change,
    comes_on_list,
    invite,
    leaves_list,
    list_path,
    listed,
    need_lists,
)
from matrix_presence.check.peer.hearing import QUIET, TOLD
from matrix_presence.check.peer.visit import Visit, stranger
from matrix_presence.check.registry import federation_check
from matrix_presence.check.seeing import says
from matrix_presence.check.timers import Wait
from matrix_presence.wire.edu import EDU_TYPE

_WAIT = Wait(more=TOLD)


async def _observed(bench: Bench) -> Visit:
    """The peer, whose user is invited by A.

    Raises:
        NotOffered: the target has no lists.
    """
    await need_lists(bench)
    visit = await stranger(bench)
    await invite(bench, bench.a, visit.user_id)
    await visit.hears_edu(
        INVITE,
        lambda said: said.get("observed_user") == visit.user_id,
        "an invite does not reach the server of the observed user",
    )
    return visit


async def _accepted(bench: Bench, visit: Visit) -> None:
    await visit.sent(letter(ACCEPT, bench.a.user_id, visit.user_id))
    await comes_on_list(
        bench, bench.a, visit.user_id, "who has accepted is not on the list"
    )


@federation_check(
    137,
    "edu-invite",
    source="C-24: the observed user's server decides, answers m.presence_accept or "
    "m.presence_deny, and after an accept pushes the current state.",
    wait=_WAIT,
)
async def edu_invite(bench: Bench) -> None:
    """An observer of another server who is accepted is told so, and of the user."""
    await need_lists(bench)
    await bench.a.put("online", "observed")
    visit = await stranger(bench)
    await observing(bench, visit)
    await visit.hears(
        bench.a,
        says("observed"),
        "after m.presence_accept nothing is pushed",
    )


@federation_check(
    138,
    "edu-invite-nobody",
    source="C-25: an invite for a local user that does not exist is denied. A-67: "
    "nobody can tell by it who exists, so it may wait as long as any other.",
    wait=Wait(more=2 * SOON),
)
async def edu_invite_nobody(bench: Bench) -> None:
    """An invite for somebody who does not exist is denied, or waits like any other."""
    await need_lists(bench)
    visit = await stranger(bench)
    nobody = f"@nobody-at-all:{bench.server_name}"
    answer = await _answer(visit, nobody)
    bench.require(answer != ACCEPT, "it is accepted")
    if answer is None:
        other = await _answer(visit, bench.c.user_id)
        bench.require(
            other is None, "it waits, and one for somebody who exists is answered"
        )
        bench.note("it waits like one that is not answered")


async def _answer(visit: Visit, observed: str) -> str | None:
    """The type of the EDU by which an invite is answered; None if it is not soon."""
    wanted = {"observer_user": visit.user_id, "observed_user": observed}
    await visit.sent(letter(INVITE, visit.user_id, observed))

    def found() -> list[str]:
        return [kind for kind in (ACCEPT, DENY) if wanted in visit.contents(kind)]

    answers: list[str] = await visit.peer.ear.until(found, SOON)
    return answers[0] if answers else None


@federation_check(
    139,
    "edu-invite-spoofed",
    source="C-26: the domain of the observer has to be the origin of an invite.",
    wait=_WAIT,
)
async def edu_invite_spoofed(bench: Bench) -> None:
    """An invite in the name of a user of another server is ignored."""
    await need_lists(bench)
    spoofed = f"@check:{NOWHERE}"
    visit = await stranger(bench)
    await visit.sent(letter(INVITE, spoofed, bench.a.user_id))
    # What is answered comes after that which must not be.
    await observing(bench, visit)
    answers = [*visit.contents(ACCEPT), *visit.contents(DENY)]
    told = [each for each in answers if each.get("observer_user") == spoofed]
    bench.require(not told, "it is answered")
    # Where the observed user is asked, they are not asked in that name either.
    path = f"{list_path(bench.a.user_id)}?pending=in"
    asked = await bench.a.ask("GET", path, version="unstable")
    if asked.status == 200:
        bench.require(spoofed.encode() not in asked.body, "the user is asked")


@federation_check(
    140,
    "edu-observed",
    source="C-24: the observer's server sends m.presence_invite, and with the reply "
    "lists the observed user.",
    wait=_WAIT,
)
async def edu_observed(bench: Bench) -> None:
    """A user of another server who is invited and accepts is listed and seen."""
    visit = await _observed(bench)
    wanted = {"observer_user": bench.a.user_id, "observed_user": visit.user_id}
    (invited, *_) = visit.contents(INVITE)
    bench.require(invited == wanted, f"m.presence_invite says {invited}")
    since = (await bench.settled(bench.a)).since
    await _accepted(bench, visit)
    await visit.push(status_msg="far away")
    await bench.sees(
        bench.a,
        since,
        visit.user_id,
        says("far away"),
        "what is pushed of them is not in /sync",
    )


@federation_check(
    141,
    "edu-deny",
    source="C-24, C-28: m.presence_deny declines or revokes: the row is deleted.",
    wait=_WAIT,
)
async def edu_deny(bench: Bench) -> None:
    """Who denies an observer, at once or later, is not on their list."""
    visit = await _observed(bench)
    await visit.sent(letter(DENY, bench.a.user_id, visit.user_id))
    await bench.sleep(QUIET)
    bench.require(visit.user_id not in await listed(bench.a), "who declined is listed")
    # It was the end of the invite too: an accept comes too late.
    await visit.sent(letter(ACCEPT, bench.a.user_id, visit.user_id))
    await bench.sleep(QUIET)
    bench.require(visit.user_id not in await listed(bench.a), "who declined is listed")
    await change(bench.a, invite=[visit.user_id])
    await _accepted(bench, visit)
    await visit.sent(letter(DENY, bench.a.user_id, visit.user_id))
    await leaves_list(bench, bench.a, visit.user_id, "who has revoked is still listed")


@federation_check(
    142,
    "edu-accept-spoofed",
    source="C-26, C-27: an accept counts only from the observed user's server, for a "
    "pending entry.",
    wait=_WAIT,
)
async def edu_accept_spoofed(bench: Bench) -> None:
    """An accept that nobody had asked for, or of another server, is ignored."""
    await need_lists(bench)
    visit = await stranger(bench)
    await visit.sent(letter(ACCEPT, bench.a.user_id, visit.user_id))
    other = f"@check:{NOWHERE}"
    await invite(bench, bench.a, other)
    await visit.sent(letter(ACCEPT, bench.a.user_id, other))
    await bench.sleep(QUIET)
    found = await listed(bench.a)
    bench.require(visit.user_id not in found, "who was not invited is listed")
    bench.require(other not in found, "who has not accepted is listed")


@federation_check(
    143,
    "edu-drop",
    source="A-65, C-28: the observer's drop is told by unpoll.",
    wait=_WAIT,
)
async def edu_drop(bench: Bench) -> None:
    """The server of a user who is dropped is told by unpoll."""
    visit = await _observed(bench)
    await _accepted(bench, visit)
    mark = visit.mark()
    await change(bench.a, drop=[visit.user_id])
    await visit.hears_edu(
        EDU_TYPE,
        lambda said: visit.user_id in said.get("unpoll", ()),
        "it is not told by unpoll",
        after=mark,
    )
