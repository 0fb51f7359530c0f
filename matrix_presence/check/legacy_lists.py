"""Presence lists within one server: who is on them, and who sees what by that."""

from __future__ import annotations

from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.lists import (
    accept,
    accepted,
    ask_change,
    ask_list,
    change,
    entries,
    invite,
    leaves_list,
    listed,
    listed_user,
    need_lists,
    observe,
)
from matrix_presence.check.registry import Need, Profile, check
from matrix_presence.check.seeing import says
from matrix_presence.check.verdicts import NotOffered

#: How somebody is refused whom a user may not see, or who is not there.
HIDDEN = {403, 404}
#: Seconds for which something must not be told.
_QUIET = 2.0


@check(
    91,
    "list-fresh",
    source="A-61: initially the list is [].",
    profile=Profile.LEGACY,
    needs=[Need.NEW_ACCOUNT],
)
async def list_fresh(bench: Bench) -> None:
    """The presence list of a new account is []."""
    await need_lists(bench)
    reply = await ask_list(await bench.newcomer())
    bench.require(bench.expect(reply, 200) == [], "the list is not empty")


@check(
    92,
    "list-invite",
    source="A-64: invite adds a pending entry and sends the invite; 200 {}.",
    profile=Profile.LEGACY,
)
async def list_invite(bench: Bench) -> None:
    """Inviting somebody to one's list is answered 200 with just {}."""
    await need_lists(bench)
    bench.afterwards(lambda: ask_change(bench.a, drop=[bench.b.user_id]))
    reply = await ask_change(bench.a, invite=[bench.b.user_id])
    bench.require(bench.expect(reply, 200) == {}, "the body is not {}")


@check(
    93,
    "list-entry",
    source="A-62, A-63: GET returns the accepted entries, flat or as events.",
    profile=Profile.LEGACY,
)
async def list_entry(bench: Bench) -> None:
    """An accepted entry is listed once, with user and presence."""
    await need_lists(bench)
    await bench.b.put("unavailable")
    await observe(bench, bench.a, bench.b)
    (entry,) = await entries(bench.a)
    bench.require(listed_user(entry) == bench.b.user_id, "it is of somebody else")
    flat = {"user_id", "presence", "accepted"} <= entry.keys()
    content = entry.get("content") or {}
    event = entry.get("type") == "m.presence" and "presence" in content
    bench.require(flat or event, "it has neither the flat form nor that of an event")
    said = entry["presence"] if flat else content["presence"]
    bench.require(said == "unavailable", f"it says {said!r}, not 'unavailable'")


@check(
    94,
    "list-shows",
    source="A-70: after acceptance the observer receives the observed user's presence "
    "without a shared room.",
    profile=Profile.LEGACY,
)
async def list_shows(bench: Bench) -> None:
    """Who is accepted sees the other in /sync and by GET, without a shared room."""
    await need_lists(bench)
    synced = await bench.settled(bench.a)
    await observe(bench, bench.a, bench.c)
    await bench.c.put("online", "by list")
    await bench.sees(
        bench.a,
        synced.since,
        bench.c,
        says("by list"),
        "/sync does not tell of the observed user",
    )
    status = await bench.a.status(bench.c)
    bench.require(status.get("status_msg") == "by list", "GET has another status")


@check(
    95,
    "list-one-way",
    source="D-21: visibility is symmetric for rooms, directional for lists.",
    profile=Profile.LEGACY,
)
async def list_one_way(bench: Bench) -> None:
    """Who is observed does not see the observer by that."""
    await need_lists(bench)
    await observe(bench, bench.a, bench.c)
    bench.expect(await bench.a.ask_status(bench.c), 200)
    bench.expect(await bench.c.ask_status(bench.a), 403, accept=HIDDEN)


@check(
    96,
    "list-pending",
    source="A-62: to be added to this list, the user being added must be invited by "
    "the list owner who must accept the invitation.",
    profile=Profile.LEGACY,
)
async def list_pending(bench: Bench) -> None:
    """Before it is accepted an invite is not listed, and shows nothing."""
    await need_lists(bench)
    await bench.a.ask_status(bench.c)
    synced = await bench.settled(bench.a)
    await invite(bench, bench.a, bench.c.user_id)
    await bench.c.put("online", "pending")
    heard, _ = await bench.hears(bench.a, synced.since, _QUIET)
    if bench.c.user_id in await listed(bench.a):
        raise NotOffered("invites are accepted without asking")
    bench.expect(await bench.a.ask_status(bench.c), 403, accept=HIDDEN)
    senders = {event.get("sender") for event in _presence(heard)}
    bench.require(bench.c.user_id not in senders, "/sync tells of who is only invited")


