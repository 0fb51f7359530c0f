"""Presence lists as the checks use them: invited, accepted, dropped again."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from matrix_presence.check.bench import Bench
from matrix_presence.check.exchange import Reply
from matrix_presence.check.person import Person
from matrix_presence.check.verdicts import Failed, NotOffered

#: Where old clients look for them.
VERSION = "r0"


def list_path(user_id: str) -> str:
    """Where the list of a user is, relative to `/_matrix/client/VERSION/`."""
    return f"presence/list/{quote(user_id, '')}"


async def need_lists(bench: Bench) -> None:
    """Make sure that the target has presence lists at all.

    Raises:
        NotOffered: it has not; they left the specification with r0.5.0.
    """
    reply = await ask_list(bench.a)
    if reply.status in {404, 405} and reply.errcode != "M_NOT_FOUND":
        said = f"{reply.status} {reply.errcode}".rstrip()
        raise NotOffered(f"no presence lists: GET of one is answered {said}")


async def ask_list(owner: Person, of: Person | None = None) -> Reply:
    """The answer to asking for a list, by default one's own."""
    return await owner.ask("GET", list_path((of or owner).user_id), version=VERSION)


async def entries(owner: Person) -> list[dict[str, Any]]:
    """What their own list holds.

    Raises:
        Failed: it cannot be had.
    """
    reply = await ask_list(owner)
    found = reply.json
    if reply.status != 200 or not isinstance(found, list):
        raise Failed(f"GET of a presence list is answered {reply.status}, not a list")
    return found


def listed_user(entry: dict[str, Any]) -> Any:
    """Of whom an entry is, in either form: flat as it was, or an event (A-63)."""
    return entry.get("user_id") or (entry.get("content") or {}).get("user_id")


async def listed(owner: Person) -> list[Any]:
    """Who is on their own list."""
    return [listed_user(entry) for entry in await entries(owner)]


async def ask_change(owner: Person, of: Person | None = None, **changes: Any) -> Reply:
    """The answer to changing a list, by default one's own."""
    path = list_path((of or owner).user_id)
    return await owner.ask("POST", path, changes, version=VERSION)


async def change(owner: Person, **changes: Any) -> None:
    """Change their own list, which has to succeed.

    Raises:
        Failed: it did not.
    """
    reply = await ask_change(owner, **changes)
    if reply.status != 200:
        what = ", ".join(changes)
        raise Failed(f"{what} of a presence list is answered {reply.status}, not 200")


async def invite(bench: Bench, observer: Person, *observed: str) -> None:
    """Put users on a list, from which they are dropped when the check has ended.

    Raises:
        Failed: it was refused.
    """
    bench.afterwards(lambda: ask_change(observer, drop=list(observed)))
    await change(observer, invite=list(observed))


async def accept(observed: Person, observer: str) -> None:
    """Let an observer see them, where they are asked at all.

    No text ever said how. Old servers did it by themselves; for those that ask it is
    the reverse of an invite.
    """
    await ask_change(observed, accept=[observer])


async def observe(bench: Bench, observer: Person, observed: Person) -> None:
    """Have one user of the target on the list of another, accepted.

    Raises:
        Failed: it does not come to that.
    """
    await invite(bench, observer, observed.user_id)
    await accepted(bench, observer, observed)


async def accepted(bench: Bench, observer: Person, observed: Person) -> None:
    """Have an invite accepted, and wait until the list shows that.

    Raises:
        Failed: it never does.
    """
    await accept(observed, observer.user_id)
    await comes_on_list(
        bench, observer, observed.user_id, "an accepted entry is not on the list"
    )


async def comes_on_list(
    bench: Bench, owner: Person, user_id: str, sentence: str
) -> None:
    """Wait until somebody is on the list of a user of the target.

    Raises:
        Failed: with this sentence, when they are not soon.
    """
    await bench.eventually(
        lambda: listed(owner), lambda found: user_id in found, sentence
    )


async def leaves_list(bench: Bench, owner: Person, user_id: str, sentence: str) -> None:
    """Wait until they are not on it any more; see `comes_on_list`."""
    await bench.eventually(
        lambda: listed(owner), lambda found: user_id not in found, sentence
    )
