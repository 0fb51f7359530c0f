"""What a PUT must not take, and what it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.conversation import NOTHING
from matrix_presence.check.registry import check

_BAD = "A-23: missing or unknown presence and wrong types are 400 M_BAD_JSON."
_NO_JSON = "A-23: what is no JSON is 400 M_NOT_JSON, no object 400 M_BAD_JSON."


@check(12, "put-without-presence", source=_BAD)
async def put_without_presence(bench: Bench) -> None:
    """A PUT without `presence` is refused, and changes nothing."""
    await _refused(bench, {"status_msg": "x"})


@check(13, "put-unknown-presence", source=_BAD)
async def put_unknown_presence(bench: Bench) -> None:
    """A PUT of a state that there is not is refused, and changes nothing."""
    await _refused(bench, {"presence": "dnd"})


@check(14, "put-presence-of-wrong-type", source=_BAD)
async def put_presence_of_wrong_type(bench: Bench) -> None:
    """A PUT of a state that is no string is refused, and not with a 500."""
    for presence in (5, None, ["online"]):
        reply = await bench.a.ask_put({"presence": presence})
        bench.expect(reply, 400, "M_BAD_JSON")


@check(15, "put-status-msg-of-wrong-type", source=_BAD)
async def put_status_msg_of_wrong_type(bench: Bench) -> None:
    """A PUT of a message that is no string is refused."""
    reply = await bench.a.ask_put({"presence": "online", "status_msg": 7})
    bench.expect(reply, 400, "M_BAD_JSON")


@check(16, "put-no-json", source=_NO_JSON)
async def put_no_json(bench: Bench) -> None:
    """A PUT of `{` is 400 M_NOT_JSON."""
    bench.expect(await bench.a.ask_put(raw=b"{"), 400, "M_NOT_JSON")


@check(17, "put-no-object", source=_NO_JSON)
async def put_no_object(bench: Bench) -> None:
    """A PUT of JSON that is no object is 400 M_BAD_JSON."""
    bodies: Sequence[Any] = ([], "x")
    for body in bodies:
        bench.expect(await bench.a.ask_put(body), 400, "M_BAD_JSON")


@check(18, "put-nothing", source=_NO_JSON)
async def put_nothing(bench: Bench) -> None:
    """A PUT with an empty body is 400 M_NOT_JSON."""
    bench.expect(await bench.a.ask_put(NOTHING), 400, "M_NOT_JSON")


@check(32, "put-extra-key", source="A-24: unknown properties are ignored.")
async def put_extra_key(bench: Bench) -> None:
    """A key that nobody knows is ignored, or refused with 400."""
    body = {"presence": "online", "org.matrix_presence.check": 1}
    bench.expect(await bench.a.ask_put(body), 200, accept=[400])


@check(
    34,
    "put-long-status-msg",
    source="A-26: the specification sets no limit; servers may, with 400 or 413.",
)
async def put_long_status_msg(bench: Bench) -> None:
    """A message of 70 KiB is taken or refused, and not with a 500."""
    reply = await bench.a.ask_put({"presence": "online", "status_msg": "x" * 71_680})
    bench.require(
        reply.status in {200, 400, 413},
        f"PUT is answered {reply.status} {reply.errcode}, not 200, 400 or 413",
    )
    bench.note(f"answered {reply.status} {reply.errcode}".rstrip())
    if reply.status == 200:
        # It would make the syncs of all checks to come long.
        await bench.a.put("online")


async def _refused(bench: Bench, body: dict[str, Any]) -> None:
    """A's PUT of this is refused, and what was set before stays."""
    await bench.a.put("online", "before")
    bench.expect(await bench.a.ask_put(body), 400, "M_BAD_JSON")
    status = await bench.a.status()
    kept = status["presence"], status.get("status_msg")
    bench.require(
        kept == ("online", "before"), "the refused PUT has changed the status"
    )
