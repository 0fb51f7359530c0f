"""What we ask other servers about their users and what they list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard
from urllib.parse import quote, urlencode

import attrs

from matrix_presence.federation.client import BadAnswer, Bounds, FederationClient
from matrix_presence.ids import server_of
from matrix_presence.wire.canonical import canonical
from matrix_presence.wire.nesting import can_be_written

_V1 = "/_matrix/federation/v1"
#: The keys of hundreds of devices, or a page of rooms.
_LARGE = Bounds(4 * 1024 * 1024)
#: Keys of users are asked for while a client waits.
_KEYS = Bounds(4 * 1024 * 1024, patience=10.0)
_NAMES = ("displayname", "avatar_url")
#: Characters; what is longer is taken for nothing.
_LONGEST_NAME = 2048


@attrs.frozen
class PeopleRequests:
    """Asks other servers about their users.

    Every call raises `FederationError` when there is no answer that can be used.
    """

    client: FederationClient

    async def profile(self, user_id: str) -> dict[str, str]:
        """Name and picture of a user, as far as they are set."""
        asked = urlencode({"user_id": user_id})
        path = f"{_V1}/query/profile?{asked}"
        answer = await self.client.get(server_of(user_id), path)
        return {key: value for key in _NAMES if _is_name(value := answer.get(key))}

    async def device_keys(
        self, destination: str, wanted: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Any]]:
        """By kind of key, by user: what this server says of these users of its own.

        Args:
            wanted: by user, the devices; none for all.
        """
        body = canonical({"device_keys": {key: list(of) for key, of in wanted.items()}})
        path = f"{_V1}/user/keys/query"
        answer = await self.client.post(destination, path, body, _KEYS)
        kinds = ("device_keys", "master_keys", "self_signing_keys")
        return {kind: _by_user(answer, kind, wanted) for kind in kinds}

    async def claim_keys(
        self, destination: str, wanted: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Any]:
        """By user, by device: a one-time key of the algorithm that is wanted."""
        body = canonical(
            {"one_time_keys": {key: dict(of) for key, of in wanted.items()}}
        )
        path = f"{_V1}/user/keys/claim"
        answer = await self.client.post(destination, path, body, _KEYS)
        return _by_user(answer, "one_time_keys", wanted)

    async def devices(self, user_id: str) -> dict[str, Any]:
        """The devices of a user, with their keys."""
        path = f"{_V1}/user/devices/{quote(user_id, safe='')}"
        answer = await self.client.get(server_of(user_id), path, _LARGE)
        if type(answer.get("devices")) is not list:
            raise BadAnswer("there are no devices in the answer")
        return answer

    async def public_rooms(
        self, destination: str, wish: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A page of the rooms that this server lists.

        Args:
            wish: the body of `POST /publicRooms`.
        """
        path = f"{_V1}/publicRooms"
        answer = await self.client.post(
            destination, path, canonical(dict(wish)), _LARGE
        )
        if not can_be_written(answer):
            raise BadAnswer("the answer is nested too deeply")
        chunk = answer.get("chunk")
        if type(chunk) is not list or not all(type(room) is dict for room in chunk):
            raise BadAnswer("there is no list of rooms in the answer")
        return answer


def _is_name(value: object) -> TypeGuard[str]:
    """Whether this is the text of a name or a link, and no longer than such are."""
    return type(value) is str and len(value) <= _LONGEST_NAME


def _by_user(
    answer: Mapping[str, Any], kind: str, wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """What the answer says of those it was asked for, and of nobody else."""
    found = answer.get(kind)
    if type(found) is not dict:
        return {}
    return {
        user_id: said
        for user_id, said in found.items()
        if user_id in wanted and type(said) is dict and can_be_written(said)
    }
