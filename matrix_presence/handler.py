"""PresenceHandler: every input comes in here, and only here does presence change.

What an input leads to is decided in `rules`; what it changed is put into the cache,
shown by the next tick and written to the store. Reading is in `matrix_presence.view`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pyroaring import BitMap

from matrix_presence.interfaces import Profile
from matrix_presence.rules.server_globs import room_acl
from matrix_presence.sync_inputs import SyncInputs
from matrix_presence.wire.edu import Update


class PresenceHandler(SyncInputs):
    """The presence of everybody this server knows.

    All methods are called on the reactor's thread. Their effects on what may be read
    are immediate; others see them from the next tick on. What devices do is in
    `DeviceInputs` and `SyncInputs`.
    """

    # What the homeserver tells.

    def registered(self, user_id: str) -> None:
        """A new account: active just now, though not connected (A-111)."""
        user = self.cache.users.intern(user_id)
        self.cache.gone.discard(user)
        self.cache.users.last_active_ts[user] = self.now()
        self._dirty.add(user)

    def joined(self, room_id: str, user_id: str) -> None:
        """A user joined a room."""
        rooms = self.cache.rooms
        room, user = rooms.intern(room_id), self.cache.users.intern(user_id)
        if rooms.join(room, user):
            if not self.cache.users.is_local[user]:
                self.cache.servers.joined(room, user, user_id)
                self.met(user_id)
            self._ticks.joined(room, user)

    def left(self, room_id: str, user_id: str) -> None:
        """A user is joined to a room no more: left, kicked or banned (A-95)."""
        rooms = self.cache.rooms
        room, user = rooms.intern(room_id), self.cache.users.intern(user_id)
        was_silent = rooms.is_silent(room)
        if rooms.leave(room, user) and not self.cache.users.is_local[user]:
            self.cache.servers.left(room, user_id, rooms.members[room])
        if was_silent and not rooms.is_silent(room):
            # Small enough again: its members come into sight as if they had joined.
            for member in rooms.members_of((room,)):
                self._ticks.joined(room, member)

    def server_acl(self, room_id: str, content: Mapping[str, Any] | None) -> None:
        """Which servers a room lets in; presence goes to no other because of it (C-13).

        Args:
            content: of the room's `m.room.server_acl` event; None if it has none.
        """
        cache = self.cache
        room = cache.rooms.intern(room_id)
        acl = None if content is None else room_acl(content)
        members = cache.rooms.members_of((room,))
        cache.servers.restrict(room, acl, members, cache.users.ids)

    def restore_room(self, room_id: str, user_ids: Iterable[str]) -> None:
        """Members that a room had before it was known here; nobody is told.

        All of them, or some after the others.
        """
        cache = self.cache
        users = [cache.users.intern(user_id) for user_id in user_ids]
        cache.rooms.restore(room_id, users)
        remote = [user for user in users if not cache.users.is_local[user]]
        room = cache.rooms.intern(room_id)
        for user in remote:
            user_id = cache.users.ids[user]
            cache.servers.joined(room, user, user_id)
            self.met(user_id)

    def profile_changed(self, user_id: str, profile: Profile) -> None:
        """The global name or picture of a user has changed (D-1).

        Told to everybody who sees the user, at once and whatever their state (D-7);
        it is no activity (D-6).
        """
        users = self.cache.users
        user = users.intern(user_id)
        if users.profile(user) != profile:
            users.profiles[user] = profile
            self._standings.announce(user)

    def logged_out(self, user_id: str, device_id: str | None) -> None:
        """A device is gone; None for all of them. What it stated ends now (B-52)."""
        user = self.cache.users.intern(user_id)
        devices = self.cache.devices
        for row in devices.rows(user):
            if device_id is None or devices.id_of(row) == device_id:
                devices.forget(user, row)
        self._postponed.forget(user, device_id)
        self._standings.refresh(user, self.now())

    def deactivated(self, user_id: str) -> None:
        """An account is no more: offline, without status and profile (D-40).

        Call it before the user leaves their rooms: those who share one are told.
        """
        cache = self.cache
        user = cache.users.intern(user_id)
        viewers = cache.viewers_of(BitMap([user]))
        self.logged_out(user_id, None)
        cache.users.status_msg[user] = None
        cache.users.profiles.pop(user, None)
        cache.gone.add(user)
        if self.lists is not None:
            self.lists.deactivated(user)
        self._ticks.farewell(user, viewers)
        # At once: a crash must not bring the status of a deleted account back.
        self._persistence.durable(user).addErrback(lambda _: None)
        self._dirty.add(user)

    def ignores(self, user_id: str, ignored: Collection[str]) -> None:
        """Whom a user ignores from now on: all of them, not only the new (A-94)."""
        users = self.cache.users
        user = users.intern(user_id)
        others = BitMap([users.intern(other) for other in ignored])
        others.discard(user)
        self.cache.ignores(user, others)

    # What other servers tell.

    def told(self, update: Update, heard_ts: int | None = None) -> None:
        """Another server says this of one of its users (C-6 to C-9).

        Whoever calls knows that it is that server, and that the user is of interest.

        Args:
            heard_ts: when it was said, epoch ms; None for now.
        """
        user = self.cache.users.intern(update.user_id)
        if not self.cache.users.is_local[user]:
            now = self.now() if heard_ts is None else heard_ts
            self._remotes.told(user, update, now)
