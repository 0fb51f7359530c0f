"""`GET` and `PUT …/presence/{userId}/status` (A-1…A-3, A-20…A-48)."""

from __future__ import annotations

from functools import partial

from matrix_presence.config import PresenceConfig
from matrix_presence.errors import Forbidden, GuestForbidden, NotFound, Suspended
from matrix_presence.handler import PresenceHandler
from matrix_presence.ids import checked_user_id, server_of
from matrix_presence.interfaces import IHomeserver, Requester
from matrix_presence.view import PresenceView
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router
from matrix_presence.wire.content import MODERN, Era
from matrix_presence.wire.requests import modern_states, old_states, parse_status

#: Where clients of any age look for it (A-1…A-3).
VERSIONS = ("v3", "r0", "unstable", "api/v1")
_DONE = b"{}"


def _done(_: None) -> bytes:
    return _DONE


class StatusEndpoints:
    """The two methods of the status endpoint."""

    def __init__(
        self,
        homeserver: IHomeserver,
        handler: PresenceHandler,
        view: PresenceView,
        config: PresenceConfig,
    ) -> None:
        self._homeserver = homeserver
        self._handler = handler
        self._view = view
        self._config = config
        self._states = modern_states(busy=config.busy)
        self._old_states = old_states(busy=config.busy)

    def add_to(self, router: Router, prefix: str = "_matrix/client") -> None:
        """Answer under every version of the client API below `prefix`."""
        for version in VERSIONS:
            path = f"{prefix}/{version}/presence/{{user_id}}/status"
            self._add(router, path, version)

    def resource(self, version: str = "v3") -> Router:
        """The same as a resource of its own, for a host with its own resource tree.

        Mount one where `…/presence` is to be found, for each version that is served.
        """
        router = Router()
        self._add(router, "{user_id}/status", version)
        return router

    def _add(self, router: Router, path: str, version: str) -> None:
        era = self._view.era(version)
        if era is MODERN:
            router.add("GET", path, self.get)
            router.add("PUT", path, self.put)
        else:
            router.add("GET", path, partial(self.get, era=era))
            router.add("PUT", path, partial(self.put, era=era))

    async def get(self, call: Call, era: Era = MODERN) -> Answer:
        """The status of a user, if the requester may see it."""
        requester = await self._requester(call)
        user_id = checked_user_id(call.params["user_id"])
        if self._config.enabled is False:
            return 200, {"presence": "offline"}
        content = None
        if user_id == requester.user_id or self._may_exist(user_id):
            content = self._view.status(requester.user_id, user_id, era)
        if content is None:
            # The same for somebody who does not exist.
            if self._config.hidden_status == 404:
                raise NotFound("There is no presence state for this user")
            raise Forbidden("You are not allowed to see their presence")
        return 200, content

    def _may_exist(self, user_id: str) -> bool:
        """Whether there is, as far as can be known, such a user (A-44, D-40)."""
        if server_of(user_id) != self._homeserver.server_name:
            return True
        return self._homeserver.is_local_user(user_id)

    async def put(self, call: Call, era: Era = MODERN) -> Answer:
        """Set the requester's own status; answered when it is on disk."""
        requester = await self._requester(call)
        user_id = call.params["user_id"]
        if user_id != requester.user_id:
            checked_user_id(user_id)
            raise Forbidden("You cannot set the presence state of another user")
        if requester.is_suspended:
            raise Suspended("A suspended user cannot set a status")
        states = self._old_states if era.is_old else self._states
        presence, status_msg = parse_status(
            call.json(), states, self._config.status_msg_limit
        )
        if self._config.enabled is not True:
            if self._config.enabled is False and self._config.disabled_put == 403:
                raise Forbidden("Presence is switched off on this server")
            return _DONE
        stored = self._handler.set_status(requester, presence, status_msg)
        return stored.addCallback(_done)

    async def _requester(self, call: Call) -> Requester:
        requester = await self._homeserver.authenticate(call.request)
        if requester.is_guest:
            raise GuestForbidden("Guests have no presence")
        return requester
