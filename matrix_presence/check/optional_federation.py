"""Proposals about what servers tell each other, for targets that say they have them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from matrix_presence.check.bench import Bench
from matrix_presence.check.peer.hearing import QUIET, TOLD
from matrix_presence.check.peer.server import EDU_TYPES_PATH, push
from matrix_presence.check.peer.visit import stranger
from matrix_presence.check.registry import Need, Profile, check
from matrix_presence.check.seeing import says
from matrix_presence.check.timers import Wait
from matrix_presence.check.verdicts import NotOffered

_MSC4325 = "events.matrix-community.presence_sharing_config"
_MSC4495 = "org.continuwuity.presence_v2.msc4495"


async def _need_flag(bench: Bench, *flags: str) -> None:
    """Make sure that `/versions` says one of these.

    Raises:
        NotOffered: it does not.
    """
    reply = await bench.conversation.ask("GET", "/_matrix/client/versions")
    features = bench.expect(reply, 200).get("unstable_features") or {}
    if not any(features.get(flag) is True for flag in flags):
        raise NotOffered(f"/versions does not say {flags[0]}")


async def _only_b_sees(bench: Bench, **keys: Any) -> None:
    """Push an entry with keys by which only B may see it.

    Raises:
        Failed: B does not see it, or A does.
    """
    visit = await stranger(bench)
    await visit.join(bench.room_id)
    tokens = [(await bench.settled(person)).since for person in (bench.a, bench.b)]
    entry = visit.entry(status_msg="for B", **keys)
    bench.expect(await visit.send(push(entry)), 200)
    await bench.sees(
        bench.b, tokens[1], visit.user_id, says("for B"), "who may see it does not"
    )
    heard, _ = await bench.hears(bench.a, tokens[0], QUIET)
    told = [each for each in heard if each.get("sender") == visit.user_id]
    bench.require(not told, "/sync tells somebody who may not see it")
    status = await bench.a.ask_status(visit.user_id)
    bench.require(b"for B" not in status.body, "GET tells somebody who may not see it")


@check(
    152,
    "edu-allowed-recipients",
    source="MSC4325: a server must pass an entry on only to those of its users whom "
    "allowed_recipients names.",
    profile=Profile.OPTIONAL,
    needs=[Need.PEER],
)
async def edu_allowed_recipients(bench: Bench) -> None:
    """An entry with allowed_recipients is seen by these alone."""
    await _need_flag(bench, _MSC4325)
    await _only_b_sees(bench, allowed_recipients=[bench.b.user_id])


@check(
    153,
    "edu-recipients",
    source="MSC4495: recipients, stream_id and prev_id of an entry, and the query for "
    "them, 404 for users that share nothing.",
    profile=Profile.OPTIONAL,
    needs=[Need.PEER],
)
async def edu_recipients(bench: Bench) -> None:
    """An entry with recipients is seen by these alone, and they can be asked for."""
    await _need_flag(bench, _MSC4495, f"{_MSC4495}.stable")
    visit = await stranger(bench)
    nobody = quote(f"@nobody-at-all:{bench.server_name}", safe="")
    path = f"/_matrix/federation/unstable/{_MSC4495}/query/presence_recipients"
    bench.expect(await visit.ask("GET", f"{path}?user_id={nobody}"), 404)
    recipients = {"add": [bench.b.user_id], "delete": []}
    await _only_b_sees(bench, recipients=recipients, stream_id=1, prev_id=0)


@check(
    154,
    "edu-types",
    source="MSC4373: a server that says m.presence: false is sent none.",
    profile=Profile.OPTIONAL,
    needs=[Need.PEER],
    wait=Wait(more=TOLD),
)
async def edu_types(bench: Bench) -> None:
    """A server that wants no presence is told none."""
    visit = await stranger(bench)
    reply = await visit.ask("GET", EDU_TYPES_PATH)
    if reply.status in {404, 405}:
        raise NotOffered(f"GET {EDU_TYPES_PATH} is answered {reply.status}")
    unwilling = await visit.another()
    unwilling.peer.edu_types = {"m.presence": False}
    room_id = await bench.room(bench.a)
    await unwilling.join(room_id)
    await visit.join(room_id)
    await bench.a.put("online", "for those who want it")
    sentence = "a server that wants presence is told none"
    await visit.hears(bench.a, says("for those who want it"), sentence)
    await bench.sleep(QUIET)
    bench.require(not unwilling.entries(bench.a), "it is told all the same")
