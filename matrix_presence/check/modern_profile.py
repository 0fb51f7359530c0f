"""What presence tells of a new name or picture."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from matrix_presence.check.bench import Bench
from matrix_presence.check.person import Person
from matrix_presence.check.registry import check
from matrix_presence.check.verdicts import NotOffered

_PROPAGATED = (
    "D-1, D-3: on a change of the display name or the avatar the server sends an "
    "m.presence with the new values of both, and the current presence."
)
_NAME, _PICTURE = "displayname", "avatar_url"


@check(87, "new-displayname", source=_PROPAGATED)
async def new_displayname(bench: Bench) -> None:
    """A room mate is told of a new display name by presence."""
    await _told(bench, bench.a, _NAME, _a_name(bench))


@check(88, "new-avatar", source=_PROPAGATED)
async def new_avatar(bench: Bench) -> None:
    """A room mate is told of a new picture by presence, and of the name with it."""
    await _set(bench, _NAME, _a_name(bench))
    content = await _told(
        bench, bench.a, _PICTURE, f"mxc://check.invalid/{bench.now()}"
    )
    bench.require(_NAME in content, "there is no displayname")


@check(89, "new-displayname-for-oneself", source=_PROPAGATED)
async def new_displayname_for_oneself(bench: Bench) -> None:
    """One's own devices are told of a new display name by presence."""
    await _told(bench, bench.b, _NAME, _a_name(bench))


@check(90, "deleted-displayname", source="D-3: a removed value is an absent key.")
async def deleted_displayname(bench: Bench) -> None:
    """After the display name was deleted, presence has none."""
    await _set(bench, _NAME, _a_name(bench))
    since = (await bench.settled(bench.a)).since
    reply = await bench.b.ask("DELETE", f"profile/{quote(bench.b.user_id, '')}/{_NAME}")
    if reply.status in {404, 405}:
        raise NotOffered(f"DELETE of a display name is answered {reply.status}")
    bench.expect(reply, 200)
    await bench.sees(
        bench.a,
        since,
        bench.b,
        lambda content: _NAME not in content,
        "A is not told by presence that B has no name any more",
    )


async def _told(bench: Bench, observer: Person, key: str, value: str) -> dict[str, Any]:
    """Have B change their profile, and an observer told by presence; its content."""
    await bench.b.put("online")
    since = (await bench.settled(observer)).since
    await _set(bench, key, value)
    content, _ = await bench.sees(
        observer,
        since,
        bench.b,
        lambda content: content.get(key) == value,
        f"no m.presence tells of the new {key}",
    )
    bench.require("presence" in content, "there is no presence in it")
    return content


async def _set(bench: Bench, key: str, value: str) -> None:
    """Change B's profile; afterwards it is as before."""
    path = f"profile/{quote(bench.b.user_id, '')}/{key}"
    before = await bench.b.ask("GET", path)
    known = before.json if isinstance(before.json, dict) else {}
    bench.afterwards(lambda: bench.b.ask("PUT", path, {key: known.get(key) or ""}))
    await bench.b.done("PUT", path, {key: value})


def _a_name(bench: Bench) -> str:
    return f"B at {bench.now()}"
