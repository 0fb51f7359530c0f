"""The core and the reference, driven side by side on virtual time."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from twisted.internet.task import Clock

from matrix_presence.interfaces import Profile, Requester, UserRow
from matrix_presence.testing import MemoryPresence
from tests.model.comparing import (
    LATE,
    OPTIONS,
    SILENT,
    USERS,
    Comparison,
    moments,
    users,
)
from tests.model.reference import Device

ROOMS = ("!one:hs", "!two:hs", SILENT)

devices = st.sampled_from(("D1", "D2"))
rooms = st.sampled_from(ROOMS)
states = st.sampled_from(
    ("offline", "unavailable", "online", "free_for_chat", "org.matrix.msc3026.busy")
)
texts = st.sampled_from((None, "hello", "bye"))
said = st.sampled_from((None, None, "online", "unavailable", "offline"))
#: What would take everybody out of sight if it happened as often as all else.
seldom = st.sampled_from((False, False, True))


@attrs.define
class OpenSync:
    """A sync that has not returned."""

    user_id: str
    device_id: str
    #: None where it does not count as connected.
    device: Device | None
    held: AbstractContextManager[None]


class CoreMachine(Comparison):
    """Anything that can happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs: list[OpenSync] = []
        # They know one another until somebody leaves.
        for user_id in USERS:
            self.joins(user_id, ROOMS[0])

    # What clients do.

    @rule(user_id=users, device_id=devices, state=states, text=texts)
    def put(self, user_id: str, device_id: str, state: str, text: str | None) -> None:
        """Set a status."""
        user = self.reference.users[user_id]
        if user.gone:
            return
        done = self.core.set_status(user_id, state, text, device_id)
        assert done.called
        user.device(device_id).note(self.now, "put", state)
        user.status_msg = text

    @rule(user_id=users, device_id=devices, set_presence=said)
    def sync_begins(
        self, user_id: str, device_id: str, set_presence: str | None
    ) -> None:
        """A sync that stays open."""
        user = self.reference.users[user_id]
        if user.gone:
            return
        device = user.device(device_id)
        if device.at(self.now - LATE).state != device.at(self.now).state:
            # Whether it has been away is for the wheel to say: see that it does.
            self.time_passes(LATE / 1000)
        requester = Requester(user_id, device_id)
        held = self.core.sync.connected(requester, set_presence)
        held.__enter__()
        device.note(self.now, "sync_began", set_presence)
        counts = None if set_presence == "offline" else device
        self.syncs.append(OpenSync(user_id, device_id, counts, held))

    @precondition(lambda self: self.syncs)
    @rule(which=st.integers(0, 9))
    def sync_ends(self, which: int) -> None:
        """One of the open syncs returns."""
        sync = self.syncs.pop(which % len(self.syncs))
        sync.held.__exit__(None, None, None)
        current = self.reference.users[sync.user_id].devices.get(sync.device_id)
        if sync.device is not None and sync.device is current:
            sync.device.note(self.now, "sync_ended")

    @rule(user_id=users, device_id=devices, set_presence=said)
    def sync(self, user_id: str, device_id: str, set_presence: str | None) -> None:
        """A sync that returns at once."""
        if not self.reference.users[user_id].gone:
            self.sync_begins(user_id, device_id, set_presence)
            self.sync_ends(len(self.syncs) - 1)

    @rule(user_id=users, device_id=devices)
    def acts(self, user_id: str, device_id: str) -> None:
        """A message is sent."""
        user = self.reference.users[user_id]
        if not user.gone:
            self.core.handler.active(user_id, device_id)
            user.device(device_id).note(self.now, "acted")

    # What the homeserver tells.

    @rule(user_id=users, room_id=rooms)
    def joins(self, user_id: str, room_id: str) -> None:
        """Into a room."""
        if not self.reference.users[user_id].gone:
            self.core.handler.joined(room_id, user_id)
            self.reference.rooms.setdefault(room_id, set()).add(user_id)

    @rule(user_id=users, room_id=rooms, really=seldom)
    def leaves(self, user_id: str, room_id: str, really: bool = True) -> None:
        """Out of a room."""
        if not really:
            return
        self.core.handler.left(room_id, user_id)
        self.reference.rooms.setdefault(room_id, set()).discard(user_id)

    @rule(user_id=users, device_id=devices)
    def logs_out(self, user_id: str, device_id: str) -> None:
        """With one device."""
        self.core.handler.logged_out(user_id, device_id)
        self.reference.users[user_id].log_out(device_id, self.now)

    @rule(user_id=users, name=st.sampled_from((None, "A", "B")))
    def renames(self, user_id: str, name: str | None) -> None:
        """Another displayname, or none."""
        user = self.reference.users[user_id]
        if not user.gone:
            user.profile = Profile(displayname=name)
            self.core.handler.profile_changed(user_id, user.profile)

    @rule(viewer=users, ignored=st.sets(users, max_size=2), really=seldom)
    def ignores(self, viewer: str, ignored: set[str], really: bool) -> None:
        """From now on these and no others."""
        ignored = ignored - {viewer} if really else set()
        client = self.viewers[viewer]
        client.unsure |= self.reference.ignored[viewer] - ignored
        for user_id in client.farewells & ignored:
            client.picture.pop(user_id, None)
        self.core.handler.ignores(viewer, ignored)
        self.reference.ignored[viewer] = ignored
        self.poll_on(viewer)

    @rule(user_id=users, really=seldom)
    def deactivates(self, user_id: str, really: bool) -> None:
        """The account ends, and leaves its rooms."""
        user = self.reference.users[user_id]
        if user.gone or not really:
            return
        for viewer, client in self.viewers.items():
            client.unsure.discard(user_id)
            if viewer != user_id and self.reference.sees(viewer, user_id):
                client.farewells.add(user_id)
            if not self.reference.is_told_of(viewer, user_id):
                # A picture from before they were ignored, or out of sight.
                client.picture.pop(user_id, None)
        self.core.handler.deactivated(user_id)
        user.deactivate()
        for room_id in ROOMS:
            self.leaves(user_id, room_id)

    @rule(user_id=users)
    def registers(self, user_id: str) -> None:
        """An account of the same name as one that is gone."""
        user = self.reference.users[user_id]
        if user.gone:
            self.core.handler.registered(user_id)
            user.gone, user.was_active = False, self.now
            for client in self.viewers.values():
                client.picture.pop(user_id, None)

    # How a life ends.

    @rule(crash=st.booleans(), away=st.sampled_from((0, 20, 400)))
    def restarts(self, crash: bool, away: float) -> None:
        """The server ends, orderly or not, and comes back after a while."""
        if crash:
            self.core.store.crash()
        else:
            # Whoever became due while the server was away is looked at first.
            self.time_passes(LATE / 1000)
            assert self.core.stop().called
            self.check_rows(self.now)
        clock = Clock()
        clock.advance(self.core.clock.seconds() + away)
        rows = dict(self.core.store.users)
        self.check_acknowledged(rows)
        self.core = MemoryPresence(store=self.core.store, clock=clock, **OPTIONS)
        self.syncs.clear()
        for user_id, user in self.reference.users.items():
            if user.gone:
                self.core.handler.deactivated(user_id)
            else:
                user.restore(rows.get(user_id), self.now)
            self.core.handler.ignores(user_id, self.reference.ignored[user_id])
        for room_id, members in self.reference.rooms.items():
            self.core.handler.restore_room(room_id, members)
        for viewer, client in self.viewers.items():
            # Who is gone for good is not remembered over a restart.
            for user_id in client.farewells:
                client.picture.pop(user_id, None)
            client.farewells.clear()
            client.wait = None
            self.poll_on(viewer)

    def check_acknowledged(self, rows: dict[str, UserRow]) -> None:
        """What a person set is there, however the server ended."""
        for user_id, user in self.reference.users.items():
            if user.status_msg is not None:
                assert rows[user_id].status_msg == user.status_msg, user_id

    def check_rows(self, now: int) -> None:
        """An orderly end has written everything."""
        for user_id, row in self.core.store.users.items():
            user = self.reference.users[user_id]
            assert not user.gone, f"{user_id} is deactivated and still stored"
            allowed = {user.presence(then) for then in moments(now)}
            assert row.presence in allowed, (row, allowed)
            assert row.last_active_ts == user.active(now), (row, user.active(now))
            assert row.status_msg == user.status_msg, row
            assert row.displayname == user.profile.displayname, row

    def teardown(self) -> None:
        """In the end both agree; unless they did not before."""
        if sys.exc_info()[0] is not None:
            return
        self.compares()
        assert self.core.stop().called
        assert self.core.clock.getDelayedCalls() == []
