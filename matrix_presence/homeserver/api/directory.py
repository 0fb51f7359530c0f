"""Finding users by their names."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import text, whole_number
from matrix_presence.homeserver.api.paths import serve
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

_USUAL, _MOST = 10, 50


@attrs.frozen
class DirectoryEndpoints:
    """`/user_directory/search`."""

    accounts: Accounts
    authentication: Authentication

    async def search(self, call: Call) -> Answer:
        """Local users whose id or name contains the term.

        Everybody who has an account can be found: this is a server to try things on.
        """
        requester = self.authentication.member(call.request)
        body = call.json()
        term = text(body, "search_term").casefold().removeprefix("@")
        limit = max(1, min(whole_number(body, "limit", _USUAL), _MOST))
        results: list[dict[str, Any]] = []
        limited = False
        for user_id in self.accounts.user_ids():
            profile = self.accounts.profile(user_id)
            names = (user_id, profile.displayname or "")
            if user_id == requester.user_id or not any(
                term in name.casefold() for name in names
            ):
                continue
            if len(results) == limit:
                limited = True
                break
            values = {"user_id": user_id, "display_name": profile.displayname}
            values["avatar_url"] = profile.avatar_url
            results.append({key: one for key, one in values.items() if one is not None})
        return 200, {"results": results, "limited": limited}


def add_routes(
    router: Router, accounts: Accounts, authentication: Authentication
) -> None:
    """Serve the user directory."""
    endpoints = DirectoryEndpoints(accounts, authentication)
    serve(router, "POST", "user_directory/search", endpoints.search)
