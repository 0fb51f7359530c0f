"""The status endpoint as a part of an HTTP API: methods, paths, CORS, rate limits."""

from __future__ import annotations

from functools import partial

from matrix_presence.check.bench import Bench
from matrix_presence.check.exchange import Reply
from matrix_presence.check.person import status_path
from matrix_presence.check.registry import Profile, check
from matrix_presence.check.seeing import says
from matrix_presence.check.verdicts import NotOffered

_METHOD = "A-7: a known path with a wrong method is 405 M_UNRECOGNIZED."
_CORS = "A-8: CORS headers on every response; OPTIONS without a token."
#: Enough for any limit that a server would call one.
_BURST = 50


@check(35, "delete-status", source=_METHOD)
async def delete_status(bench: Bench) -> None:
    """DELETE of a status is 405 M_UNRECOGNIZED."""
    reply = await bench.a.ask("DELETE", status_path(bench.a.user_id))
    bench.expect(reply, 405, "M_UNRECOGNIZED", accept=[404])


@check(36, "post-status", source=_METHOD)
async def post_status(bench: Bench) -> None:
    """POST of a status is 405 M_UNRECOGNIZED."""
    body = {"presence": "online"}
    reply = await bench.a.ask("POST", status_path(bench.a.user_id), body)
    bench.expect(reply, 405, "M_UNRECOGNIZED", accept=[404])


@check(37, "unknown-path", source="A-7: an unknown path is 404 M_UNRECOGNIZED.")
async def unknown_path(bench: Bench) -> None:
    """A path beside that of the status is 404 M_UNRECOGNIZED."""
    path = status_path(bench.a.user_id).replace("/status", "/nope")
    bench.expect(await bench.a.ask("GET", path), 404, "M_UNRECOGNIZED")


@check(38, "options", source=_CORS)
async def options(bench: Bench) -> None:
    """OPTIONS is answered without a token, and allows what a web client does."""
    path = status_path(bench.a.user_id)
    origin = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    reply = await bench.a.ask("OPTIONS", path, token=None, asker="", headers=origin)
    bench.require(200 <= reply.status < 300, f"OPTIONS is answered {reply.status}")
    _allows_all_origins(bench, reply)
    methods = reply.header("Access-Control-Allow-Methods")
    headers = reply.header("Access-Control-Allow-Headers").lower()
    bench.require("PUT" in methods, f"Access-Control-Allow-Methods is {methods!r}")
    bench.require("authorization" in headers, "the Authorization header is not allowed")


@check(39, "cors-on-all-answers", source=_CORS)
async def cors_on_all_answers(bench: Bench) -> None:
    """Answers and refusals can be read by web clients of any origin."""
    known = await bench.a.ask_status(bench.a)
    bench.expect(known, 200)
    stranger = await bench.a.ask_status(bench.a, token=None, asker="")
    forbidden = await bench.a.ask("PUT", status_path(bench.b.user_id), {})
    for reply in (known, stranger, forbidden):
        _allows_all_origins(bench, reply)


@check(40, "older-prefixes", source="A-2, A-3: served under r0, api/v1, unstable too.")
async def older_prefixes(bench: Bench) -> None:
    """A status can be set and read under r0; api/v1 and unstable do the same."""
    for version in ("r0", "api/v1", "unstable"):
        body = {"presence": "online", "status_msg": f"by {version}"}
        reply = await bench.b.ask_put(body, version=version)
        if reply.status == 404 and version != "r0":
            bench.prefer(False, f"there is nothing under {version}")
            continue
        bench.require(bench.expect(reply, 200) == {}, "the body is not {}")
        await bench.eventually(
            partial(bench.a.status, bench.b, version=version),
            says(body["status_msg"]),
            f"A does not read under {version} what B has set there",
        )


@check(
    41,
    "rate-limit",
    source="A-28: 429 M_LIMIT_EXCEEDED with Retry-After or retry_after_ms.",
)
async def rate_limit(bench: Bench) -> None:
    """Of 50 changes in a row some are refused, and the refusals say until when."""
    for number in range(_BURST):
        body = {"presence": "online", "status_msg": f"number {number}"}
        reply = await bench.c.ask_put(body, limits=False)
        bench.require(reply.status in {200, 429}, f"PUT is answered {reply.status}")
        if reply.status == 429:
            break
    else:
        raise NotOffered(f"no rate limit: {_BURST} PUTs in a row were taken")
    said = bench.expect(reply, 429, "M_LIMIT_EXCEEDED")
    bench.require(
        reply.header("Retry-After") or isinstance(said.get("retry_after_ms"), int),
        "the refusal says neither Retry-After nor retry_after_ms",
    )
    bench.prefer(reply.header("Retry-After"), "the refusal has no Retry-After header")


@check(
    42,
    "token-in-query",
    source="A-10: `?access_token=` was the only way at first, and is removed now.",
    profile=Profile.LEGACY,
)
async def token_in_query(bench: Bench) -> None:
    """A token in the query is accepted under r0."""
    reply = await bench.a.ask_status(
        bench.a,
        version="r0",
        token=None,
        query={"access_token": bench.a.account.token},
    )
    bench.expect(reply, 200)


def _allows_all_origins(bench: Bench, reply: Reply) -> None:
    found = reply.header("Access-Control-Allow-Origin")
    bench.require(
        found == "*",
        f"Access-Control-Allow-Origin is {found!r} on a {reply.status}, not '*'",
    )