@check(
    97,
    "list-deny",
    source="A-71: on deny the pending or accepted entry is removed from the "
    "observer's list.",
    profile=Profile.LEGACY,
)
async def list_deny(bench: Bench) -> None:
    """Who denies an observer is not on their list any more, nor seen by them."""
    await need_lists(bench)
    await invite(bench, bench.a, bench.c.user_id)
    asked = bench.c.user_id not in await listed(bench.a)
    if not asked:
        raise NotOffered("invites are accepted without asking, and never denied")
    await accepted(bench, bench.a, bench.c)
    await change(bench.c, deny=[bench.a.user_id])
    await _gone(bench)


@check(
    98,
    "list-drop",
    source="A-65: drop removes the entry and stops the subscription.",
    profile=Profile.LEGACY,
)
async def list_drop(bench: Bench) -> None:
    """Who is dropped is not listed any more, nor seen."""
    await need_lists(bench)
    await observe(bench, bench.a, bench.c)
    await change(bench.a, drop=[bench.c.user_id])
    await _gone(bench)


@check(
    99,
    "list-nothing",
    source="A-65, A-66: dropping an unknown user is a 200 no-op, empty items are "
    "skipped, neither key is 200.",
    profile=Profile.LEGACY,
)
async def list_nothing(bench: Bench) -> None:
    """Changes that change nothing are answered 200."""
    await need_lists(bench)
    unknown = f"@nobody-at-all:{bench.server_name}"
    bench.expect(await ask_change(bench.a, drop=[unknown]), 200)
    bench.expect(await ask_change(bench.a), 200)
    bench.expect(await ask_change(bench.a, invite=[""]), 200)


@check(
    100,
    "list-malformed",
    source="A-66: an item that is no string or no user id is 400 before any change.",
    profile=Profile.LEGACY,
)
async def list_malformed(bench: Bench) -> None:
    """A change with anything malformed in it is 400, and nothing of it is done."""
    await need_lists(bench)
    bench.afterwards(lambda: ask_change(bench.a, drop=[bench.c.user_id]))
    wrong: tuple[Any, ...] = ([bench.c.user_id, 5], [bench.c.user_id, "bad"], "x")
    for invited in wrong:
        bench.expect(await ask_change(bench.a, invite=invited), 400)
    await accept(bench.c, bench.a.user_id)
    bench.require(
        bench.c.user_id not in await listed(bench.a),
        "the right items beside the wrong one were applied",
    )


@check(
    101,
    "list-of-another",
    source="A-60: both calls act only on the caller's own list.",
    profile=Profile.LEGACY,
)
async def list_of_another(bench: Bench) -> None:
    """The list of another user can neither be read nor changed."""
    await need_lists(bench)
    read = await ask_list(bench.a, bench.b)
    bench.expect(read, 403, "M_FORBIDDEN", accept=(400,))
    changed = await ask_change(bench.a, bench.b, invite=[bench.c.user_id])
    bench.expect(changed, 403, "M_FORBIDDEN", accept=(400,))


@check(
    102,
    "list-twice",
    source="A-66: a repeated invite is idempotent.",
    profile=Profile.LEGACY,
)
async def list_twice(bench: Bench) -> None:
    """Somebody who is invited twice is listed once."""
    await need_lists(bench)
    await observe(bench, bench.a, bench.c)
    await change(bench.a, invite=[bench.c.user_id, bench.c.user_id])
    found = await listed(bench.a)
    bench.require(found.count(bench.c.user_id) == 1, f"there are {len(found)} entries")


@check(
    103,
    "list-nobody",
    source="A-67: inviting a local user that does not exist is 200: no oracle.",
    profile=Profile.LEGACY,
)
async def list_nobody(bench: Bench) -> None:
    """Somebody who does not exist can be invited, and never appears."""
    await need_lists(bench)
    nobody = f"@nobody-at-all:{bench.server_name}"
    await invite(bench, bench.a, nobody)
    await bench.sleep(_QUIET)
    bench.require(nobody not in await listed(bench.a), "a user who is not is listed")


@check(
    104,
    "list-restart",
    source="A-72: both servers must track the subscription; it survives a restart.",
    profile=Profile.LEGACY,
    needs=[Need.RESTART],
)
async def list_restart(bench: Bench) -> None:
    """A presence list survives a restart of the server."""
    await need_lists(bench)
    await observe(bench, bench.a, bench.c)
    await bench.lab.restart()
    bench.require(bench.c.user_id in await listed(bench.a), "the entry is gone")


async def _gone(bench: Bench) -> None:
    """C is not on A's list, and A is not told of C.

    Raises:
        Failed: C is, or A is.
    """
    await leaves_list(bench, bench.a, bench.c.user_id, "the entry is still on the list")
    synced = await bench.settled(bench.a)
    await bench.c.put("online", "not for A")
    heard, _ = await bench.hears(bench.a, synced.since, _QUIET)
    told = [each["content"].get("status_msg") for each in _presence(heard)]
    bench.require("not for A" not in told, "/sync still tells of them")
    bench.expect(await bench.a.ask_status(bench.c), 403, accept=HIDDEN)


def _presence(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event.get("type") == "m.presence"]
