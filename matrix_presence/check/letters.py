"""The EDUs by which servers settle who is on whose presence list."""

from __future__ import annotations

from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.lists import accept, ask_change
from matrix_presence.check.peer.visit import Visit

INVITE, ACCEPT, DENY = "m.presence_invite", "m.presence_accept", "m.presence_deny"
#: A server that nobody ever is.
NOWHERE = "elsewhere.invalid"


def letter(edu_type: str, observer: str, observed: str) -> dict[str, Any]:
    """An EDU about this entry."""
    content = {"observer_user": observer, "observed_user": observed}
    return {"edu_type": edu_type, "content": content}


async def observing(bench: Bench, visit: Visit) -> None:
    """Have the user of a visit observe A, without sharing a room.

    Raises:
        Failed: it does not come to that.
    """
    observer, observed = visit.user_id, bench.a.user_id
    bench.afterwards(lambda: ask_change(bench.a, deny=[observer]))
    await visit.sent(letter(INVITE, observer, observed))
    await accept(bench.a, observer)
    await visit.hears_edu(
        ACCEPT,
        lambda said: said.get("observer_user") == observer,
        "an invite that was accepted is not answered with m.presence_accept",
    )
