"""Users of application services, and what these are sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from matrix_presence.check.appservice import AppService
from matrix_presence.check.bench import Bench
from matrix_presence.check.exchange import Reply
from matrix_presence.check.person import status_path
from matrix_presence.check.registry import Need, Profile, check
from matrix_presence.check.seeing import says
from matrix_presence.check.verdicts import Skipped

_AS_USER = (
    "A-12: an application service acts as a user of its namespace by `?user_id=`; for "
    "others it is 403 M_FORBIDDEN."
)
#: Seconds within which a transaction should come.
_TRANSACTION = 10.0


@check(
    146,
    "ghost-status",
    source=_AS_USER,
    profile=Profile.OPTIONAL,
    needs=[Need.APPSERVICE],
)
async def ghost_status(bench: Bench) -> None:
    """An application service sets the status of its user, and room mates see it."""
    ghost = await _ghost(bench)
    body = {"presence": "online", "status_msg": "by a bridge"}
    reply = await _as(bench, ghost, "PUT", status_path(ghost), body)
    bench.expect(reply, 200)
    await bench.eventually(
        lambda: bench.a.status(ghost),
        says("by a bridge"),
        "A does not read what the application service has set",
    )


@check(
    147, "no-ghost", source=_AS_USER, profile=Profile.OPTIONAL, needs=[Need.APPSERVICE]
)
async def no_ghost(bench: Bench) -> None:
    """An application service cannot set the status of a user outside its namespace."""
    user_id = bench.a.user_id
    body = {"presence": "unavailable"}
    reply = await _as(bench, user_id, "PUT", status_path(user_id), body)
    bench.expect(reply, 403, "M_FORBIDDEN")


@check(
    148,
    "appservice-told",
    source="D-51: with receive_ephemeral, `ephemeral` of a transaction has the "
    "m.presence of users that share a room with users of the application service.",
    profile=Profile.OPTIONAL,
    needs=[Need.APPSERVICE],
)
async def appservice_told(bench: Bench) -> None:
    """An application service is sent the presence of those in a room with its users."""
    events = _service(bench).events
    if events is None:
        raise Skipped("needs to be sent transactions: give --as-listen")
    await _ghost(bench)
    await bench.b.put("online", "for the bridge")

    async def told() -> list[dict[str, Any]]:
        return [event for event in events if event.get("sender") == bench.b.user_id]

    await bench.eventually(
        told,
        lambda found: any(
            event.get("type") == "m.presence"
            and event.get("content", {}).get("status_msg") == "for the bridge"
            for event in found
        ),
        "the application service is not sent the presence of B",
        _TRANSACTION,
    )


async def _ghost(bench: Bench) -> str:
    """The id of a user of the application service who is in the room of A and B."""
    localpart = f"{_service(bench).prefix}{bench.now()}"
    user_id = f"@{localpart}:{bench.server_name}"
    body = {"type": "m.login.application_service", "username": localpart}
    made = await bench.conversation.ask(
        "POST", "/_matrix/client/v3/register", body, token=_service(bench).token
    )
    bench.expect(made, 200)
    joined = await _as(bench, user_id, "POST", f"join/{quote(bench.room_id, '')}", {})
    bench.expect(joined, 200)
    leave = f"rooms/{quote(bench.room_id, '')}/leave"
    bench.afterwards(lambda: _as(bench, user_id, "POST", leave, {}))
    return user_id


async def _as(bench: Bench, user_id: str, method: str, path: str, body: Any) -> Reply:
    """The answer to a request of the application service as a user."""
    return await bench.conversation.ask(
        method,
        f"/_matrix/client/v3/{path}",
        body,
        query={"user_id": user_id},
        token=_service(bench).token,
        asker=f"the application service as {user_id}",
    )


def _service(bench: Bench) -> AppService:
    service = bench.lab.appservice
    assert service is not None, "the check has said that it needs one"
    return service
