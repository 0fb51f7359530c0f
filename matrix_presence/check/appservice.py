"""An application service of the target, as whom we act and for whom we listen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import orjson
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.web.resource import Resource
from twisted.web.server import Request

from matrix_presence.check.verdicts import CannotRun
from matrix_presence.web.site import matrix_site

#: Bytes of a transaction.
_BODY_LIMIT = 10 * 1024 * 1024
#: Under these names there are events that are in no room, the stable one first.
_EPHEMERAL = ("ephemeral", "de.sorunome.msc2409.ephemeral")


@attrs.define
class AppService:
    """Its token, its users, and what it was sent."""

    token: str
    #: How the local parts of the users in its namespace begin.
    prefix: str
    #: None if nothing can be sent to it.
    events: list[dict[str, Any]] | None = None
    _listening: IListeningPort | None = None

    async def stop(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            await maybeDeferred(self._listening.stopListening)


class Transactions(Resource):
    """Takes what a homeserver sends to an application service."""

    isLeaf = True

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._take = take

    def render_PUT(self, request: Request) -> bytes:
        """Take the ephemeral events of a transaction; whatever else it is, is fine."""
        request.setHeader("Content-Type", "application/json")
        try:
            assert request.content is not None
            body = orjson.loads(request.content.read())
            for key in _EPHEMERAL:
                for event in body.get(key, ()):
                    if isinstance(event, dict):
                        self._take(event)
        except (ValueError, AttributeError, TypeError):
            request.setResponseCode(400)
            return b'{"errcode":"M_BAD_JSON","error":"No transaction"}'
        return b"{}"


async def make_appservice(
    reactor: Any, token: str, prefix: str, listen: str | None
) -> AppService:
    """An application service, listening if it is said where.

    Raises:
        CannotRun: it cannot listen there.
    """
    if listen is None:
        return AppService(token, prefix)
    events: list[dict[str, Any]] = []
    site = matrix_site(Transactions(events.append), reactor, body_limit=_BODY_LIMIT)
    try:
        port = await serverFromString(reactor, listen).listen(site)
    except (CannotListenError, ValueError) as reason:
        raise CannotRun(f"cannot listen on {listen!r}: {reason}") from None
    return AppService(token, prefix, events, port)
