"""From the name of a server to where it is, and what it has to prove there.

Theory of operation. An IP address or a port in the name says it all. Otherwise the
host may delegate to another name by a document on its web site; that name, or failing
that the host itself, may have SRV records; and if it has none, it is at port 8448.
Source: server-server API, "Resolving server names" (C-70).
"""

from __future__ import annotations

import logging
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import TypeVar

import attrs

from matrix_presence.federation.srv import Place
from matrix_presence.federation.well_known import Delegation

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Where a server is that says nothing else.
DEFAULT_PORT = 8448
#: Hosts of which it is remembered whether they delegate, or where they are.
_MOST = 5000
#: How long it counts what the DNS says, ms.
_PLACES_FOR = 300_000
#: ms until a host is asked again that gave no answer, at first and at most.
_FIRST_WAIT = 300_000
_LONGEST_WAIT = 3_600_000


@attrs.frozen
class Route:
    """How a server is reached."""

    #: Tried one after the other.
    places: tuple[Place, ...]
    #: For whom the certificate must be: a name, or an IP address without brackets.
    certified: str
    #: The Host header.
    host: str


@attrs.frozen
class _Said:
    """What a host said of its delegation."""

    #: None if it does not delegate.
    delegated: str | None
    #: Epoch ms.
    until: int
    #: How often in a row there was no answer.
    failures: int = 0


class Discovery:
    """Finds servers, and remembers to whom they delegate.

    Args:
        delegation: the delegation of a host, or raises.
        places: the SRV records of a host; empty if it has none.
        now: the time, epoch ms.
        chance: a number from 0 up to 1, another each time.
    """

    def __init__(
        self,
        delegation: Callable[[str], Awaitable[Delegation]],
        places: Callable[[str], Awaitable[tuple[Place, ...]]],
        now: Callable[[], int],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._delegation = delegation
        self._places = places
        self._now = now
        self._chance = chance
        #: By host, those heard of last at the end.
        self._said: OrderedDict[str, _Said] = OrderedDict()
        #: By host: its route, and until when it counts (epoch ms).
        self._routes: OrderedDict[str, tuple[Route, int]] = OrderedDict()

    async def route(self, server_name: str) -> Route:
        """How this server is reached. Fails for no name, but may lead nowhere."""
        route = _route_said(server_name)  # Steps 1 and 2.
        if route is not None:
            return route
        delegated = await self._delegated(server_name)  # Step 3.
        if delegated is None:
            return await self._route_found(server_name)  # Steps 4 to 6.
        # Steps 3.1 and 3.2, or 3.3 to 3.5.
        return _route_said(delegated) or await self._route_found(delegated)

    async def _route_found(self, host: str) -> Route:
        known = self._routes.get(host)
        if known is not None and self._now() < known[1]:
            return known[0]
        places = await self._places(host)
        route = Route(places or ((host, DEFAULT_PORT),), host, host)
        _remember(self._routes, host, (route, self._now() + _PLACES_FOR))
        return route

    async def _delegated(self, host: str) -> str | None:
        said = self._said.get(host)
        now = self._now()
        if said is not None and now < said.until:
            return said.delegated
        failures = said.failures if said is not None else 0
        try:
            found = await self._delegation(host)
            said = _Said(found.server_name, now + found.valid_for)
        except Exception as reason:
            logger.debug("%s does not delegate: %s", host, reason)
            wait = min(_LONGEST_WAIT, _FIRST_WAIT << min(failures, 10))
            until = now + int(wait * (0.5 + self._chance() / 2))
            said = _Said(None, until, failures + 1)
        _remember(self._said, host, said)
        return said.delegated


def _remember(known: OrderedDict[str, T], host: str, value: T) -> None:
    known[host] = value
    known.move_to_end(host)
    if len(known) > _MOST:
        known.popitem(last=False)


def _route_said(server_name: str) -> Route | None:
    """The route that a name says itself; None unless it has an address or a port."""
    host, port = _split(server_name)
    bare = host.strip("[]")
    if port is None and not _is_address(bare):
        return None
    return Route(((bare, port or DEFAULT_PORT),), bare, server_name)


def _split(server_name: str) -> tuple[str, int | None]:
    host, colon, port = server_name.rpartition(":")
    if not colon or server_name.endswith("]"):
        return server_name, None
    return host, int(port)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
