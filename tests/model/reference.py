"""The rules of presence once more, as plainly as they can be written.

Nothing is remembered here but what happened: each device is the list of what was done
with it, and what follows is worked out from the beginning whenever somebody asks. No
columns, no bitmaps, no timers, nothing that is updated. Slow, and hard to get wrong.

Times are epoch milliseconds, states go by their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from matrix_presence.interfaces import DeviceRow, Profile, UserRow

OFFLINE, UNAVAILABLE, ONLINE = "offline", "unavailable", "online"
CHAT, BUSY = "free_for_chat", "org.matrix.msc3026.busy"

#: The least available first; the greatest of the devices is the user's (B-5).
RANKS = (OFFLINE, UNAVAILABLE, ONLINE, CHAT, BUSY)
#: Busy is as available as online (B-4, B-5).
LEVELS = {OFFLINE: 0, UNAVAILABLE: 1, ONLINE: 2, CHAT: 3, BUSY: 2}

SECOND = 1000
GRANULARITY = 60 * SECOND
IDLE = 300 * SECOND
CONNECTED = 30 * SECOND
CONNECTED_BUSY = 3600 * SECOND


@attrs.define
class Says:
    """How a device stands after what has happened to it so far."""

    state: str = OFFLINE
    #: What activity brings it back to (B-49).
    comeback: str = ONLINE
    #: "no", "by sync" or "by status" (B-47).
    hides: str = "no"
    #: Its last activity; 0 for none.
    active: int = 0
    #: Its last contact.
    seen: int = 0
    #: Its syncs that have not returned.
    open: int = 0

    def let_go(self, now: int) -> None:
        """What it said is void once it is not connected any more (B-46, B-50)."""
        lasts = CONNECTED_BUSY if self.state == BUSY else CONNECTED
        if not self.open and now - self.seen >= lasts:
            self.state, self.comeback = OFFLINE, ONLINE

    def shows(self, now: int) -> str:
        """What it adds to its user: nothing in hiding, less when idle (B-40)."""
        if self.hides == "by status":
            return OFFLINE
        if self.state in (ONLINE, CHAT) and now - self.active >= IDLE:
            return UNAVAILABLE
        return self.state

    def put(self, state: str, now: int) -> None:
        """A status was set with it."""
        if state == OFFLINE:
            self.state, self.comeback, self.hides = OFFLINE, ONLINE, "by status"
            return
        before, after = LEVELS[self.shows(now)], LEVELS[state]
        if after > before or (after == before and state in (ONLINE, CHAT)):
            self.active = now  # B-14, X-4
        self.state, self.hides, self.seen = state, "no", now
        if state != UNAVAILABLE:
            self.comeback = state

    def sync_began(self, said: str | None, now: int) -> None:
        """A sync of it began with this `set_presence`."""
        if said == OFFLINE:
            if self.hides == "no":
                self.hides = "by sync"
            return
        self.open += 1
        self.seen = now
        if self.hides == "by status" and said != ONLINE:
            return
        before = self.state
        self.hides = "no"
        if before == BUSY:  # Only a status ends it (B-50).
            return
        if said == UNAVAILABLE:
            self.state = UNAVAILABLE
        elif said == ONLINE and before != CHAT:
            self.state = self.comeback = ONLINE
        elif said is None and before == UNAVAILABLE:
            self.state = self.comeback
        elif before == OFFLINE:
            self.state = self.comeback = ONLINE
        if LEVELS[self.state] > LEVELS[before]:
            self.active = now  # An edge (B-45).

    def sync_ended(self, now: int) -> None:
        """A sync of it returned."""
        self.open -= 1
        self.seen = now

    def acted(self, now: int) -> None:
        """A message, a receipt, typing (B-42, B-47, B-48)."""
        if self.hides != "no":
            return
        if self.state in (OFFLINE, UNAVAILABLE):
            self.state = self.comeback
        self.active = self.seen = now

    def restored(self, row: DeviceRow, user_state: str, now: int) -> None:
        """What a restart left of it; it has the usual time to come back (B-53)."""
        self.state = OFFLINE if user_state == OFFLINE else row.presence
        self.comeback = self.state if self.state in (ONLINE, CHAT, BUSY) else ONLINE
        self.hides = ("no", "by sync", "by status")[row.hold]
        self.active, self.seen = row.last_active_ts, now


@attrs.define(eq=False)
class Device:
    """One device: what happened to it, the oldest first."""

    history: list[tuple[int, str, tuple[Any, ...]]] = attrs.Factory(list)

    def note(self, now: int, what: str, *how: Any) -> None:
        """This happened now."""
        self.history.append((now, what, how))

    def at(self, now: int) -> Says:
        """How it stands now, from the beginning."""
        says = Says()
        for when, what, how in self.history:
            says.let_go(when)
            getattr(says, what)(*how, when)
        says.let_go(now)
        return says


@attrs.define(eq=False)
class User:
    """One account."""

    user_id: str
    devices: dict[str, Device] = attrs.Factory(dict)
    #: The activity of devices that are logged out, and of the registration.
    was_active: int = 0
    status_msg: str | None = None
    profile: Profile = attrs.Factory(Profile)
    gone: bool = False

    def device(self, device_id: str) -> Device:
        """A device of this user, new if need be."""
        return self.devices.setdefault(device_id, Device())

    def presence(self, now: int) -> str:
        """The most available of the devices (B-5)."""
        shown = [device.at(now).shows(now) for device in self.devices.values()]
        return max([OFFLINE, *shown], key=RANKS.index)

    def active(self, now: int) -> int:
        """The last activity of any device there ever was."""
        stamps = [device.at(now).active for device in self.devices.values()]
        return max([self.was_active, *stamps])

    def hides(self, now: int) -> bool:
        """Whether they are offline because they said so (B-47)."""
        said_so = any(d.at(now).hides == "by status" for d in self.devices.values())
        return said_so and self.presence(now) == OFFLINE

    def content(self, then: int, now: int, *, own: bool) -> dict[str, Any]:
        """The status: what it says as it was at `then`, the times as they are now."""
        presence, active = self.presence(then), self.active(now)
        content: dict[str, Any] = {"presence": ONLINE if presence == CHAT else presence}
        if active and (own or not self.hides(then)):
            content["last_active_ago"] = now - active
        if self.status_msg:
            content["status_msg"] = self.status_msg
        if presence in (ONLINE, CHAT):
            content["currently_active"] = then - active < GRANULARITY
        if presence == CHAT:
            content["org.matrix_presence.state"] = CHAT
        return content

    def log_out(self, device_id: str, now: int) -> None:
        """A device is no more; that its user was active stays true."""
        self.was_active = self.active(now)
        self.devices.pop(device_id, None)

    def deactivate(self) -> None:
        """Nothing is left of the account (D-40)."""
        self.devices.clear()
        self.status_msg, self.profile, self.gone = None, Profile(), True

    def restore(self, row: UserRow | None, now: int) -> None:
        """Be what a store has kept, and nothing else (B-53)."""
        self.devices.clear()
        self.was_active, self.status_msg, self.profile = 0, None, Profile()
        if row is None:
            return
        self.was_active, self.status_msg = row.last_active_ts, row.status_msg
        self.profile = Profile(row.displayname, row.avatar_url)
        for kept in row.devices:
            self.device(kept.device_id).note(now, "restored", kept, row.presence)


class Reference:
    """Users, rooms and lists of ignored users, each as a dict."""

    def __init__(self, user_ids: tuple[str, ...], silent: str) -> None:
        self.users = {user_id: User(user_id) for user_id in user_ids}
        self.rooms: dict[str, set[str]] = {}
        self.ignored: dict[str, set[str]] = {user_id: set() for user_id in user_ids}
        #: A room that carries no presence.
        self.silent = silent

    def sees(self, viewer: str, observed: str) -> bool:
        """Whether one may see the other (D-20 to D-22, D-31)."""
        if viewer == observed:
            return True
        return any(
            {viewer, observed} <= members
            for room, members in self.rooms.items()
            if room != self.silent
        )

    def is_told_of(self, viewer: str, observed: str) -> bool:
        """Whether one gets the events of the other (A-94)."""
        return self.sees(viewer, observed) and observed not in self.ignored[viewer]

    def told_of(self, viewer: str) -> Iterator[User]:
        """Everybody whose events this viewer gets."""
        for user_id, user in self.users.items():
            if not user.gone and self.is_told_of(viewer, user_id):
                yield user
