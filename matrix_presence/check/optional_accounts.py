"""Accounts of another kind: guests, and those that are no more."""

from __future__ import annotations

from matrix_presence.check.bench import Bench
from matrix_presence.check.person import status_path
from matrix_presence.check.registry import Need, Profile, check
from matrix_presence.check.seeing import says


@check(
    145,
    "guest",
    source="A-13: guests are granted no presence endpoint: 403 "
    "M_GUEST_ACCESS_FORBIDDEN.",
    profile=Profile.OPTIONAL,
)
async def guest(bench: Bench) -> None:
    """A guest can neither read nor set a status."""
    visitor = await bench.guest()
    got = await visitor.ask_status(visitor)
    put = await visitor.ask_put({"presence": "online"})
    for reply in (got, put):
        bench.expect(reply, 403, "M_GUEST_ACCESS_FORBIDDEN")


@check(
    155,
    "deactivated",
    source="D-40: who is deactivated is offline, their status is gone, and they are "
    "hidden from then on.",
    profile=Profile.OPTIONAL,
    needs=[Need.NEW_ACCOUNT],
)
async def deactivated(bench: Bench) -> None:
    """Who is deactivated is shown offline without a message, and then hidden."""
    person = await bench.newcomer()
    await bench.join(bench.room_id, person)
    await person.put("online", "farewell")
    await bench.eventually(
        lambda: bench.a.status(person),
        says("farewell"),
        "A does not read the status of a room mate",
    )
    since = (await bench.settled(bench.a)).since
    await bench.lab.source.give_back(bench.conversation, person.account)
    content, _ = await bench.sees(
        bench.a,
        since,
        person,
        lambda content: content["presence"] == "offline",
        "A is not told that a deactivated user is offline",
    )
    bench.require(not content.get("status_msg"), "the message is still shown")
    reply = await bench.eventually(
        lambda: bench.a.ask("GET", status_path(person.user_id)),
        lambda reply: reply.status != 200,
        "the status of a deactivated user can still be read",
    )
    bench.expect(reply, 403, "M_FORBIDDEN", accept=[404])
