"""The core and the reference, driven side by side on virtual time."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from matrix_presence.interfaces import Profile, Requester, UserRow
from matrix_presence.testing import MemoryPresence
from tests.core.rig import UNLIMITED
from tests.model.reference import GRANULARITY, OFFLINE, Device, Reference

USERS = ("@a:hs", "@b:hs", "@c:hs")
ROOMS = ("!one:hs", "!two:hs", "!silent:hs")
SILENT = "!silent:hs"
OPTIONS: dict[str, Any] = {**UNLIMITED, "exclude_rooms_from_presence": [SILENT]}

#: ms by which the core may be late: a slot of the wheel, a sweep and a tick.
LATE = 2100
#: s after which a client that is to be woken is: the window and a sixteenth.
WINDOW = 1.2

users = st.sampled_from(USERS)
devices = st.sampled_from(("D1", "D2"))
rooms = st.sampled_from(ROOMS)
states = st.sampled_from(
    ("offline", "unavailable", "online", "free_for_chat", "org.matrix.msc3026.busy")
)
texts = st.sampled_from((None, "hello", "bye"))
said = st.sampled_from((None, None, "online", "unavailable", "offline"))
#: What would take everybody out of sight if it happened as often as all else.
seldom = st.sampled_from((False, False, True))
#: Seconds around every threshold there is, and between ticks.
passes = st.sampled_from((0.01, 0.06, 1, 5, 12, 29, 31, 59, 62, 240, 301, 3601))


@attrs.define
class OpenSync:
    """A sync that has not returned."""

    user_id: str
    device_id: str
    #: None where it does not count as connected.
    device: Device | None
    held: AbstractContextManager[None]


@attrs.define
class Viewer:
    """A client that reads on and keeps what it was told."""

    token: int | None = None
    #: By user: the last content, and when it came.
    picture: dict[str, tuple[dict[str, Any], int]] = attrs.Factory(dict)
    #: Came into sight without an event (A-94): nothing can be expected of them.
    unsure: set[str] = attrs.Factory(set)
    #: Deactivated while in sight: to be told of, once (D-40).
    farewells: set[str] = attrs.Factory(set)
    #: A poll that is always open.
    wait: Deferred[None] | None = None
    woken: bool = False


class CoreMachine(RuleBasedStateMachine):
    """Anything that can happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.core = MemoryPresence(**OPTIONS)
        self.reference = Reference(USERS, SILENT)
        self.viewers = {user_id: Viewer() for user_id in USERS}
        self.syncs: list[OpenSync] = []
        self.position = 0
        # They know one another until somebody leaves.
        for user_id in USERS:
            self.joins(user_id, ROOMS[0])

    @property
    def now(self) -> int:
        """Epoch ms."""
        return self.core.handler.now()

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
        requester = Requester(user_id, device_id)
        held = self.core.sync.connected(requester, set_presence)
        held.__enter__()
        device = user.device(device_id)
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
            # Who ignored them may have a picture from before.
            client.unsure.discard(user_id)
            client.farewells.discard(user_id)
            if viewer != user_id and self.reference.is_told_of(viewer, user_id):
                client.farewells.add(user_id)
            else:
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

    # What time and fate do.

    @rule(seconds=passes)
    def time_passes(self, seconds: float) -> None:
        """In steps short enough for every timer to be in time."""
        step = 0.25 if seconds < 100 else 1
        until = self.core.clock.seconds() + seconds
        while (left := until - self.core.clock.seconds()) > 1e-6:
            self.core.clock.advance(min(step, left))

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

    # What viewers see.

    @rule(viewer=users)
    def reads(self, viewer: str) -> None:
        """An incremental read, whatever the time."""
        client = self.viewers[viewer]
        events, position = self.core.sync.part(viewer, client.token)
        assert position >= self.position, "the position went back"
        self.position = position
        for event in events:
            sender = event["sender"]
            told_of = self.reference.is_told_of(viewer, sender)
            gone = sender in client.farewells
            assert told_of or gone, f"{viewer} is shown {sender}"
            if not told_of:
                self.check_farewell(viewer, event["content"])
            client.picture[sender] = (event["content"], self.now)
            client.unsure.discard(sender)
        client.token = position
        self.poll_on(viewer)

    def poll_on(self, viewer: str) -> None:
        """Wait for what comes after what was read."""
        client = self.viewers[viewer]
        if client.wait is not None:
            client.wait.cancel()
        client.woken, client.wait = False, None
        if client.token is None:
            return
        client.wait = self.core.sync.wait(viewer, client.token)
        client.wait.addCallbacks(self.wakes, lambda _: None, (client,))

    def wakes(self, _: None, client: Viewer) -> None:
        """Its poll returns."""
        client.woken, client.wait = True, None

    @rule()
    def compares(self) -> None:
        """Once everything late has come, both agree on everything."""
        self.time_passes(LATE / 1000)
        for viewer in USERS:
            if not self.reference.users[viewer].gone:
                self.check_waking(viewer)
                self.reads(viewer)
                self.check_statuses(viewer)
                self.check_snapshot(viewer)
                self.check_picture(viewer)
                again, _ = self.core.sync.part(viewer, self.viewers[viewer].token)
                assert again == [], f"{viewer} is told twice: {again}"

    def teardown(self) -> None:
        """In the end both agree; unless they did not before."""
        if sys.exc_info()[0] is not None:
            return
        self.compares()
        assert self.core.stop().called
        assert self.core.clock.getDelayedCalls() == []

    def check_waking(self, viewer: str) -> None:
        """Whoever has news is woken for it."""
        client = self.viewers[viewer]
        if client.wait is not None:
            events, _ = self.core.sync.part(viewer, client.token)
            if events:
                self.time_passes(WINDOW)
                assert client.woken, f"{viewer} sleeps on {events}"

    def check_statuses(self, viewer: str) -> None:
        """A GET of everybody, also of those whom one may not see."""
        for user_id, user in self.reference.users.items():
            if user.gone:
                continue
            status = self.core.view.status(viewer, user_id)
            if self.reference.sees(viewer, user_id):
                allowed = self.contents(user_id, own=viewer == user_id)
                assert status in allowed, (viewer, user_id, status, allowed)
            else:
                assert status is None, f"{viewer} may not see {user_id}"

    def check_snapshot(self, viewer: str) -> None:
        """A first sync lists all who are not offline, and nobody else."""
        shown = self.core.seen(viewer)
        for user in self.reference.told_of(viewer):
            allowed = self.contents(user.user_id, own=viewer == user.user_id)
            if user.user_id in shown:
                content = dict(shown.pop(user.user_id))
                name = content.pop("displayname", None)
                assert name == user.profile.displayname, (viewer, content)
                assert content in allowed, (viewer, user.user_id, content, allowed)
            else:
                present = [c for c in allowed if c["presence"] != OFFLINE]
                assert present != allowed, f"{viewer} is not shown {user.user_id}"
        assert shown == {}, f"{viewer} is shown {shown}"

    def check_picture(self, viewer: str) -> None:
        """What was told piece by piece is what a fresh look would show."""
        client = self.viewers[viewer]
        for user in self.reference.told_of(viewer):
            if user.user_id in client.unsure:
                continue
            now, own = self.now, viewer == user.user_id
            content, came = client.picture.get(user.user_id, ({}, now))
            presence = content.get("presence", OFFLINE)
            allowed = self.contents(user.user_id, own=own)
            where = f"{viewer}'s picture of {user.user_id} is {content}, not {allowed}"
            assert presence in {c["presence"] for c in allowed}, where
            if not content:
                continue
            assert content.get("status_msg") == user.status_msg, where
            assert content.get("displayname") == user.profile.displayname, where
            active = content.get("currently_active")
            assert active in {c.get("currently_active") for c in allowed}, where
            if "last_active_ago" in content and presence != OFFLINE:
                told = came - content["last_active_ago"]
                behind = user.active(now) - told
                assert behind >= 0, f"{where}: active in the future"
                # B-19; while currently active nothing more is told (B-31).
                assert active or behind < GRANULARITY, f"{where}: {behind} ms behind"
        for user_id in client.farewells:
            if self.reference.users[user_id].gone and user_id in client.picture:
                self.check_farewell(viewer, client.picture[user_id][0])

    def check_farewell(self, viewer: str, content: dict[str, Any]) -> None:
        """The last word says nothing but offline (D-40)."""
        assert content["presence"] == OFFLINE, (viewer, content)
        assert "status_msg" not in content, (viewer, content)
        assert "displayname" not in content, (viewer, content)

    def contents(self, user_id: str, *, own: bool) -> list[dict[str, Any]]:
        """What may be said of a user now: as they are, or as they were just before."""
        user, now = self.reference.users[user_id], self.now
        found = []
        for then in moments(now):
            content = user.content(then, now, own=own)
            if content not in found:
                found.append(content)
        return found


def moments(now: int) -> range:
    """Now, and the time by which the core may be late."""
    return range(now - LATE, now + 1, LATE // 7)
