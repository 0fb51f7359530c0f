"""Presence lists inside Synapse's client API, on the prefixes that ever had them.

The endpoints are those of `web.lists`; here they find out who asks, by Synapse's own
authentication, and whether a user exists, in Synapse's own database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from synapse import rest
from synapse.api.errors import Codes, SynapseError
from synapse.http.server import HttpServer
from synapse.logging.context import make_deferred_yieldable
from synapse.server import HomeServer
from twisted.internet.defer import Deferred
from twisted.web.server import Request
from zope.interface import implementer

from matrix_presence.errors import MatrixError
from matrix_presence.interfaces import NO_PROFILE, IHomeserver, Profile, Requester
from matrix_presence.synapse.accounts import Accounts
from matrix_presence.view import PresenceView
from matrix_presence.web.call import Call, Endpoint
from matrix_presence.web.lists import ListEndpoints
from matrix_presence.wire.lists import parse_list_update

_VARIABLE = re.compile(r"\\\{(\w+)\\\}")


@implementer(IHomeserver)
class SynapseHomeserver:
    """As much of a homeserver as the endpoints of presence lists ask for."""

    def __init__(self, homeserver: HomeServer, accounts: Accounts) -> None:
        self.server_name = homeserver.hostname
        self._auth = homeserver.get_auth()
        # Cached methods, which are typed by a plugin of Synapse's own.
        self._store: Any = homeserver.get_datastores().main
        self.is_local_user = accounts.exists

    async def authenticate(self, request: Request) -> Requester:
        """Who sent this request; Synapse itself refuses it otherwise."""
        asked: Any = request
        found = await self._auth.get_user_by_req(asked, allow_guest=True)
        user_id = found.user.to_string()
        return Requester(
            user_id,
            found.device_id,
            is_guest=found.is_guest,
            is_appservice=getattr(found, "app_service_id", None) is not None,
            is_suspended=await self._store.get_user_suspended_status(user_id),
        )

    def profile(self, user_id: str) -> Profile:
        """Nothing: a list tells nobody's name."""
        return NO_PROFILE


class _Paths:
    """Puts endpoints where Synapse looks for them."""

    def __init__(self, http_server: HttpServer, accounts: Accounts) -> None:
        self._http_server = http_server
        self._accounts = accounts

    def add(self, method: str, template: str, endpoint: Endpoint) -> None:
        """As `web.routes.Router.add`."""
        path = _VARIABLE.sub(r"(?P<\1>[^/]*)", re.escape(f"/{template}"))

        async def answer(request: Request, **params: str) -> tuple[int, Any]:
            call = Call(request, params)
            try:
                if method == "POST":
                    invited = parse_list_update(call.json()).invite
                    await self._accounts.look_up(invited)
                done = Deferred.fromCoroutine(_answered(endpoint, call))
                return await make_deferred_yieldable(done)
            except MatrixError as refusal:
                raise SynapseError(
                    refusal.status,
                    refusal.error,
                    Codes(refusal.errcode),
                    additional_fields=refusal.extra,
                ) from None

        pattern = re.compile(f"^{path}$")
        take: Any = answer
        self._http_server.register_paths(method, [pattern], take, "PresenceLists")


async def _answered(endpoint: Endpoint, call: Call) -> tuple[int, Any]:
    answer: Any = await endpoint(call)
    found: tuple[int, Any] = answer
    return found


def register_lists(http_server: HttpServer, homeserver: HomeServer) -> None:
    """Add the paths of presence lists, where presence is ours and has lists."""
    parts = getattr(homeserver.get_presence_handler(), "parts", None)
    if parts is None or not parts.lists.enabled or not parts.tracks:
        return
    endpoints = ListEndpoints(
        SynapseHomeserver(homeserver, parts.accounts),
        parts.lists,
        PresenceView(homeserver.get_reactor(), parts.cache, parts.config),
        on_v3=parts.config.presence_lists_on_v3,
    )
    paths: Any = _Paths(http_server, parts.accounts)
    endpoints.add_to(paths)


def _register(homeserver: HomeServer, http_server: HttpServer) -> None:
    register_lists(http_server, homeserver)


def install_lists() -> None:
    """Let every homeserver of this program ask for the paths of presence lists."""
    groups: dict[str, Iterable[Callable[..., None]]] = rest.SERVLET_GROUPS
    if _register not in groups["client"]:
        groups["client"] = (*groups["client"], _register)
