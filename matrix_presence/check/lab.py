"""What all checks of one run share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import attrs

from matrix_presence.check.accounts import AccountSource
from matrix_presence.check.appservice import AppService
from matrix_presence.check.conversation import Conversation
from matrix_presence.check.peer.peers import Peers
from matrix_presence.check.registry import Need
from matrix_presence.check.target import Target
from matrix_presence.check.timers import Timers
from matrix_presence.check.verdicts import Skipped

#: Why a check is skipped that needs what is not there.
MISSING = {
    Need.NEW_ACCOUNT: "needs new accounts: give --register or --shared-secret",
    Need.PEER: "needs a server that the target federates with: give --federation",
    Need.APPSERVICE: "needs an application service: give --as-token",
    Need.RESTART: "needs a restart of the target: give --restart",
}


async def _cannot_restart() -> None:
    raise Skipped(MISSING[Need.RESTART])


@attrs.define
class Lab:
    """The target, what is known of it, and what we have brought along."""

    target: Target
    timers: Timers
    source: AccountSource
    #: What there is, of what checks can need.
    has: Collection[Need] = ()
    #: The servers of ours that federate with the target; None without `--federation`.
    peers: Peers | None = None
    #: As whom we act; None without `--as-token`.
    appservice: AppService | None = None
    #: Restarts the target; for checks that have said to need it.
    restart: Callable[[], Awaitable[None]] = _cannot_restart
    #: Tokens that must not be shown.
    secrets: set[str] = attrs.field(factory=set)

    def conversation(self) -> Conversation:
        """A new one, of which nothing has been said yet."""
        return Conversation(self.target, self.secrets)
