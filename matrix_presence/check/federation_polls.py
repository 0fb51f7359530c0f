"""Polls: the users of others that a server asks to be told of."""

from __future__ import annotations

from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.letters import NOWHERE, observing
from matrix_presence.check.lists import need_lists
from matrix_presence.check.peer.hearing import QUIET, TOLD
from matrix_presence.check.peer.visit import Visit, guest, stranger
from matrix_presence.check.registry import federation_check
from matrix_presence.check.seeing import presence_is, says
from matrix_presence.check.timers import Wait
from matrix_presence.wire.edu import EDU_TYPE

_WAIT = Wait(more=TOLD)


def _presence(**content: Any) -> dict[str, Any]:
    return {"edu_type": EDU_TYPE, "content": content}


@federation_check(
    134,
    "edu-poll",
    source="C-20, C-21: the receiver of a poll should immediately send an update with "
    "the current state of every user in it.",
    wait=_WAIT,
)
async def edu_poll(bench: Bench) -> None:
    """A server that polls a user it may know of is told of them, now and later."""
    await need_lists(bench)
    visit = await guest(bench)
    await bench.a.put("unavailable", "polled")
    await visit.hears(bench.a, says("polled"), "nothing is told")
    await bench.sleep(QUIET)
    mark = visit.mark()
    await visit.sent(_presence(poll=[bench.a.user_id]))
    # When A counts as disconnected there is news too: but not this.
    await visit.hears(
        bench.a, presence_is("unavailable"), "a poll is not answered", mark
    )
    await bench.a.put("online", "later")
    await visit.hears(bench.a, says("later"), "a later change is not told", mark)


@federation_check(
    135,
    "edu-unpoll",
    source="C-20: unpoll removes users from those the sender wants updates for.",
    wait=_WAIT,
)
async def edu_unpoll(bench: Bench) -> None:
    """A server that unpolls a user with whom it shares no room is told no more."""
    await need_lists(bench)
    visit = await stranger(bench)
    await observing(bench, visit)
    await bench.a.put("online", "before")
    await visit.hears(
        bench.a,
        says("before"),
        "an accepted observer is not told",
    )
    await visit.sent(_presence(unpoll=[bench.a.user_id]))
    mark = visit.mark()
    await _last_word(bench, visit, "unavailable")
    bench.require(not visit.entries(bench.a, mark), "it is told all the same")


async def _last_word(bench: Bench, visit: Visit, presence: str) -> None:
    """Let A change, and then B, of whom the peer has to hear."""
    other = visit.with_another_user()
    await other.join(await bench.room(bench.b))
    await bench.a.put(presence, "not to be told")
    await bench.b.put("online", "the last word")
    await visit.hears(
        bench.b,
        says("the last word"),
        "it is told nothing at all",
    )
    await bench.sleep(QUIET)


@federation_check(
    136,
    "edu-poll-not-permitted",
    source="C-22: answer only for users that the origin may know of, skip the others "
    "silently.",
    wait=_WAIT,
)
async def edu_poll_not_permitted(bench: Bench) -> None:
    """A poll of users that a server may not know of reveals nothing."""
    await need_lists(bench)
    visit = await guest(bench)
    await bench.c.put("online", "not to be told")
    await bench.a.put("online", "to be told")
    nobody = f"@nobody-at-all:{bench.server_name}"
    others = [bench.c.user_id, nobody, f"@check:{NOWHERE}"]
    await visit.sent(_presence(poll=[*others, bench.a.user_id]))
    await visit.hears(
        bench.a,
        says("to be told"),
        "it is told nothing at all",
    )
    await bench.c.put("unavailable")
    await bench.sleep(QUIET)
    for user_id in others:
        bench.require(not visit.entries(user_id), f"it is told of {user_id}")
