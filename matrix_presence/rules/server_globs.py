"""Which servers a list of globs means.

`*` stands for any characters and `?` for one, as in `m.room.server_acl`; case makes no
difference. A glob is held against the whole name and against the name without its port,
so that who lists a host means it on any port.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

Admits = Callable[[str], bool]
"""Whether a server of this name is one to deal with."""

_PORT = re.compile(r":[0-9]{1,5}\Z")


def admission(allowed: Iterable[str] | None, denied: Iterable[str]) -> Admits:
    """Whether a server is on one list and not on the other; the other goes first.

    Args:
        allowed: globs of server names; None for every server.
        denied: globs of server names.
    """
    inside = None if allowed is None else _matcher(allowed)
    outside = _matcher(denied)

    def admits(server_name: str) -> bool:
        return not outside(server_name) and (inside is None or inside(server_name))

    return admits


def room_acl(content: Mapping[str, Any]) -> Admits:
    """Which servers the content of an `m.room.server_acl` event lets into its room.

    Without a list of those allowed nobody is. What is of a wrong type is not there.
    Source: client-server API, "Server access control lists (ACLs) for rooms".
    """
    allowed, denied = (
        glob_matcher(_texts(content.get(key))) for key in ("allow", "deny")
    )
    takes_literals = content.get("allow_ip_literals") is not False

    def admits(server_name: str) -> bool:
        host = host_of(server_name)
        if not takes_literals and _is_literal(host):
            return False
        return not denied(host) and allowed(host)

    return admits


def _texts(said: object) -> list[str]:
    return [one for one in said if type(one) is str] if type(said) is list else []


def _is_literal(host: str) -> bool:
    try:
        if host.startswith("["):
            IPv6Address(host[1:-1])
        else:
            IPv4Address(host)
    except ValueError:
        return False
    return True


def host_of(server_name: str) -> str:
    """The name without its port."""
    return _PORT.sub("", server_name)


def glob_matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Whether a text is meant by any of these globs."""
    parts = [_pattern(glob) for glob in globs]
    if not parts:
        return lambda text: False
    found = re.compile("|".join(parts), re.IGNORECASE | re.DOTALL).fullmatch
    return lambda text: found(text) is not None


def _matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    matches = glob_matcher(globs)
    return lambda name: matches(name) or matches(host_of(name))


def _pattern(glob: str) -> str:
    # Of several stars in a row one says it all, and the rest would cost time.
    parts = re.split(r"(\*+|\?)", glob)
    return "".join(
        ".*" if part.startswith("*") else "." if part == "?" else re.escape(part)
        for part in parts
    )
