"""Storing /sync filters."""

from __future__ import annotations

import attrs

from matrix_presence.errors import NotFound
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.own import owner
from matrix_presence.homeserver.api.paths import serve
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router


@attrs.frozen
class FilterEndpoints:
    """`/user/{user_id}/filter`."""

    accounts: Accounts
    authentication: Authentication

    async def add(self, call: Call) -> Answer:
        """The id of a filter, which /sync takes in its place."""
        user_id = owner(self.authentication, call).user_id
        filter_id = await self.accounts.filters.add(user_id, call.json())
        return 200, {"filter_id": filter_id}

    async def get(self, call: Call) -> Answer:
        """The filter of an id."""
        user_id = owner(self.authentication, call).user_id
        found = self.accounts.filter(user_id, call.params["filter_id"])
        if found is None:
            raise NotFound("You have no such filter")
        return 200, found


def add_routes(
    router: Router, accounts: Accounts, authentication: Authentication
) -> None:
    """Serve filters."""
    endpoints = FilterEndpoints(accounts, authentication)
    serve(router, "POST", "user/{user_id}/filter", endpoints.add)
    serve(router, "GET", "user/{user_id}/filter/{filter_id}", endpoints.get)
