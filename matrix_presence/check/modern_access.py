"""Who may ask for a status, and who may set one."""

from __future__ import annotations

from matrix_presence.check.bench import Bench
from matrix_presence.check.exchange import Reply
from matrix_presence.check.person import Person, status_path
from matrix_presence.check.registry import check

_TOKENS = "A-11: no token is 401 M_MISSING_TOKEN, an unknown one 401 M_UNKNOWN_TOKEN."
_OTHERS = "A-20: “You cannot set the presence state of another user.”"
_HIDDEN = (
    "A-44: who may not be seen and who does not exist get the same answer, 403 "
    "M_FORBIDDEN or 404."
)
_SHARING = "D-22: only joined members of a shared room see one another's presence."


@check(1, "get-without-token", source=_TOKENS)
async def get_without_token(bench: Bench) -> None:
    """A GET without a token is refused with 401 M_MISSING_TOKEN."""
    reply = await bench.a.ask_status(bench.a, token=None, asker="")
    bench.expect(reply, 401, "M_MISSING_TOKEN")


@check(2, "get-with-unknown-token", source=_TOKENS)
async def get_with_unknown_token(bench: Bench) -> None:
    """A GET with a token that the server never gave out is 401 M_UNKNOWN_TOKEN."""
    reply = await bench.a.ask_status(bench.a, token="check_not_a_token", asker="")
    bench.expect(reply, 401, "M_UNKNOWN_TOKEN")


@check(3, "put-without-token", source=_TOKENS)
async def put_without_token(bench: Bench) -> None:
    """A PUT without a token is refused with 401 M_MISSING_TOKEN."""
    reply = await bench.a.ask_put({"presence": "online"}, token=None, asker="")
    bench.expect(reply, 401, "M_MISSING_TOKEN")


@check(19, "put-of-another-user", source=_OTHERS)
async def put_of_another_user(bench: Bench) -> None:
    """Setting somebody else's status is refused, and changes nothing."""
    await bench.b.put("online", "B's own")
    body = {"presence": "unavailable", "status_msg": "A's"}
    reply = await bench.a.ask("PUT", status_path(bench.b.user_id), body)
    bench.expect(reply, 403, "M_FORBIDDEN", accept=[400])
    status = await bench.b.status()
    bench.require(status.get("status_msg") == "B's own", "B's status has changed")


@check(20, "put-of-nobody", source=_OTHERS)
async def put_of_nobody(bench: Bench) -> None:
    """Setting the status of a user who does not exist, or is elsewhere, is refused."""
    for user_id in (_nobody(bench), "@somebody:elsewhere.invalid"):
        reply = await bench.a.ask("PUT", status_path(user_id), {"presence": "online"})
        bench.expect(reply, 403, "M_FORBIDDEN", accept=[400])


@check(
    21,
    "no-user-id",
    source="A-23: what cannot be read as a user id is 400 M_INVALID_PARAM.",
)
async def no_user_id(bench: Bench) -> None:
    """A status of `foo`, which is no user id, is refused."""
    path = "presence/foo/status"
    got = await bench.a.ask("GET", path)
    put = await bench.a.ask("PUT", path, {"presence": "online"})
    for reply in (got, put):
        bench.expect(reply, 400, "M_INVALID_PARAM", accept=[403, 404])


@check(
    22, "encoded-user-id", source="A-1: {userId} is a path segment, percent-encoded."
)
async def encoded_user_id(bench: Bench) -> None:
    """A user id means the same with `@` and `:` percent-encoded and as they are."""
    await bench.a.put("online", "encoded")
    user_id = bench.a.user_id
    encoded = user_id.replace("@", "%40").replace(":", "%3A")
    for written in (user_id, encoded, encoded.replace("%3A", "%3a")):
        reply = await bench.a.ask("GET", f"presence/{written}/status")
        found = bench.expect(reply, 200)
        bench.require(found.get("status_msg") == "encoded", "it is another status")


@check(23, "get-of-room-mate", source="D-20, D-21: who shares a room may see.")
async def get_of_room_mate(bench: Bench) -> None:
    """A may ask for the status of B, with whom they share a room."""
    await bench.b.put("online")
    await bench.eventually(
        lambda: bench.a.status(bench.b),
        lambda status: status["presence"] == "online",
        "A is not told that B is online",
    )


@check(24, "get-of-stranger", source=_HIDDEN)
async def get_of_stranger(bench: Bench) -> None:
    """The status of somebody with whom one shares no room is hidden."""
    await bench.c.put("online", "not for A")
    await _is_hidden(bench, bench.a, bench.c)


@check(25, "get-of-nobody", source=_HIDDEN)
async def get_of_nobody(bench: Bench) -> None:
    """A user who does not exist cannot be told from one who may not be seen."""
    hidden = await bench.a.ask_status(bench.c)
    nobody = await bench.a.ask_status(_nobody(bench))
    bench.expect(nobody, 403, "M_FORBIDDEN", accept=[404])
    bench.require(
        (hidden.status, hidden.errcode) == (nobody.status, nobody.errcode),
        f"a hidden user is answered {hidden.status} {hidden.errcode}, "
        f"one who does not exist {nobody.status} {nobody.errcode}",
    )
    bench.prefer(hidden.body == nobody.body, "the two answers differ in their text")


@check(26, "get-of-invited", source=_SHARING)
async def get_of_invited(bench: Bench) -> None:
    """An invite to a room shows neither the one to the other."""
    room_id = await bench.room(bench.a, preset="private_chat")
    invite = {"user_id": bench.c.user_id}
    await bench.a.done("POST", f"rooms/{room_id}/invite", invite)
    bench.afterwards(lambda: bench.leave(room_id, bench.c))
    for asker, asked in ((bench.a, bench.c), (bench.c, bench.a)):
        await _is_hidden(bench, asker, asked)


@check(27, "get-after-leave", source=_SHARING)
async def get_after_leave(bench: Bench) -> None:
    """Who leaves the last room they share is hidden from then on."""
    room_id = await bench.room(bench.a, bench.c)
    await bench.c.put("online")
    await bench.eventually(
        lambda: bench.a.ask_status(bench.c),
        lambda reply: reply.status == 200,
        "A is not told the status of C, with whom they share a room",
    )
    await bench.leave(room_id, bench.c)
    await bench.eventually(
        lambda: bench.a.ask_status(bench.c),
        _refused,
        "A may still see C, who has left the only room they shared",
    )


async def _is_hidden(bench: Bench, asker: Person, asked: Person) -> None:
    reply = await asker.ask_status(asked)
    bench.expect(reply, 403, "M_FORBIDDEN", accept=[404])


def _refused(reply: Reply) -> bool:
    return reply.status in {403, 404}


def _nobody(bench: Bench) -> str:
    """The id of a user of the target who does not exist."""
    return f"@check-nobody-{bench.now()}:{bench.server_name}"
