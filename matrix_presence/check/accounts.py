"""Where the accounts come from that a run needs, and what becomes of them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, Protocol

import attrs

from matrix_presence.check.conversation import Conversation
from matrix_presence.check.exchange import Reply
from matrix_presence.check.person import Account
from matrix_presence.check.verdicts import CannotRun

_REGISTER = "/_matrix/client/v3/register"
_ADMIN_REGISTER = "/_synapse/admin/v1/register"


class AccountSource(Protocol):
    """Gives accounts, and takes them back."""

    @property
    def limit(self) -> int | None:
        """How many there are; None for as many as are asked for."""

    async def account(self, conversation: Conversation, part: str) -> Account:
        """One that nobody else has.

        Args:
            part: whose part it plays, such as `a`: it becomes a part of the name.

        Raises:
            CannotRun: there is none; with one sentence.
        """

    async def give_back(self, conversation: Conversation, account: Account) -> None:
        """It is not needed any more."""


@attrs.define
class Registered:
    """Accounts that are made for the run and deactivated after it."""

    #: Synapse's `registration_shared_secret`; None where anybody may register.
    shared_secret: str | None = None
    limit: int | None = None

    async def account(self, conversation: Conversation, part: str) -> Account:
        """A new one; see AccountSource."""
        name = f"check-{part}-{secrets.token_hex(5)}"
        password = secrets.token_urlsafe(16)
        conversation.secrets.add(password)
        if self.shared_secret is None:
            reply = await self._register(conversation, name, password)
        else:
            reply = await self._register_by_secret(
                conversation, name, password, self.shared_secret
            )
        found = reply.json
        if reply.status != 200 or not isinstance(found, dict):
            raise CannotRun(_refused(reply, by_secret=self.shared_secret is not None))
        return account_of(found, password, conversation)

    async def give_back(self, conversation: Conversation, account: Account) -> None:
        """Deactivate it."""
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": account.user_id},
            "password": account.password,
        }
        path = "/_matrix/client/v3/account/deactivate"
        token, asker = account.token, account.user_id
        reply = await conversation.ask(
            "POST", path, {"auth": auth}, token=token, asker=asker
        )
        if reply.status == 401 and isinstance(reply.json, dict):
            auth["session"] = reply.json.get("session")
            await conversation.ask("POST", path, {"auth": auth}, token=token)

    async def _register(
        self, conversation: Conversation, name: str, password: str
    ) -> Reply:
        body: dict[str, Any] = {
            "username": name,
            "password": password,
            "initial_device_display_name": "matrix-presence check",
        }
        dummy = {"type": "m.login.dummy"}
        reply = await conversation.ask("POST", _REGISTER, {**body, "auth": dummy})
        if reply.status == 401 and isinstance(reply.json, dict):
            # It wants to have been asked for a session first.
            auth = {**dummy, "session": reply.json.get("session")}
            reply = await conversation.ask("POST", _REGISTER, {**body, "auth": auth})
        return reply

    async def _register_by_secret(
        self, conversation: Conversation, name: str, password: str, secret: str
    ) -> Reply:
        reply = await conversation.ask("GET", _ADMIN_REGISTER)
        nonce = reply.json.get("nonce") if isinstance(reply.json, dict) else None
        if not isinstance(nonce, str):
            return reply
        mac = hmac.new(secret.encode(), digestmod=hashlib.sha1)
        mac.update("\0".join((nonce, name, password, "notadmin")).encode())
        body = {
            "nonce": nonce,
            "username": name,
            "password": password,
            "admin": False,
            "mac": mac.hexdigest(),
        }
        return await conversation.ask("POST", _ADMIN_REGISTER, body)


@attrs.define
class Given:
    """Accounts whose tokens were given to us; they are left as they are."""

    tokens: list[str]
    #: Where A and B of the cast that is being made are.
    _rooms: set[str] = attrs.field(factory=set)

    @property
    def limit(self) -> int | None:
        """So many are left."""
        return len(self.tokens)

    async def account(self, conversation: Conversation, part: str) -> Account:
        """That of the next token; see AccountSource."""
        if not self.tokens:
            raise CannotRun(
                "there are too few tokens: three are needed, for A, B and C"
            )
        token = self.tokens.pop(0)
        reply = await conversation.ask(
            "GET", "/_matrix/client/v3/account/whoami", token=token
        )
        found = reply.json
        if reply.status != 200 or not isinstance(found, dict):
            raise CannotRun(
                f"a token is not accepted: GET /account/whoami is answered "
                f"{reply.status} {reply.errcode}"
            )
        if found.get("is_guest"):
            raise CannotRun("a token is that of a guest, and guests have no presence")
        rooms = await _rooms_of(conversation, token)
        if part == "c" and rooms & self._rooms:
            raise CannotRun(
                "the user of a third token shares a room with one of the two before, "
                "and has to be a stranger to them"
            )
        self._rooms = rooms if part == "a" else rooms | self._rooms
        return account_of({**found, "access_token": token}, None, conversation)

    async def give_back(self, conversation: Conversation, account: Account) -> None:
        """Nothing: it was there before."""


async def _rooms_of(conversation: Conversation, token: str) -> set[str]:
    """The rooms that somebody is in, as far as the target says."""
    reply = await conversation.ask(
        "GET", "/_matrix/client/v3/joined_rooms", token=token
    )
    found = reply.json.get("joined_rooms") if isinstance(reply.json, dict) else None
    if not isinstance(found, list):
        return set()
    return {room_id for room_id in found if isinstance(room_id, str)}


def account_of(
    found: dict[str, Any], password: str | None, conversation: Conversation
) -> Account:
    """The account in what a registration or a login has answered.

    Raises:
        CannotRun: there is none in it.
    """
    user_id, token = found.get("user_id"), found.get("access_token")
    if not isinstance(user_id, str) or not isinstance(token, str):
        raise CannotRun("a login is answered without user_id or access_token")
    conversation.secrets.add(token)
    return Account(user_id, token, found.get("device_id"), password)


def _refused(reply: Reply, *, by_secret: bool) -> str:
    said = f"status {reply.status} {reply.errcode}".rstrip()
    if by_secret:
        return f"the shared secret makes no account: {said} from {_ADMIN_REGISTER}"
    return f"nobody can register: {said}; give --shared-secret, or --token three times"
