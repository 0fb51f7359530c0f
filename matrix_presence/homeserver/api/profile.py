"""Names and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from matrix_presence.errors import (
    Forbidden,
    GuestForbidden,
    MissingParam,
    NotFound,
    Suspended,
)
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import optional_name
from matrix_presence.homeserver.api.paths import serve_everywhere
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.federated.people import RemotePeople
from matrix_presence.ids import server_of
from matrix_presence.web.call import Answer, Call, Endpoint
from matrix_presence.web.routes import Router

_KEYS = ("displayname", "avatar_url")


@attrs.frozen
class ProfileEndpoints:
    """`/profile/…`. Reading takes no token, except for users of other servers."""

    accounts: Accounts
    authentication: Authentication
    #: Knows users of other servers; None for a server on its own.
    people: RemotePeople | None = None

    async def whole(self, call: Call) -> Answer:
        """What is set of a user's profile."""
        return 200, await self._profile(call)

    def read(self, key: str) -> Endpoint:
        """The endpoint that reads one key of a profile."""

        async def endpoint(call: Call) -> Answer:
            profile = await self._profile(call)
            return 200, {key: profile[key]} if key in profile else {}

        return endpoint

    def write(self, key: str) -> Endpoint:
        """The endpoint that sets one key of the requester's profile."""

        async def endpoint(call: Call) -> Answer:
            self._refuse_others(call, key)
            body = call.json()
            if key not in body:
                raise MissingParam(f"{key!r} is missing")
            return await self._set(call, key, optional_name(body, key))

        return endpoint

    def erase(self, key: str) -> Endpoint:
        """The endpoint that unsets one key of the requester's profile."""

        async def endpoint(call: Call) -> Answer:
            self._refuse_others(call, key)
            return await self._set(call, key, None)

        return endpoint

    async def _set(self, call: Call, key: str, value: str | None) -> Answer:
        account = self.accounts.account(call.params["user_id"])
        if account is None:
            raise NotFound("You have no account")
        profile = attrs.evolve(account.profile, **{key: value or None})
        await self.accounts.set_profile(account, profile)
        return 200, {}

    async def _profile(self, call: Call) -> Mapping[str, Any]:
        user_id = call.params["user_id"]
        if self.people and server_of(user_id) != self.accounts.server_name:
            # Nobody has us ask others without saying who they are.
            self.authentication.requester(call.request)
            return await self.people.profile(user_id)
        if not self.accounts.exists(user_id):
            raise NotFound("There is no such profile")
        profile = self.accounts.profile(user_id)
        values = ((key, getattr(profile, key)) for key in _KEYS)
        return {key: value for key, value in values if value is not None}

    def _refuse_others(self, call: Call, key: str) -> None:
        requester = self.authentication.requester(call.request)
        if requester.is_guest and key != "displayname":
            raise GuestForbidden("Guests have no picture")
        if requester.user_id != call.params["user_id"]:
            raise Forbidden("You cannot change the profile of somebody else")
        if requester.is_suspended:
            raise Suspended("Your account is suspended")


def add_routes(
    router: Router,
    accounts: Accounts,
    authentication: Authentication,
    people: RemotePeople | None,
) -> None:
    """Serve profiles."""
    endpoints = ProfileEndpoints(accounts, authentication, people)
    serve_everywhere(router, "GET", "profile/{user_id}", endpoints.whole)
    for key in _KEYS:
        path = f"profile/{{user_id}}/{key}"
        serve_everywhere(router, "GET", path, endpoints.read(key))
        serve_everywhere(router, "PUT", path, endpoints.write(key))
        serve_everywhere(router, "DELETE", path, endpoints.erase(key))
