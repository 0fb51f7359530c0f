"""What any federating server answers: its keys, and which transactions it takes."""

from __future__ import annotations

from typing import Any

from signedjson.key import generate_signing_key

from matrix_presence.check.bench import Bench
from matrix_presence.check.peer.server import push
from matrix_presence.check.peer.visit import VERSION_PATH, Visit, guest, stranger
from matrix_presence.check.peer.visitor import peers_of
from matrix_presence.check.registry import federation_check
from matrix_presence.check.seeing import says
from matrix_presence.wire.server_keys import SERVER_PATH, BadKeys, read_server_keys


@federation_check(
    113,
    "server-keys",
    source="C-60, C-63: the version, and keys that are signed by each of them.",
)
async def server_keys(bench: Bench) -> None:
    """A server tells its version, and its keys: signed by themselves, valid for now."""
    visit = Visit.begin(bench, await peers_of(bench).first())
    reply = await visit.ask("GET", VERSION_PATH, signed=False)
    server = bench.expect(reply, 200)["server"]
    bench.require(isinstance(server["name"], str), "the version has no name")
    document = bench.expect(await visit.ask("GET", SERVER_PATH, signed=False), 200)
    until = document.get("valid_until_ts")
    bench.require(type(until) is int and until > bench.now(), "the keys are not valid")
    try:
        read_server_keys(document, visit.target_name, bench.now())
    except BadKeys as reason:
        bench.require(False, f"the keys cannot be used: {reason}")


@federation_check(
    114,
    "edu-unsigned",
    source="C-52, C-54: no signature, a wrong one, or one for another destination is "
    "401 M_UNAUTHORIZED.",
)
async def edu_unsigned(bench: Bench) -> None:
    """A transaction that is not signed, or wrongly, or for another server is 401."""
    visit = await guest(bench)
    edu = push(visit.entry(status_msg="forged"))
    wrong: tuple[dict[str, Any], ...] = (
        {"signed": False},
        {"key": generate_signing_key("a_other")},
        {"key": _renamed(visit)},
        {"destination": "elsewhere.invalid"},
    )
    for signed_with in wrong:
        reply = await visit.send(edu, **signed_with)
        bench.expect(reply, 401, "M_UNAUTHORIZED")
    status = await bench.a.ask_status(visit.user_id)
    bench.require(b"forged" not in status.body, "what was refused counts nevertheless")


def _renamed(visit: Visit) -> Any:
    """A key of nobody that goes by the name of the key that the peer publishes."""
    return generate_signing_key(visit.peer.own.key.version)


@federation_check(
    122,
    "transaction-limits",
    source="C-40, C-43: at most 50 PDUs and 100 EDUs; more is 400.",
)
async def transaction_limits(bench: Bench) -> None:
    """More than 100 EDUs or 50 PDUs in one transaction are answered 400."""
    visit = await stranger(bench)
    nothing = {"edu_type": "check.nothing", "content": {}}
    bench.expect(await visit.send(*[nothing] * 100), 200)
    bench.expect(await visit.send(*[nothing] * 101), 400)
    pdu = {"type": "check.nothing", "content": {}, "room_id": "!nothing"}
    bench.expect(await visit.send(pdus=[pdu] * 51), 400)


@federation_check(
    123,
    "transaction-twice",
    source="C-43: the same origin and txnId is answered the same, and taken once.",
)
async def transaction_twice(bench: Bench) -> None:
    """A transaction that comes again is answered as before, and taken once."""
    visit = await guest(bench)
    first = push(visit.entry(status_msg="first"))
    txn_id = visit.user_id.partition(":")[0][1:]
    before = bench.expect(await visit.send(first, txn_id=txn_id), 200)
    await visit.push(status_msg="second")
    await visit.shows(says("second"))
    again = bench.expect(await visit.send(first, txn_id=txn_id), 200)
    bench.require(again == before, "it is answered differently")
    await bench.sleep(0.5)
    status = (await bench.a.ask_status(visit.user_id)).json
    bench.require(status["status_msg"] == "second", "it was taken again")
