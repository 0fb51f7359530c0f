"""What viewers see of the core, held against what the reference says they should."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from twisted.internet.defer import Deferred

from matrix_presence.testing import MemoryPresence
from tests.core.rig import UNLIMITED
from tests.model.reference import GRANULARITY, OFFLINE, Reference

USERS = ("@a:hs", "@b:hs", "@c:hs")
#: A room that carries no presence.
SILENT = "!silent:hs"
OPTIONS: dict[str, Any] = {**UNLIMITED, "exclude_rooms_from_presence": [SILENT]}

#: ms by which the core may be late: a slot of the wheel, a sweep and a tick.
LATE = 2100
#: s after which a client that is to be woken is: the window and a sixteenth.
WINDOW = 1.2

users = st.sampled_from(USERS)
#: Seconds around every threshold there is, and between ticks.
passes = st.sampled_from((0.01, 0.06, 1, 5, 12, 29, 31, 59, 62, 240, 301, 3601))


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


class Comparison(RuleBasedStateMachine):
    """The core and the reference, and those who look at both."""

    def __init__(self) -> None:
        super().__init__()
        self.core = MemoryPresence(**OPTIONS)
        self.reference = Reference(USERS, SILENT)
        self.viewers = {user_id: Viewer() for user_id in USERS}
        #: The highest that anybody was told.
        self.position = 0

    @property
    def now(self) -> int:
        """Epoch ms."""
        return self.core.handler.now()

    @rule(seconds=passes)
    def time_passes(self, seconds: float) -> None:
        """In steps short enough for every timer to be in time."""
        step = 0.25 if seconds < 100 else 5
        until = self.core.clock.seconds() + seconds
        while (left := until - self.core.clock.seconds()) > 1e-6:
            self.core.clock.advance(min(step, left))

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
            ignored = sender in self.reference.ignored[viewer]
            gone = sender in client.farewells and not ignored
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
