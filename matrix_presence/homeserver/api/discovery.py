"""What this server is and can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from matrix_presence.errors import NotFound
from matrix_presence.homeserver.api.paths import VERSIONS, serve, serve_everywhere
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.encoding import encoded
from matrix_presence.web.routes import Router

#: The versions of the specification whose endpoints are here, as far as this server
#: goes at all: some clients refuse one that does not name a version they know.
SPEC_VERSIONS = (
    *(f"r0.{minor}.{patch}" for minor, patch in ((0, 1), (1, 0), (2, 0), (3, 0))),
    *(f"r0.{minor}.{patch}" for minor, patch in ((4, 0), (5, 0), (6, 0), (6, 1))),
    *(f"v1.{minor}" for minor in range(1, 12)),
)


@attrs.frozen
class Offer:
    """What the server says of itself."""

    #: Where clients are to connect to; None where nobody knows.
    base_url: str | None
    #: `default` and `available`, as in `m.room_versions`.
    room_versions: Mapping[str, Any]
    #: Keys of `unstable_features`.
    unstable_features: Mapping[str, bool] = attrs.Factory(dict)
    #: More capabilities, such as `m.presence`.
    capabilities: Mapping[str, Any] = attrs.Factory(dict)
    #: Bytes of an upload; there are none.
    upload_size: int = 0


@attrs.frozen
class DiscoveryEndpoints:
    """`/versions`, `/capabilities`, `.well-known`, and what there is nothing of."""

    offer: Offer
    authentication: Authentication

    async def well_known(self, call: Call) -> Answer:
        """Where clients are to connect to."""
        if self.offer.base_url is None:
            raise NotFound("This server does not know its address")
        return 200, {"m.homeserver": {"base_url": self.offer.base_url}}

    async def versions(self, call: Call) -> Answer:
        """The versions of the specification."""
        return encoded(
            {
                "versions": SPEC_VERSIONS,
                "unstable_features": self.offer.unstable_features,
            }
        )

    async def capabilities(self, call: Call) -> Answer:
        """What the requester can do here."""
        self.authentication.requester(call.request)
        capabilities = {
            "m.change_password": {"enabled": True},
            "m.room_versions": self.offer.room_versions,
            "m.set_displayname": {"enabled": True},
            "m.set_avatar_url": {"enabled": True},
            "m.3pid_changes": {"enabled": False},
            "m.get_login_token": {"enabled": False},
            **self.offer.capabilities,
        }
        return 200, {"capabilities": capabilities}

    async def turn_server(self, call: Call) -> Answer:
        """No TURN server: calls go directly or not at all."""
        self.authentication.member(call.request)
        return 200, {}

    async def media_config(self, call: Call) -> Answer:
        """How large an upload may be."""
        self.authentication.member(call.request)
        return 200, {"m.upload.size": self.offer.upload_size}


def add_routes(router: Router, offer: Offer, authentication: Authentication) -> None:
    """Serve what the server says of itself."""
    endpoints = DiscoveryEndpoints(offer, authentication)
    router.add("GET", ".well-known/matrix/client", endpoints.well_known)
    router.add("GET", "_matrix/client/versions", endpoints.versions)
    serve(router, "GET", "capabilities", endpoints.capabilities)
    serve_everywhere(router, "GET", "voip/turnServer", endpoints.turn_server)
    serve(router, "GET", "media/config", endpoints.media_config, ["v1"])
    for version in VERSIONS:
        path = f"_matrix/media/{version}/config"
        router.add("GET", path, endpoints.media_config)
