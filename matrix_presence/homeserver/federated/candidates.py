"""Which servers to ask about a room that we are not in, one after another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from matrix_presence.errors import NotFound
from matrix_presence.federation.client import FederationError, Refused
from matrix_presence.homeserver.federated.refusals import the_best
from matrix_presence.homeserver.rooms import Rooms
from matrix_presence.ids import is_server_name, server_of

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Servers that are tried, one after the other.
_MOST = 8


def candidates(
    rooms: Rooms, user_id: str, room_id: str, via: Iterable[str]
) -> list[str]:
    """Whom to ask: first who invited, last whom the room is named after.

    Args:
        via: servers of which the client says that they may be in the room.

    Raises:
        NotFound: nobody comes to mind.
    """
    found: list[str] = []
    outside = rooms.outside.get(user_id, room_id)
    if outside is not None and outside.membership == "invite":
        found.append(server_of(outside.event.sender))
    found += via
    room = rooms.get(room_id)
    if room is not None:
        # We are there, or were once.
        found += (name for name, _ in room.servers.most_common(_MOST + 1))
    if outside is not None:
        found += (server_of(event["sender"]) for event in outside.room_state)
    found.append(server_of(room_id))
    names = dict.fromkeys(name for name in found if is_server_name(name))
    names.pop(rooms.server_name, None)
    if not names:
        raise NotFound("This server knows no such room, nor whom to ask for it")
    return list(names)[:_MOST]


async def first_of(
    servers: Sequence[str],
    ask: Callable[[str], Coroutine[Any, Any, _T]],
) -> _T:
    """What comes of it with the first server with which something comes of it.

    Raises:
        MatrixError: nothing came of it with any.
    """
    failures: list[tuple[str, FederationError]] = []
    for server in servers:
        try:
            return await ask(server)
        except FederationError as failure:
            logger.info("%s did not do it: %s", server, failure)
            failures.append((server, failure))
            if _is_final(failure):
                break
    raise the_best(failures)


def _is_final(failure: FederationError) -> bool:
    """Whether no other server can say anything else."""
    return (
        isinstance(failure, Refused)
        and failure.errcode == "M_INCOMPATIBLE_ROOM_VERSION"
    )
