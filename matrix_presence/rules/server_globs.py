"""Which servers a list of globs means.

`*` stands for any characters and `?` for one, as in `m.room.server_acl`; case makes no
difference. A glob is held against the whole name and against the name without its port,
so that who lists a host means it on any port.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any

Admits = Callable[[str], bool]
"""Whether a server of this name is one to deal with."""

_PORT = re.compile(r":[0-9]*\Z")


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
    if host.startswith("["):
        return True
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def host_of(server_name: str) -> str:
    """The name without its port."""
    return _PORT.sub("", server_name)


def glob_matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Whether a text is meant by any of these globs, in whatever case."""
    patterns = [glob.lower().split("*") for glob in globs]

    def matches(text: str) -> bool:
        folded = text.lower()
        return any(_fits(parts, folded) for parts in patterns)

    return matches


def _matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    matches = glob_matcher(globs)
    return lambda name: matches(name) or matches(host_of(name))


def _fits(parts: list[str], text: str) -> bool:
    """Whether a glob, parted at its stars, fits all of the text.

    No regular expression: anybody who may set the state of a room writes globs, and one
    of many stars would be tried for ever. What has been fitted up to a star stays so,
    which costs the one length times the other at most.
    """
    first, *others = parts
    if not others:
        return len(first) == len(text) and _fits_at(first, text, 0)
    *middle, last = others
    at, ends = len(first), len(text) - len(last)
    if ends < at or not (_fits_at(first, text, 0) and _fits_at(last, text, ends)):
        return False
    for part in middle:
        while not _fits_at(part, text, at):
            at += 1
            if at + len(part) > ends:
                return False
        at += len(part)
    return at <= ends


def _fits_at(part: str, text: str, at: int) -> bool:
    """Whether these characters, some of them a question mark, stand there."""
    if "?" not in part:
        return text.startswith(part, at)
    there = text[at : at + len(part)]
    return len(there) == len(part) and all(
        wanted in ("?", found) for wanted, found in zip(part, there, strict=True)
    )
