"""Sending messages to devices."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import attrs

from matrix_presence.errors import BadJson
from matrix_presence.homeserver.account import Account
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.api.arguments import checked_id, mapping
from matrix_presence.homeserver.api.paths import serve
from matrix_presence.homeserver.authentication import Authentication
from matrix_presence.homeserver.inbox import Address, Event
from matrix_presence.interfaces import Requester
from matrix_presence.web.call import Answer, Call
from matrix_presence.web.routes import Router

#: Of the requests of all clients, the last so many are not carried out twice.
_REMEMBERED = 10_000

_Request = tuple[str, str | None, str, str]


@attrs.frozen
class ToDeviceEndpoints:
    """`/sendToDevice/…`."""

    accounts: Accounts
    authentication: Authentication
    _done: OrderedDict[_Request, None] = attrs.Factory(OrderedDict)

    async def send(self, call: Call) -> Answer:
        """Put messages into the inboxes of local devices; others do not exist."""
        requester = self.authentication.requester(call.request)
        messages = mapping(call.json(), "messages")
        type_ = checked_id(call.params["type"], "type")
        events = self._events(messages, type_, requester.user_id)
        if self._is_new(requester, type_, call.params["txn_id"]):
            await self.accounts.inbox.send(events)
        return 200, {}

    def _events(
        self, messages: dict[str, Any], type_: str, sender: str
    ) -> dict[Address, Event]:
        """The events by the devices that they are for, `*` being all of a user."""
        events = {}
        for user_id, by_device in messages.items():
            if not isinstance(by_device, dict):
                raise BadJson("'messages' must hold objects")
            account = self.accounts.account(user_id)
            for device_id, content in by_device.items():
                if not isinstance(content, dict):
                    raise BadJson("The content of a message must be an object")
                event = {"type": type_, "sender": sender, "content": content}
                for name in _named(account, device_id):
                    events[user_id, name] = event
        return events

    def _is_new(self, requester: Requester, type_: str, txn_id: str) -> bool:
        """Whether this is no repetition by a client that did not read the answer."""
        request = (requester.user_id, requester.device_id, type_, txn_id)
        if request in self._done:
            return False
        self._done[request] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        return True


def _named(account: Account | None, device_id: str) -> list[str]:
    """The devices of this account that go by this name."""
    if account is None:
        return []
    if device_id == "*":
        return list(account.devices)
    return [device_id] if device_id in account.devices else []


def add_routes(
    router: Router, accounts: Accounts, authentication: Authentication
) -> None:
    """Serve messages to devices."""
    endpoints = ToDeviceEndpoints(accounts, authentication)
    serve(router, "PUT", "sendToDevice/{type}/{txn_id}", endpoints.send)
