"""What an endpoint string says about who can reach it, before anything listens.

Twisted makes endpoints from these strings but does not tell what is in them. Only what
`serve` has to know is read here; whether the string is right is Twisted's to say.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

import attrs

_PART = re.compile(r"(?:\\.|[^:\\])+", re.DOTALL)
_NAMED = re.compile(r"([A-Za-z]+)=(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

#: What the parts without a name are, by the kind of endpoint.
_UNNAMED = {
    "tcp": ("port", "interface"),
    "tcp6": ("port", "backlog", "interface"),
    "ssl": ("port", "privateKey", "certKey", "sslmethod", "interface"),
    "tls": ("path", "port", "backlog", "interface"),
}
_ENCRYPTED = frozenset({"ssl", "tls"})
_ALL_INTERFACES = frozenset({"", "0.0.0.0", "::"})


@attrs.frozen
class Address:
    """Where one endpoint can be reached."""

    #: `tcp`, `ssl`, `unix`, …
    kind: str
    #: None where the endpoint has no port that can be known beforehand.
    port: int | None
    #: Empty for all interfaces.
    interface: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect.

        A unix socket does not count: it is there for a reverse proxy, and behind that
        may be anybody.
        """
        if self.port is None:
            return False
        if self.interface == "localhost":
            return True
        try:
            return ip_address(self.interface).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str | None:
        """What a client on this machine connects to; None without a port."""
        if self.port is None:
            return None
        scheme = "https" if self.kind in _ENCRYPTED else "http"
        host = "localhost" if self.interface in _ALL_INTERFACES else self.interface
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


def address_of(endpoint: str) -> Address:
    """What an endpoint string such as `tcp:8008:interface=127.0.0.1` says."""
    kind, *parts = _PART.findall(endpoint) or [""]
    unnamed = iter(_UNNAMED.get(kind, ()))
    values: dict[str, str] = {}
    for part in parts:
        named = _NAMED.fullmatch(part)
        name, value = named.groups() if named else (next(unnamed, ""), part)
        values[name] = _ESCAPE.sub(r"\1", value)
    port = values.get("port", "443" if kind == "tls" else "")
    if kind not in _UNNAMED or not re.fullmatch("[0-9]{1,5}", port):
        return Address(kind, None)
    return Address(kind, int(port), values.get("interface", ""))
