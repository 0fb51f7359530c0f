"""Application services, as their registrations describe them.

Source: application service API, "Registration". Only what authentication needs:
nothing is sent to them from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen
class UserNamespace:
    """User ids that an application service may speak for."""

    regex: re.Pattern[str]
    #: Nobody else may register them.
    exclusive: bool = False


@attrs.frozen
class AppService:
    """One application service."""

    id: str
    #: The token with which it comes to us.
    as_token: str = attrs.field(repr=False)
    sender_localpart: str
    users: tuple[UserNamespace, ...] = ()

    def covers(self, user_id: str) -> bool:
        """Whether this user id is in its namespace."""
        return any(one.regex.match(user_id) for one in self.users)

    def owns(self, user_id: str) -> bool:
        """Whether this user id is in its namespace and in nobody else's."""
        return any(one.exclusive and one.regex.match(user_id) for one in self.users)


def parse_registration(registration: Mapping[str, Any]) -> AppService:
    """The application service that this registration file describes.

    Raises:
        ValueError: with one sentence about what is wrong with it.
    """
    texts: dict[str, str] = {}
    for key in ("id", "as_token", "sender_localpart"):
        value = registration.get(key)
        if not isinstance(value, str) or not value:
            raise ValueError(f"An application service needs a text for {key!r}")
        texts[key] = value
    namespaces = registration.get("namespaces") or {}
    users = namespaces.get("users", []) if isinstance(namespaces, dict) else None
    if not isinstance(users, list):
        raise ValueError(f"The namespaces of {texts['id']!r} are not lists")
    return AppService(
        texts["id"],
        texts["as_token"],
        texts["sender_localpart"],
        tuple(_namespace(one) for one in users),
    )


def _namespace(namespace: Any) -> UserNamespace:
    regex = namespace.get("regex") if isinstance(namespace, dict) else None
    if not isinstance(regex, str):
        raise ValueError("A namespace of an application service has no 'regex'")
    try:
        return UserNamespace(re.compile(regex), bool(namespace.get("exclusive")))
    except re.error as error:
        raise ValueError(f"{regex!r} is not a regular expression: {error}") from None
