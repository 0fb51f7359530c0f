"""Endpoints whose path names the user: it has to be the one who asks."""

from __future__ import annotations

from matrix_presence.errors import Forbidden
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Call


def owner(authentication: Authentication, call: Call) -> Requester:
    """The requester, who is the `user_id` of the path.

    Raises:
        Forbidden: the path names somebody else; and what `member` raises.
    """
    requester = authentication.member(call.request)
    if requester.user_id != call.params["user_id"]:
        raise Forbidden("This belongs to somebody else")
    return requester
