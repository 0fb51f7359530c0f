"""Asking a client to prove who uses it, in the middle of a request.

Source: client-server API, "User-Interactive Authentication API". Every flow here has
one stage, which the client completes in the very request it is for; so there is
nothing to remember of a session.
"""

from __future__ import annotations

import secrets
from typing import Any

from matrix_presence.errors import Forbidden, MatrixError
from matrix_presence.homeserver.account import Account
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import mapping, text
from matrix_presence.homeserver.usernames import named_user_id

DUMMY = "m.login.dummy"
PASSWORD = "m.login.password"


class ProofNeeded(MatrixError):
    """The client is to send the request again, with an `auth` of this stage."""

    status = 401

    def __init__(self, stage: str, refusal: MatrixError | None = None) -> None:
        super().__init__("More authentication is needed")
        self._stage = stage
        self._refusal = refusal

    def body(self) -> dict[str, Any]:
        """The flows, and why the last attempt failed if there was one."""
        return {
            "flows": [{"stages": [self._stage]}],
            "params": {},
            "session": secrets.token_urlsafe(12),
            "completed": [],
            **(self._refusal.body() if self._refusal else {}),
        }


def demand_dummy(body: dict[str, Any]) -> None:
    """Do nothing, if the client has said that it means it.

    Raises:
        ProofNeeded: it has not yet.
    """
    _auth_of(body, DUMMY)


async def demand_password(
    accounts: Accounts, account: Account, body: dict[str, Any]
) -> None:
    """Do nothing, if the user has typed the password of this account.

    Raises:
        ProofNeeded: not yet, or another one.
    """
    auth = _auth_of(body, PASSWORD)
    user_id = named_user_id(auth, accounts.server_name)
    fits = await accounts.password_fits(user_id, text(auth, "password"))
    if not fits or user_id != account.user_id:
        raise ProofNeeded(PASSWORD, Forbidden("The password is not right"))


def _auth_of(body: dict[str, Any], stage: str) -> dict[str, Any]:
    """The client's attempt at this stage."""
    auth = mapping(body, "auth", {})
    if auth.get("type") != stage:
        raise ProofNeeded(stage)
    return auth
