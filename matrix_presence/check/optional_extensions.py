"""What servers say that they offer beyond the presence module."""

from __future__ import annotations

from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.registry import Profile, check
from matrix_presence.check.verdicts import NotOffered

_BUSY = "org.matrix.msc3026.busy"


@check(
    149,
    "busy",
    source="MSC3026: a further state, which lasts until the user sets another.",
    profile=Profile.OPTIONAL,
)
async def busy(bench: Bench) -> None:
    """Who is busy is shown so, and still is after a sync that says nothing."""
    found = await bench.conversation.ask("GET", "/_matrix/client/versions")
    features = bench.expect(found, 200).get("unstable_features") or {}
    if not features.get("org.matrix.msc3026.busy_presence"):
        raise NotOffered("/versions does not have org.matrix.msc3026.busy_presence")
    await bench.b.put(_BUSY)
    await bench.eventually(
        lambda: bench.a.status(bench.b),
        lambda status: status["presence"] == _BUSY,
        "A does not read that B is busy",
    )
    await bench.b.sync(set_presence=None)
    await bench.sleep(1.0)
    presence = (await bench.a.status(bench.b))["presence"]
    bench.require(presence == _BUSY, f"after a sync B is {presence}")


@check(
    150,
    "capability",
    source="MSC1862: m.presence with send_enabled and receive_enabled.",
    profile=Profile.OPTIONAL,
)
async def capability(bench: Bench) -> None:
    """What /capabilities says of presence is true."""
    found = await bench.a.done("GET", "capabilities")
    said: Any = found["capabilities"].get("m.presence")
    if said is None:
        raise NotOffered("/capabilities has no m.presence")
    for key in ("send_enabled", "receive_enabled"):
        bench.require(isinstance(said.get(key, True), bool), f"{key} is no boolean")
    put = await bench.b.ask_put({"presence": "online"})
    sends = put.status == 200
    bench.require(sends == said.get("send_enabled", True), f"PUT is {put.status}")
    got = await bench.a.ask_status(bench.b)
    receives = got.status == 200
    bench.require(receives == said.get("receive_enabled", True), f"GET is {got.status}")


@check(
    151,
    "sliding-sync-bogus",
    source="MSC4186: an unknown set_presence is 400 M_INVALID_PARAM.",
    profile=Profile.OPTIONAL,
)
async def sliding_sync_bogus(bench: Bench) -> None:
    """A sliding sync refuses a set_presence that there is not."""
    reply = await bench.a.ask("POST", "sync", {"set_presence": "bogus"}, version="v4")
    if reply.status in {404, 405}:
        raise NotOffered(f"POST /v4/sync is answered {reply.status}")
    bench.expect(reply, 400, "M_INVALID_PARAM")
