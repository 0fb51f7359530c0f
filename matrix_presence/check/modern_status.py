"""What a status is after it was set, and how a GET shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrix_presence.check.bench import Bench
from matrix_presence.check.registry import Need, check
from matrix_presence.check.timers import Wait
from matrix_presence.check.verdicts import NotOffered

#: The fields of a status and what each may hold.
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "presence": (str,),
    "last_active_ago": (int,),
    "status_msg": (str, type(None)),
    "currently_active": (bool,),
}
#: Accents, an emoji, right to left, white space, wide characters.
_SCRIPTS = "naïve 🐇 مرحبا\nשלום\t漢字 "  # noqa: RUF001  # it is a Hebrew letter
_STATES = {"online", "unavailable", "offline"}
_CLEARS = "A-25: a PUT without a status_msg clears it, as an empty one and null do."
_AGO = (
    "A-46: values are those of the moment of the answer; “clients can fetch up to date "
    "last active times by explicitly requesting the presence”."
)


@check(
    4,
    "fresh-account",
    source="A-41, A-45: one's own presence is always readable; it has no user_id.",
    needs=[Need.NEW_ACCOUNT],
)
async def fresh_account(bench: Bench) -> None:
    """Who has just registered can read their status, with the known keys only."""
    person = await bench.newcomer()
    _well_formed(bench, await person.status())


@check(5, "put-online", source="A-27: 200 with {}, not an empty string.")
async def put_online(bench: Bench) -> None:
    """Setting oneself online is answered 200 with just {}."""
    reply = await bench.a.ask_put({"presence": "online"})
    bench.require(bench.expect(reply, 200) == {}, "the body is not {}")


@check(6, "put-status-msg", source="A-21: the body is presence and status_msg.")
async def put_status_msg(bench: Bench) -> None:
    """A status and its message are read back."""
    await bench.a.put("online", "hi")
    await _reads(bench, "online", "hi")


@check(7, "put-unavailable", source="A-22, B-41: clients can set unavailable.")
async def put_unavailable(bench: Bench) -> None:
    """Setting oneself unavailable is read back, and nobody is then currently active."""
    await bench.a.put("unavailable")
    status = await _reads(bench, "unavailable")
    bench.require(not status.get("currently_active"), "currently_active is true")


@check(8, "put-offline", source="A-22: clients can set offline.")
async def put_offline(bench: Bench) -> None:
    """Setting oneself offline is read back."""
    await bench.a.put("offline")
    await _reads(bench, "offline")


@check(9, "omitted-status-msg", source=_CLEARS)
async def omitted_status_msg(bench: Bench) -> None:
    """A PUT without a message clears the one of before."""
    await bench.a.put("online", "hi")
    await bench.a.put("online")
    await _reads(bench, "online", None)


@check(10, "empty-status-msg", source=_CLEARS)
async def empty_status_msg(bench: Bench) -> None:
    """An empty message clears the one of before."""
    await bench.a.put("online", "hi")
    await bench.a.put("online", "")
    await _reads(bench, "online", None)


@check(11, "null-status-msg", source=_CLEARS)
async def null_status_msg(bench: Bench) -> None:
    """A message of null clears the one of before, or is refused with 400."""
    await bench.a.put("online", "hi")
    reply = await bench.a.ask_put({"presence": "online", "status_msg": None})
    bench.expect(reply, 200, accept=[400])
    await _reads(bench, "online", None if reply.status == 200 else "hi")


@check(28, "fresh-last-active", source="A-29, B-11: ms since the last activity.")
async def fresh_last_active(bench: Bench) -> None:
    """Just after setting online, last_active_ago is a small number of ms."""
    await bench.a.put("online")
    ago = (await bench.a.status()).get("last_active_ago")
    bench.require(type(ago) is int, "last_active_ago is no integer")
    bench.require(0 <= int(ago or 0) < 5000, f"last_active_ago is {ago}")


@check(29, "growing-last-active", source=_AGO, wait=Wait(more=2.5))
async def growing_last_active(bench: Bench) -> None:
    """last_active_ago grows with the time, also while currently_active is true."""
    await bench.a.put("online")
    await bench.sleep(1.5)
    first, first_at = (await bench.a.status())["last_active_ago"], bench.now()
    await bench.sleep(1.0)
    second, second_at = (await bench.a.status())["last_active_ago"], bench.now()
    off = (second - first) - (second_at - first_at)
    bench.require(
        abs(off) <= 500,
        f"in {second_at - first_at} ms it went from {first} to {second}",
    )


@check(30, "currently-active", source="B-30, B-34: true while activity is recent.")
async def currently_active(bench: Bench) -> None:
    """Just after setting online, currently_active is true."""
    await bench.a.put("online")
    status = await bench.a.status()
    if "currently_active" not in status:
        raise NotOffered("no currently_active, which servers may leave out")
    bench.require(status["currently_active"] is True, "currently_active is not true")


@check(31, "types-of-fields", source="A-41: the schema of the answer.")
async def types_of_fields(bench: Bench) -> None:
    """Every field of every status has the type that it should have."""
    for presence, message in (
        ("online", "typed"),
        ("unavailable", ""),
        ("offline", ""),
    ):
        await bench.b.put(presence, message)
        _well_formed(bench, await bench.b.status())
        _well_formed(bench, await bench.a.status(bench.b))


@check(33, "exact-status-msg", source="A-21: status_msg is any string.")
async def exact_status_msg(bench: Bench) -> None:
    """A message of 200 characters in several scripts is read back to the byte."""
    message = (_SCRIPTS * 20)[:200]
    await bench.a.put("online", message)
    await _reads(bench, "online", message)


async def _reads(
    bench: Bench, presence: str, message: str | None = ""
) -> dict[str, Any]:
    """A's status, once it is this.

    Args:
        message: None for no message; anything goes where it is empty.
    """

    def is_so(status: dict[str, Any]) -> bool:
        found = status.get("status_msg") or None
        return status.get("presence") == presence and message in {"", found}

    said = "" if message == "" else f" with status_msg {message!r}"
    return await bench.eventually(
        bench.a.status, is_so, f"A's status does not become {presence}{said}"
    )


def _well_formed(bench: Bench, status: Mapping[str, Any]) -> None:
    bench.require("presence" in status, "there is no presence")
    bench.require(status["presence"] in _STATES, f"presence is {status['presence']!r}")
    for key, value in status.items():
        bench.require(key in _FIELDS or "." in key, f"there is an unknown key {key!r}")
        # To Python true is an int.
        bench.require("." in key or type(value) in _FIELDS[key], f"{key} is {value!r}")
