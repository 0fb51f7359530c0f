"""The yardstick: a twisted.web resource that answers `{}` and does nothing else.

    python -m contrib.bench.bare PORT [silent]

As `twisted.web.server.Site` serves it, access log included; `silent` without one,
which is the fastest that an unchanged twisted.web can be.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import Request, Site


class Bare(Resource):
    """`{}` to every path and the two methods that the bench uses."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """An empty JSON object."""
        request.setHeader(b"content-type", b"application/json")
        return b"{}"

    render_PUT = render_GET


class SilentSite(Site):
    """A site without an access log."""

    def log(self, request: http.Request) -> None:
        """Nothing is written."""


async def main(reactor: Any, port: str, log: str = "") -> None:
    """Serve until the process is told to end."""
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    await endpoint.listen((SilentSite if log == "silent" else Site)(Bare()))
    await Deferred()


if __name__ == "__main__":
    task.react(
        lambda reactor, *arguments: Deferred.fromCoroutine(main(reactor, *arguments)),
        sys.argv[1:],
    )
