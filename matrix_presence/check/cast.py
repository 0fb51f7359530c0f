"""Those who play in the checks: A and B share a room, C shares none with them."""

from __future__ import annotations

from urllib.parse import quote

import attrs

from matrix_presence.check.accounts import AccountSource
from matrix_presence.check.conversation import Conversation
from matrix_presence.check.person import Account
from matrix_presence.check.verdicts import CannotRun

#: How many accounts a cast needs.
MEMBERS = 3


@attrs.frozen
class Cast:
    """Three accounts and a room; used by one check at a time."""

    a: Account
    b: Account
    c: Account
    #: Public; A made it, B joined it.
    room_id: str

    @classmethod
    async def make(cls, source: AccountSource, conversation: Conversation) -> Cast:
        """A new cast.

        Raises:
            CannotRun: the target does not let us; with one sentence.
        """
        accounts: list[Account] = []
        try:
            for part in "abc":
                accounts.append(await source.account(conversation, part))
            a, b, c = accounts
            return cls(a, b, c, await _shared_room(conversation, a, b))
        except BaseException:
            for account in accounts:
                await source.give_back(conversation, account)
            raise

    async def part(self, source: AccountSource, conversation: Conversation) -> None:
        """Leave the room and give the accounts back."""
        room = quote(self.room_id, "")
        for account in (self.b, self.a):
            for do in ("leave", "forget"):
                path = f"/_matrix/client/v3/rooms/{room}/{do}"
                await conversation.ask("POST", path, {}, token=account.token)
        for account in (self.a, self.b, self.c):
            await source.give_back(conversation, account)


async def _shared_room(conversation: Conversation, a: Account, b: Account) -> str:
    """The id of a new room of these two.

    Raises:
        CannotRun: the target does not let us; with one sentence.
    """
    room = {"preset": "public_chat", "name": "matrix-presence check"}
    room_id = (await _done(conversation, a, "createRoom", room)).get("room_id")
    if not isinstance(room_id, str):
        raise CannotRun("POST /createRoom is answered without a room_id")
    await _done(conversation, b, f"join/{quote(room_id, '')}", {})
    return room_id


async def _done(
    conversation: Conversation, account: Account, path: str, body: object
) -> dict[str, object]:
    reply = await conversation.ask(
        "POST",
        f"/_matrix/client/v3/{path}",
        body,
        token=account.token,
        asker=account.user_id,
    )
    if reply.status != 200 or not isinstance(reply.json, dict):
        what = path.partition("/")[0]
        raise CannotRun(
            f"A and B cannot share a room: POST /{what} is answered {reply.status} "
            f"{reply.errcode}".rstrip()
        )
    found: dict[str, object] = reply.json
    return found
