"""The ports: what presence asks of a homeserver, a store and a federation link.

Values that cross a port are defined here too. Each port has a real and an in-memory
implementation (`matrix_presence.testing`), and one set of tests runs on both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.web.server import Request
from zope.interface import Attribute, Interface

from matrix_presence.rules.profiles import NO_PROFILE, Profile

__all__ = [
    "NO_PROFILE",
    "Batch",
    "DestinationRow",
    "DeviceRow",
    "IFederation",
    "IHomeserver",
    "IPositions",
    "IPresenceStore",
    "ListRow",
    "PresenceUnwanted",
    "Profile",
    "Requester",
    "StoreHead",
    "UserRow",
]


@attrs.frozen
class Requester:
    """Who sent a request, as the homeserver's authentication found out."""

    user_id: str
    #: None for application services and for tokens from before devices (A-30).
    device_id: str | None = None
    is_guest: bool = False
    #: An application service, as itself or as one of its users (A-12).
    is_appservice: bool = False
    #: May read, may not set a status (A-14).
    is_suspended: bool = False


class IHomeserver(Interface):
    """What presence asks of the homeserver it lives in.

    The other direction, what the homeserver *tells* presence, are the methods of
    `PresenceHandler`: `joined`, `left`, `active`, `profile_changed`, `logged_out`,
    `deactivated`, `ignores`.
    """

    server_name: str = Attribute("The name in user ids of this server's users.")

    async def authenticate(request: Request) -> Requester:
        """Who sent this request.

        Raises:
            MissingToken, UnknownToken, Locked: as client-server API (A-11, A-14).
            Forbidden: an application service names a user not in its namespace.
        """

    def profile(user_id: str) -> Profile:
        """The global profile of a local user, from memory; never blocks."""

    def is_local_user(user_id: str) -> bool:
        """Whether an account of this name exists here and is not deactivated."""


@attrs.frozen
class DeviceRow:
    """What is kept of one device over a restart."""

    device_id: str
    presence: str
    #: A `rules.devices.Hold`: 1 hidden by its syncs, 2 by an explicit offline (B-47),
    #: 3 kept for an application service (D-50), 0 none of these.
    hold: int
    last_active_ts: int


@attrs.frozen
class UserRow:
    """What is kept of one user over a restart. Times are epoch milliseconds."""

    user_id: str
    presence: str
    status_msg: str | None
    last_active_ts: int
    currently_active: bool
    #: The stream position of the user's last visible change.
    position: int
    displayname: str | None = None
    avatar_url: str | None = None
    devices: tuple[DeviceRow, ...] = ()


@attrs.frozen
class ListRow:
    """An entry of a presence list: who observes whom (A-72)."""

    observer: str
    observed: str
    #: None where there is no entry any more.
    accepted: bool | None
    #: False while the observer's server does not want to hear of it (C-20).
    wanted: bool = True
    #: Another server has yet to be told what the entry is now (C-24). A row that is
    #: neither an entry nor untold is not kept.
    untold: bool = False
    #: Since when the observed user is asked, epoch ms; 0 where they are not.
    asked_ts: int = 0


@attrs.frozen
class DestinationRow:
    """What is kept of another server over a restart. Times are epoch milliseconds."""

    server_name: str
    #: Failures in a row; 0 where it does not fail, and then the next two are 0 too.
    failures: int = 0
    failing_since: int = 0
    #: When it is tried again.
    retry_ts: int = 0
    #: Whether there is presence that it has not been told.
    owed: bool = False
    #: Until when it wants no presence (MSC4373); 0 where it does.
    unwanted_until: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to be kept: such a row is deleted."""
        return not (self.failures or self.owed or self.unwanted_until)


@attrs.frozen
class Batch:
    """One transaction of the presence store."""

    users: Sequence[UserRow] = ()
    #: Users of whom nothing is to be kept.
    forgotten: Sequence[str] = ()
    #: Every stream position up to this one may be handed out once this is stored.
    reserved: int = 0
    #: Each entry once.
    lists: Sequence[ListRow] = ()
    #: Each server once.
    destinations: Sequence[DestinationRow] = ()
    #: Servers that turned out to be old (X-9).
    old_servers: Sequence[str] = ()


@attrs.frozen
class StoreHead:
    """What a store knows of its last life."""

    #: No stream position above this one was ever handed out; if `clean`, the last.
    reserved: int
    #: The last run ended in order: everything it told anybody is also stored.
    clean: bool


class IPresenceStore(Interface):
    """Where presence survives a restart.

    All methods answer Deferreds that fire on the reactor thread.
    """

    def open() -> Deferred[StoreHead]:
        """Create or migrate the schema and mark the store as in use (not clean).

        An empty store answers `StoreHead(reserved=0, clean=True)`.
        """

    def load(after: str, limit: int) -> Deferred[Sequence[UserRow]]:
        """At most `limit` users in the order of their ids, those after `after`.

        Begin with `after=""`; an empty answer is the end. A stored row that cannot be
        read is logged and left out; it never stops the others.
        """

    def load_lists(after: tuple[str, str], limit: int) -> Deferred[Sequence[ListRow]]:
        """At most `limit` entries in the order of observer and observed.

        Those after the one that `after` names; begin with `("", "")`. An empty answer
        is the end. What cannot be read is left out, as with users.
        """

    def load_destinations(after: str, limit: int) -> Deferred[Sequence[DestinationRow]]:
        """At most `limit` servers in the order of their names, those after `after`.

        As `load`: begin with `after=""`; an empty answer is the end.
        """

    def load_old_servers() -> Deferred[Sequence[str]]:
        """The names of the servers that turned out to be old (X-9)."""

    def write(batch: Batch) -> Deferred[Collection[str]]:
        """Store the batch; the ids of users whose rows could not be written.

        One row that cannot be written never fails its neighbours. Batches are written
        in the order of the calls. Fails only when nothing at all could be stored; then
        none of it was.
        """

    def close(position: int | None) -> Deferred[None]:
        """Note how this life ends.

        `position` is the last one handed out, from which the next life goes on; None
        if not everything that was told has been written, so that it goes on above all
        that were reserved, and knows that it has to tell everything again.
        """


class PresenceUnwanted(Exception):
    """A destination has said that it wants no presence (MSC4373).

    Args:
        until: epoch ms; it may be asked again then.
    """

    def __init__(self, until: int) -> None:
        super().__init__("it wants no presence")
        self.until = until


class IFederation(Interface):
    """How EDUs reach other homeservers."""

    def send(destination: str, edus: Sequence[dict[str, Any]]) -> Deferred[None]:
        """Put these EDUs (`{"edu_type", "content"}`) into one transaction.

        Fires when the destination has answered 200; fails when it did not, with
        `PresenceUnwanted` when it wants no `m.presence` and got nothing at all. It is
        cancelled when nobody waits for the answer any more. There is never more than
        one under way for a destination (C-42). The EDUs may be a `wire.edu.Edus`,
        which has their canonical JSON and goes to many destinations as one object;
        they are not to be changed.
        """


class IPositions(Interface):
    """Where a tick gets its stream position from."""

    def current() -> int:
        """The last position handed out."""

    async def allocate() -> int:
        """A position greater than every one before, also before a restart."""
