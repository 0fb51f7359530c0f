"""What other servers ask about our users and aliases."""

from __future__ import annotations

import attrs

from matrix_presence.errors import InvalidParam, MissingParam, NotFound
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.federated.resident import Resident
from matrix_presence.homeserver.room_directory import RoomDirectory
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

_PROFILE = ("displayname", "avatar_url")
#: Servers named that know a room.
_MOST_SERVERS = 50


@attrs.frozen
class Lookups:
    """Tells profiles and what aliases stand for."""

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
    router.add("GET", "_matrix/federation/v1/query/profile", lookups.profile)
    router.add("GET", "_matrix/federation/v1/query/directory", lookups.alias)
