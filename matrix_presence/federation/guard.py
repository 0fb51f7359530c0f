"""Keeps connections to other servers away from addresses that are not public.

Names of servers come from anybody. Without this, whoever sends us one could have us
knock at the doors of our own network. It stands where a name has become an address, so
that no name, SRV record or redirect leads round it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from zope.interface import implementer

#: IPv4 addresses for those who have none (RFC 6052).
_TRANSLATED = IPv6Network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether this is the address of a host on the internet, of either version."""
    try:
        address: IPv4Address | IPv6Address | None = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    while isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None:
            break
        address = inner
    assert address is not None
    return address.is_global and not address.is_multicast


@implementer(IHostnameResolver)
class GuardedResolver:
    """Passes on the addresses that another resolver finds, but for those refused."""

    def __init__(
        self, resolver: IHostnameResolver, allowed: Callable[[str], bool]
    ) -> None:
        self._resolver = resolver
        self._allowed = allowed

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Like any resolver; a name with refused addresses only has none."""
        return self._resolver.resolveHostName(
            _Sieve(resolutionReceiver, self._allowed),
            hostName,
            portNumber,
            addressTypes,
            transportSemantics,
        )


@implementer(IResolutionReceiver)
class _Sieve:
    def __init__(
        self, receiver: IResolutionReceiver, allowed: Callable[[str], bool]
    ) -> None:
        self._receiver = receiver
        self._allowed = allowed
        self.resolutionBegan = receiver.resolutionBegan
        self.resolutionComplete = receiver.resolutionComplete

    def addressResolved(self, address: IAddress) -> None:
        if self._allowed(getattr(address, "host", "")):
            self._receiver.addressResolved(address)


@implementer(IReactorPluggableNameResolver)
class GuardedReactor:
    """The reactor, with a resolver that keeps to `allowed` addresses."""

    def __init__(self, reactor: Any, allowed: Callable[[str], bool]) -> None:
        self._reactor = reactor
        self.nameResolver = GuardedResolver(reactor.nameResolver, allowed)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Not here: whoever wants another one asks the reactor itself.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("the resolver of a guarded reactor stays")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)
