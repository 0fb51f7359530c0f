"""Accounts and rooms on any homeserver, set up by plain blocking requests.

For everything that is not measured; what is measured goes through `load`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import attrs


@attrs.define
class Caller:
    """Blocking requests to one server, over one connection kept open."""

    port: int
    timeout: float = 30.0
    _connection: http.client.HTTPConnection | None = None

    def call(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> tuple[int, Any]:
        """The status and the JSON of the answer; a `bytes` body is sent as it is.

        A connection that the server closed meanwhile is opened again, once.
        """
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = self._ask(method, path, data, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self.close()
            answer = self._ask(method, path, data, headers)
        raw = answer.read()
        return answer.status, json.loads(raw) if raw else None

    def _ask(
        self, method: str, path: str, data: bytes | str | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                "127.0.0.1", self.port, self.timeout
            )
        try:
            self._connection.request(method, path, data, headers)
            return self._connection.getresponse()
        except BaseException:
            self.close()
            raise

    def wanted(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> Any:
        """The JSON of an answer that has to be a 200.

        Raises:
            RuntimeError: it was not.
        """
        status, answer = self.call(method, path, body, token)
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {answer}")
        return answer

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@attrs.frozen
class Account:
    """Someone who is registered and logged in."""

    user_id: str
    token: str
    device_id: str


def register(caller: Caller, localpart: str) -> Account:
    """A new account with one device, as a client registers it."""
    answer = caller.wanted(
        "POST",
        "/_matrix/client/v3/register",
        {
            "username": localpart,
            "password": "correct horse " + localpart,
            "auth": {"type": "m.login.dummy"},
        },
    )
    return Account(answer["user_id"], answer["access_token"], answer["device_id"])


def log_in(caller: Caller, localpart: str) -> Account:
    """A further device of an account that `register` made."""
    answer = caller.wanted(
        "POST",
        "/_matrix/client/v3/login",
        {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": localpart},
            "password": "correct horse " + localpart,
        },
    )
    return Account(answer["user_id"], answer["access_token"], answer["device_id"])


def share_a_room(caller: Caller, accounts: Sequence[Account]) -> str:
    """A public room that the first creates and the others join; its id."""
    creator, *others = accounts
    room_id: str = caller.wanted(
        "POST",
        "/_matrix/client/v3/createRoom",
        {"preset": "public_chat"},
        creator.token,
    )["room_id"]
    for account in others:
        path = f"/_matrix/client/v3/join/{quote(room_id, safe='')}"
        caller.wanted("POST", path, {}, account.token)
    return room_id


def status_path(user_id: str) -> str:
    """Where the presence of a user is read and set."""
    return f"/_matrix/client/v3/presence/{quote(user_id, safe='')}/status"
