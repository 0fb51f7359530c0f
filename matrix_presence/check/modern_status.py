"""`GET` and `PUT /presence/{userId}/status`: who may, and what one reads."""

from __future__ import annotations

from matrix_presence.check.bench import Bench
from matrix_presence.check.registry import check

_NO_TOKEN = "A-11: no token is 401 M_MISSING_TOKEN, an unknown one 401 M_UNKNOWN_TOKEN."


@check(1, "get-without-token", source=_NO_TOKEN)
async def get_without_token(bench: Bench) -> None:
    """A GET without a token is refused with 401 M_MISSING_TOKEN."""
    reply = await bench.a.ask_status(bench.a, token=None)
    bench.expect(reply, 401, "M_MISSING_TOKEN")


@check(5, "put-online", source="A-27: 200 with {}, not an empty string.")
async def put_online(bench: Bench) -> None:
    """Setting oneself online is answered 200 with just {}."""
    reply = await bench.a.ask_put({"presence": "online"})
    bench.require(bench.expect(reply, 200) == {}, "the body is not {}")
