"""All endpoints that need nothing but accounts."""

from __future__ import annotations

from collections.abc import Callable, Collection

from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api import (
    account,
    account_data,
    devices,
    directory,
    discovery,
    filters,
    keys,
    login,
    profile,
    push_rules,
    register,
    to_device,
)
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.federated.people import RemotePeople
from matrix_presence.web.routes import Router

_GROUPS = (
    account,
    account_data,
    devices,
    directory,
    filters,
    login,
    push_rules,
    to_device,
)


def add_routes(
    router: Router,
    accounts: Accounts,
    authentication: Authentication,
    offer: discovery.Offer,
    *,
    open_registration: bool,
    position_of_token: Callable[[str], int],
    neighbours: Callable[[str], Collection[str]],
    people: RemotePeople | None = None,
) -> None:
    """Serve them all.

    Args:
        position_of_token: the position of account data inside a `since` token of
            /sync; raises InvalidParam where the token is none.
        neighbours: who shares a room with a user.
        people: knows users of other servers; None for a server on its own.
    """
    for group in _GROUPS:
        group.add_routes(router, accounts, authentication)
    register.add_routes(
        router, accounts, authentication, open_registration=open_registration
    )
    profile.add_routes(router, accounts, authentication, people)
    keys.add_routes(
        router, accounts, authentication, position_of_token, neighbours, people
    )
    discovery.add_routes(router, offer, authentication)
