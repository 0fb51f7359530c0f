"""The peers of a run: the first one, and further ones where a check needs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from twisted.internet.error import CannotListenError

from matrix_presence.check.peer.listening import Door, Road, open_door
from matrix_presence.check.peer.server import Peer
from matrix_presence.check.verdicts import CannotRun, Skipped
from matrix_presence.ids import is_server_name

#: Nobody but this machine can connect, at a port that is free.
_LOOPBACK = "tcp:0:interface=127.0.0.1"


@attrs.define
class Peers:
    """Opens peers as they are asked for.

    Args:
        open_peer: makes one more that the target can reach.
        most: how many there can be.
        target_name: by which name the target federates; None for that of its users.
    """

    open_peer: Callable[[], Awaitable[Peer]]
    most: int = 8
    target_name: str | None = None
    #: Does away with what the peers use.
    close: Callable[[], Awaitable[None]] | None = None
    _first: Peer | None = None
    _opened: int = 0

    async def first(self) -> Peer:
        """That which most checks share."""
        if self._first is None:
            self._first = await self.another()
        return self._first

    async def another(self) -> Peer:
        """One that nobody else uses.

        Raises:
            Skipped: there can be no more.
        """
        if self._opened >= self.most:
            raise Skipped("needs a further server: not with --peer-name")
        self._opened += 1
        return await self.open_peer()

    async def stop(self) -> None:
        """Nobody is at home any more."""
        if self.close is not None:
            await self.close()


async def make_peers(
    reactor: Any,
    *,
    name: str | None = None,
    listen: str | None = None,
    target_name: str | None = None,
) -> Peers:
    """Peers on the network, the first of them open already.

    Args:
        name: of the peer; by default `localhost` and the port that it listens on.
        listen: a Twisted endpoint without TLS, which is added; by default a free port
            on loopback.

    Raises:
        CannotRun: one of these cannot be used; with one sentence.
    """
    if name is not None and not is_server_name(name):
        raise CannotRun(f"--peer-name: {name!r} is no server name")
    road = Road(reactor)
    doors: list[Door] = []

    async def open_peer() -> Peer:
        host = name or "localhost"
        try:
            door = await open_door(reactor, listen or _LOOPBACK, _host(host))
        except (CannotListenError, ValueError) as reason:
            raise CannotRun(f"cannot listen on {listen!r}: {reason}") from None
        doors.append(door)
        peer = Peer(name or f"{host}:{door.port}", road.agent, reactor)
        door.lead_to(peer.resource)
        return peer

    async def close() -> None:
        for door in doors:
            await door.close()
        await road.close()

    most = 1 if name is not None or listen is not None else 8
    peers = Peers(open_peer, most, target_name, close)
    try:
        await peers.first()
    except CannotRun:
        await close()
        raise
    return peers


def _host(server_name: str) -> str:
    """The host in a server name, an IPv6 address without its brackets."""
    host, colon, port = server_name.rpartition(":")
    if not colon or not port.isdecimal():
        host = server_name
    return host.strip("[]")
