"""What other servers ask about our users, their devices, and how rooms are found."""

from __future__ import annotations

import attrs

from matrix_presence.errors import BadJson, InvalidParam, MissingParam, NotFound
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import mapping
from matrix_presence.homeserver.device_queries import identities, read_claim
from matrix_presence.homeserver.federated.resident import Resident
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.homeserver.room_list import page_of, read_query, read_search
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

_PROFILE = ("displayname", "avatar_url")
#: Servers named that know a room.
_MOST_SERVERS = 50


@attrs.frozen
class Lookups:
    """Tells all that."""

    resident: Resident
    accounts: Accounts
    directory: RoomDirectory

    async def profile(self, call: Call) -> Answer:
        """The profile of a user of ours, or one key of it."""
        await self.resident.asks(call)
        user_id = _asked_for(call, "user_id")
        if not self.accounts.exists(user_id):
            raise NotFound("There is no such user here")
        field = call.query("field")
        if field is not None and field not in _PROFILE:
            raise InvalidParam(f"'field' must be one of {', '.join(_PROFILE)}")
        profile = self.accounts.profile(user_id)
        values = {key: getattr(profile, key) for key in _PROFILE}
        return 200, {
            key: value
            for key, value in values.items()
            if value is not None and field in (None, key)
        }

    async def alias(self, call: Call) -> Answer:
        """The room of an alias of ours, and servers that are in it."""
        await self.resident.asks(call)
        room = self.directory.room_of(_asked_for(call, "room_alias"))
        own = self.resident.rooms.server_name
        most = [name for name, _ in room.servers.most_common(_MOST_SERVERS)]
        return 200, {
            "room_id": room.room_id,
            "servers": list(dict.fromkeys([own, *most])),
        }

    async def devices(self, call: Call) -> Answer:
        """All devices of a user of ours."""
        await self.resident.asks(call)
        user_id = call.params["user_id"]
        account = self.accounts.account(user_id)
        if account is None or not self.accounts.exists(user_id):
            raise NotFound("There is no such user here")
        described = []
        for device_id, keys in identities(self.accounts, user_id, []).items():
            said = {"device_id": device_id, "keys": keys}
            name = account.devices[device_id].display_name
            if name is not None:
                said["device_display_name"] = name
            described.append(said)
        return 200, {
            "user_id": user_id,
            "stream_id": self.accounts.position,
            "devices": described,
        }

    async def query_keys(self, call: Call) -> Answer:
        """The identity keys of all or some devices of these users of ours."""
        _, body = await self.resident.brings(call)
        found = {}
        for user_id, device_ids in mapping(body, "device_keys").items():
            if not isinstance(device_ids, list):
                raise BadJson("'device_keys' must hold arrays of device ids")
            if self.accounts.exists(user_id):
                found[user_id] = identities(self.accounts, user_id, device_ids)
        return 200, {"device_keys": found}

    async def claim_keys(self, call: Call) -> Answer:
        """A one-time key of each of these devices."""
        _, body = await self.resident.brings(call)
        found: dict[str, dict[str, object]] = {}
        for user_id, device_id, algorithm in read_claim(body):
            key = await self.accounts.keys.claim(user_id, device_id, algorithm)
            if key is not None:
                found.setdefault(user_id, {})[device_id] = key
        return 200, {"one_time_keys": found}

    async def public_rooms(self, call: Call) -> Answer:
        """The rooms that we list, a page at a time."""
        await self.resident.asks(call)
        return 200, page_of(self.directory, read_query(call))

    async def search_rooms(self, call: Call) -> Answer:
        """Those of them that fit."""
        _, body = await self.resident.brings(call)
        return 200, page_of(self.directory, read_search(body))


def _asked_for(call: Call, name: str) -> str:
    value = call.query(name)
    if value is None:
        raise MissingParam(f"{name!r} is missing")
    return value


def add_routes(
    router: Router, resident: Resident, accounts: Accounts, directory: RoomDirectory
) -> None:
    """Serve questions."""
    lookups = Lookups(resident, accounts, directory)
    for method, path, endpoint in (
        ("GET", "query/profile", lookups.profile),
        ("GET", "query/directory", lookups.alias),
        ("GET", "user/devices/{user_id}", lookups.devices),
        ("POST", "user/keys/query", lookups.query_keys),
        ("POST", "user/keys/claim", lookups.claim_keys),
        ("GET", "publicRooms", lookups.public_rooms),
        ("POST", "publicRooms", lookups.search_rooms),
    ):
        router.add(method, f"_matrix/federation/v1/{path}", endpoint)
