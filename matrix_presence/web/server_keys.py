"""What anybody may ask a server: its version, its keys, those of others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from matrix_presence.errors import BadJson, InvalidParam
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

VouchedFor = Callable[[Mapping[str, int]], Awaitable[list[dict[str, Any]]]]
"""The documents of servers, each by the time until which it should be valid."""


@attrs.frozen
class ServerKeyEndpoints:
    """Answers without asking who it is that asks.

    Args:
        document: our own keys, signed.
        vouched_for: the keys of others, signed by us too.
        version: of this software.
    """

    document: Callable[[], dict[str, Any]]
    vouched_for: VouchedFor
    version: str

    def add_to(self, router: Router) -> None:
        """Serve them, at the old paths with the id of a key too (C-60)."""
        keys = "_matrix/key/v2"
        router.add("GET", "_matrix/federation/v1/version", self.get_version)
        for path in ("server", "server/", "server/{key_id}"):
            router.add("GET", f"{keys}/{path}", self.get_own)
        for path in ("query/{server_name}", "query/{server_name}/{key_id}"):
            router.add("GET", f"{keys}/{path}", self.get_others)
        router.add("POST", f"{keys}/query", self.post_query)

    async def get_version(self, call: Call) -> Answer:
        """What software this is (C-63)."""
        return 200, {"server": {"name": "matrix_presence", "version": self.version}}

    async def get_own(self, call: Call) -> Answer:
        """Our keys; all of them, whichever was asked for (C-60)."""
        return 200, self.document()

    async def get_others(self, call: Call) -> Answer:
        """The keys of one server (C-62)."""
        text = call.query("minimum_valid_until_ts", "0")
        if not text.isdecimal() or len(text) > 16:
            raise InvalidParam("minimum_valid_until_ts is no time")
        wanted = {call.params["server_name"]: int(text)}
        return 200, {"server_keys": await self.vouched_for(wanted)}

    async def post_query(self, call: Call) -> Answer:
        """The keys of several servers (C-62)."""
        servers = call.json().get("server_keys")
        if not isinstance(servers, dict):
            raise BadJson("server_keys must be an object")
        wanted = {name: _until(keys) for name, keys in servers.items()}
        return 200, {"server_keys": await self.vouched_for(wanted)}


def _until(keys: object) -> int:
    """The latest time until which one of the keys is to be valid; 0 if none says it.

    Raises:
        BadJson: this is no object of objects.
    """
    if not isinstance(keys, dict) or not all(
        isinstance(wanted, dict) for wanted in keys.values()
    ):
        raise BadJson("server_keys must hold objects of objects")
    times = [wanted.get("minimum_valid_until_ts") for wanted in keys.values()]
    return max((time for time in times if type(time) is int), default=0)
