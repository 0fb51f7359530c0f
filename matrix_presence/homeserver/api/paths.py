"""Where the client-server API lives: the same endpoints under each version's prefix."""

from __future__ import annotations

from collections.abc import Sequence

from matrix_presence.web.call import Endpoint
from matrix_presence.web.routes import Router

#: The versions under which endpoints are found that have always been there.
VERSIONS = ("r0", "v3", "unstable")
#: Those of endpoints that are older than r0.
EVERY_VERSION = (*VERSIONS, "api/v1")


def client_paths(path: str, versions: Sequence[str] = VERSIONS) -> list[str]:
    """The templates of this path under each of these versions."""
    return [f"_matrix/client/{version}/{path}" for version in versions]


def serve(
    router: Router,
    method: str,
    path: str,
    endpoint: Endpoint,
    versions: Sequence[str] = VERSIONS,
) -> None:
    """Answer this method of this path under each of these versions."""
    for template in client_paths(path, versions):
        router.add(method, template, endpoint)


def serve_everywhere(
    router: Router, method: str, path: str, endpoint: Endpoint
) -> None:
    """The same under every version, for what clients of api/v1 know."""
    serve(router, method, path, endpoint, EVERY_VERSION)
