"""Account data and tags."""

from __future__ import annotations

from typing import Any

import attrs

from matrix_presence.errors import BadJson, NotFound
from matrix_presence.homeserver.account_data import TAGS
from matrix_presence.homeserver.account_refusals import ServerControlled
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import checked_id
from matrix_presence.homeserver.api.own import owner
from matrix_presence.homeserver.api.paths import serve
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.push_rules import PUSH_RULES
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

#: These are changed by endpoints of their own.
_SERVER_CONTROLLED = frozenset({PUSH_RULES, "m.fully_read"})


@attrs.frozen
class AccountDataEndpoints:
    """`/user/{user_id}/account_data/…`, the same for rooms, and tags.

    What is of no room has the empty room id.
    """

    accounts: Accounts
    authentication: Authentication

    async def get(self, call: Call) -> Answer:
        """The account data of one type."""
        user_id = owner(self.authentication, call).user_id
        type_, room_id = call.params["type"], call.params.get("room_id", "")
        content = self.accounts.data.get(user_id, type_, room_id)
        if content is None and type_ == PUSH_RULES and not room_id:
            content = {"global": self.accounts.push_rules(user_id)}
        if content is None:
            raise NotFound("There is no account data of this type")
        return 200, content

    async def put(self, call: Call) -> Answer:
        """New account data of one type."""
        user_id = owner(self.authentication, call).user_id
        type_ = checked_id(call.params["type"], "type")
        room_id = _room(call) if "room_id" in call.params else ""
        if type_ in _SERVER_CONTROLLED:
            raise ServerControlled(f"{type_} is changed by endpoints of its own")
        await self.accounts.data.put(user_id, type_, call.json(), room_id)
        return 200, {}

    async def tags(self, call: Call) -> Answer:
        """The tags of a room."""
        user_id = owner(self.authentication, call).user_id
        return 200, {"tags": self._tags(user_id, call.params["room_id"])}

    async def tag(self, call: Call) -> Answer:
        """One more tag on a room."""
        user_id = owner(self.authentication, call).user_id
        body = call.json_or_empty()
        order = body.get("order", 0)
        if type(order) not in (int, float):
            raise BadJson("'order' must be a number")
        tag, room_id = checked_id(call.params["tag"], "tag"), _room(call)
        tags = {**self._tags(user_id, room_id), tag: body}
        await self.accounts.data.put(user_id, TAGS, {"tags": tags}, room_id)
        return 200, {}

    async def untag(self, call: Call) -> Answer:
        """One tag less on a room."""
        user_id = owner(self.authentication, call).user_id
        room_id = call.params["room_id"]
        tags = self._tags(user_id, room_id)
        left = {tag: info for tag, info in tags.items() if tag != call.params["tag"]}
        if left != tags:
            await self.accounts.data.put(user_id, TAGS, {"tags": left}, room_id)
        return 200, {}

    def _tags(self, user_id: str, room_id: str) -> dict[str, Any]:
        """The tags; a client may also have put anything else in their place."""
        content = self.accounts.data.get(user_id, TAGS, room_id) or {}
        tags = content.get("tags")
        return tags if isinstance(tags, dict) else {}


def _room(call: Call) -> str:
    """The room id of the path, which may be any room's."""
    room_id = checked_id(call.params["room_id"], "room_id")
    if not room_id.startswith("!"):
        raise BadJson("A room id begins with '!'")
    return room_id


def add_routes(
    router: Router, accounts: Accounts, authentication: Authentication
) -> None:
    """Serve account data and tags."""
    endpoints = AccountDataEndpoints(accounts, authentication)
    of_user, of_room = "user/{user_id}", "user/{user_id}/rooms/{room_id}"
    for of in (of_user, of_room):
        serve(router, "GET", f"{of}/account_data/{{type}}", endpoints.get)
        serve(router, "PUT", f"{of}/account_data/{{type}}", endpoints.put)
    serve(router, "GET", f"{of_room}/tags", endpoints.tags)
    serve(router, "PUT", f"{of_room}/tags/{{tag}}", endpoints.tag)
    serve(router, "DELETE", f"{of_room}/tags/{{tag}}", endpoints.untag)
