"""Keys of devices: uploading, looking up, claiming, and what has changed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import attrs

from matrix_presence.errors import BadJson, InvalidParam, MissingParam, NotFound
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import checked_id, mapping
from matrix_presence.homeserver.api.paths import serve
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.device_queries import identities, read_claim
from matrix_presence.homeserver.federated.people import RemotePeople
from matrix_presence.ids import is_server_name, is_user_id, server_of
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

#: Keys in one upload; clients keep fifty on the server.
_MOST = 500


@attrs.frozen
class KeyEndpoints:
    """`/keys/…`, and `/room_keys/version`, as there is no backup of keys."""

    accounts: Accounts
    authentication: Authentication
    #: The position of account data inside a `since` token of /sync.
    position_of_token: Callable[[str], int]
    #: Who shares a room with a user.
    neighbours: Callable[[str], Collection[str]]
    #: Knows users of other servers; None for a server on its own.
    people: RemotePeople | None = None

    async def upload(self, call: Call) -> Answer:
        """Keep the requester's keys; the answer counts its one-time keys."""
        requester = self.authentication.requester(call.request)
        if requester.device_id is None:
            raise InvalidParam("Only a device has keys")
        body = call.json()
        identity = mapping(body, "device_keys", {})
        if identity:
            _refuse_others(identity, requester)
        await self.accounts.keys.upload(
            requester.user_id,
            requester.device_id,
            identity or None,
            _keys(body, "one_time_keys"),
            _keys(body, "fallback_keys"),
        )
        counts = self.accounts.otk_counts(requester.user_id, requester.device_id)
        return 200, {"one_time_key_counts": counts}

    async def query(self, call: Call) -> Answer:
        """The identity keys of all or some devices of these users."""
        self.authentication.requester(call.request)
        answer, remote = {}, {}
        for user_id, device_ids in mapping(call.json(), "device_keys").items():
            if not isinstance(device_ids, list):
                raise BadJson("'device_keys' must hold arrays of device ids")
            if self.accounts.exists(user_id):
                answer[user_id] = identities(self.accounts, user_id, device_ids)
            elif self._is_elsewhere(user_id):
                remote[user_id] = device_ids
        found: dict[str, Any] = {"device_keys": answer, "failures": {}}
        if self.people and remote:
            there, found["failures"] = await self.people.device_keys(remote)
            answer |= there.pop("device_keys", {})
            found |= there
        return 200, found

    async def claim(self, call: Call) -> Answer:
        """A one-time key of each of these devices."""
        self.authentication.requester(call.request)
        wanted = read_claim(call.json())
        answer: dict[str, dict[str, Any]] = {}
        remote: dict[str, dict[str, str]] = {}
        failures: dict[str, Any] = {}
        for user_id, device_id, algorithm in wanted:
            if self._is_elsewhere(user_id):
                remote.setdefault(user_id, {})[device_id] = algorithm
                continue
            key = await self.accounts.keys.claim(user_id, device_id, algorithm)
            if key is not None:
                answer.setdefault(user_id, {})[device_id] = key
        if self.people and remote:
            there, failures = await self.people.claim_keys(remote)
            answer |= there
        return 200, {"one_time_keys": answer, "failures": failures}

    async def changes(self, call: Call) -> Answer:
        """The users whose devices changed after a /sync; users who left are not named.

        What has changed until now is answered whatever `to` says: the client asks for
        keys that are newer, which it had to do anyway.
        """
        requester = self.authentication.requester(call.request)
        since, to = call.query("from"), call.query("to")
        if since is None or to is None:
            raise MissingParam("'from' and 'to' are needed")
        self.position_of_token(to)
        user_ids = {requester.user_id, *self.neighbours(requester.user_id)}
        changed = self.accounts.device_lists_changed(
            self.position_of_token(since), user_ids
        )
        return 200, {"changed": changed, "left": []}

    async def backup_version(self, call: Call) -> Answer:
        """There is no backup of keys."""
        self.authentication.member(call.request)
        raise NotFound("There is no backup of your keys")

    def _is_elsewhere(self, user_id: str) -> bool:
        """Whether another server is to be asked for the keys of this user."""
        server = server_of(user_id)
        return (
            self.people is not None
            and server != self.accounts.server_name
            and is_user_id(user_id)
            and is_server_name(server)
        )


def _refuse_others(identity: dict[str, Any], requester: Requester) -> None:
    """Do nothing, if these are the requester's own keys."""
    whose = (identity.get("user_id"), identity.get("device_id"))
    if whose != (requester.user_id, requester.device_id):
        raise InvalidParam("'device_keys' are of another device")
    for key in ("keys", "signatures"):
        mapping(identity, key)


def _keys(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Keys by `algorithm:id`."""
    keys = mapping(body, name, {})
    if len(keys) > _MOST:
        raise InvalidParam(f"At most {_MOST} keys are taken at a time")
    for key_id, key in keys.items():
        algorithm, _, name_of_key = checked_id(key_id, name).partition(":")
        if not (algorithm and name_of_key):
            raise InvalidParam(f"{name!r} must be named 'algorithm:id'")
        if not isinstance(key, str | dict):
            raise BadJson(f"{name!r} must be texts or objects")
    return keys


def add_routes(
    router: Router,
    accounts: Accounts,
    authentication: Authentication,
    position_of_token: Callable[[str], int],
    neighbours: Callable[[str], Collection[str]],
    people: RemotePeople | None,
) -> None:
    """Serve keys of devices."""
    endpoints = KeyEndpoints(
        accounts, authentication, position_of_token, neighbours, people
    )
    serve(router, "POST", "keys/upload", endpoints.upload)
    # Of r0: the device may be named in the path. The token says which one it is.
    serve(router, "POST", "keys/upload/{device_id}", endpoints.upload, ["r0"])
    serve(router, "POST", "keys/query", endpoints.query)
    serve(router, "POST", "keys/claim", endpoints.claim)
    serve(router, "GET", "keys/changes", endpoints.changes)
    serve(router, "GET", "room_keys/version", endpoints.backup_version)
