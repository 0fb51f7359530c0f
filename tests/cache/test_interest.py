"""Which servers are in which room, and which have to be told of whom."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from matrix_presence.cache import interest
from matrix_presence.cache.presence_cache import PresenceCache
from matrix_presence.testing import MemoryPresence
from tests.base import TestCase

NOW = 1_790_000_000_000
ROOMS = ("!one:hs", "!two:hs", "!three:hs")
USERS = ("@a:hs", "@b:hs", "@c:x", "@d:x", "@e:y", "@f:z:8448")

rooms = st.sampled_from(ROOMS)
users = st.sampled_from(USERS)
steps = st.lists(
    st.tuples(st.sampled_from(["join", "leave", "restore"]), rooms, users), max_size=40
)


class Rig:
    """A cache that is filled through the handler, and what it should say."""

    def __init__(self, **options: Any) -> None:
        self.presence = MemoryPresence(**options)
        self.handler = self.presence.handler
        self.cache: PresenceCache = self.handler.cache
        self.members: dict[str, set[str]] = {room: set() for room in ROOMS}

    def do(self, kind: str, room: str, user: str) -> None:
        """One step."""
        if kind == "join":
            self.handler.joined(room, user)
        elif kind == "leave":
            self.handler.left(room, user)
        else:
            self.handler.restore_room(room, [user])
        if kind == "leave":
            self.members[room].discard(user)
        else:
            self.members[room].add(user)

    def index(self, *user_ids: str) -> BitMap:
        """The users as indices."""
        return BitMap([self.cache.users.intern(user_id) for user_id in user_ids])

    def names(self, destinations: BitMap) -> set[str]:
        """The destinations as names."""
        return {self.cache.servers.names[one] for one in destinations}

    def ids(self, users: BitMap) -> set[str]:
        """The users as ids."""
        return {self.cache.users.ids[user] for user in users}

    def told(self, pairs: object) -> dict[str, set[str]]:
        """By destination: of whom it is told."""
        told: dict[str, set[str]] = {}
        for destinations, about, *_ in pairs:  # type: ignore[attr-defined]  # pairs
            for name in self.names(destinations):
                told.setdefault(name, set()).update(self.ids(about))
        return told


class InterestTests(TestCase):
    """The servers of the room mates of a user."""

    @given(steps, st.sets(users))
    def test_servers_follow_memberships(self, ops, changed) -> None:
        """Through any joins and leaves, who shares a room is told and no other (C-2).

        Remote users are told to nobody: their own server does that.
        """
        rig = Rig()
        for step in ops:
            rig.do(*step)
        expected: dict[str, set[str]] = {}
        for members in rig.members.values():
            for other in members:
                name = other.partition(":")[2]
                about = {one for one in members & changed if one.endswith(":hs")}
                if name != "hs" and about:
                    expected.setdefault(name, set()).update(about)
        index = rig.index(*changed)
        self.assertEqual(expected, rig.told(interest.changed(rig.cache, index)))
        one_by_one: dict[str, set[str]] = {}
        for user in index:
            for name, about in rig.told(
                interest.changed(rig.cache, BitMap([user]))
            ).items():
                one_by_one.setdefault(name, set()).update(about)
        self.assertEqual(expected, one_by_one)
        for server, name in enumerate(rig.cache.servers.names):
            visible = rig.ids(interest.visible_to(rig.cache, server))
            self.assertEqual(expected.get(name, set()), visible & changed)

    def test_rooms_without_remote_members_cost_nothing(self) -> None:
        """Only what has to do with other servers is kept."""
        rig = Rig()
        for number in range(100):
            rig.handler.joined(f"!room{number}:hs", "@a:hs")
        rig.handler.joined(ROOMS[0], "@c:x")
        rig.handler.left(ROOMS[0], "@c:x")
        servers = rig.cache.servers
        self.assertEqual(
            (1, 0, 0), (len(servers), len(servers.rooms), len(servers._in_room))
        )

    def test_silent_rooms_interest_nobody(self) -> None:
        """What a room does not carry to clients it does not carry to servers (D-31)."""
        rig = Rig(exclude_rooms_from_presence=[ROOMS[0]])
        rig.do("join", ROOMS[0], "@a:hs")
        rig.do("join", ROOMS[0], "@c:x")
        self.assertEqual({}, rig.told(interest.changed(rig.cache, rig.index("@a:hs"))))
        self.assertFalse(interest.visible_to(rig.cache, 0))
        joins = [(0, rig.cache.users.intern("@c:x"))]
        self.assertEqual([], list(interest.introduced(rig.cache, joins, NOW)))


class IntroducedTests(TestCase):
    """Who is told because of joins."""

    def setUp(self) -> None:
        """A room of ours and of server x, in which all of ours are online."""
        self.rig = Rig()
        for user in ("@a:hs", "@b:hs", "@c:x"):
            self.rig.do("join", ROOMS[0], user)
        self.rig.cache.present |= self.rig.index("@a:hs", "@b:hs", "@n:hs")

    def introduced(self, *user_ids: str) -> dict[str, set[str]]:
        """By destination: of whom it is told, after these joined."""
        room = self.rig.cache.rooms.index[ROOMS[0]]
        joins = []
        for user_id in user_ids:
            self.rig.do("join", ROOMS[0], user_id)
            joins.append((room, self.rig.cache.users.intern(user_id)))
        return self.rig.told(interest.introduced(self.rig.cache, joins, NOW))

    def test_a_server_that_comes_in_is_told_of_ours_and_no_other_is(self) -> None:
        """One that is there already hears nothing of it (C-12)."""
        self.assertEqual({"y": {"@a:hs", "@b:hs"}}, self.introduced("@e:y"))

    def test_a_server_that_is_there_is_told_nothing_again(self) -> None:
        """A second member of a server brings it no second snapshot (C-12)."""
        self.assertEqual({}, self.introduced("@d:x"))

    def test_two_of_a_server_come_in_together(self) -> None:
        """A server is told once, however many of its users come at once (C-12)."""
        self.assertEqual({"y": {"@a:hs", "@b:hs"}}, self.introduced("@e:y", "@g:y"))

    def test_our_user_who_comes_in_is_told_to_the_servers_of_the_room(self) -> None:
        """The one who came, and nobody else (C-12)."""
        self.assertEqual({"x": {"@n:hs"}}, self.introduced("@n:hs"))

    def test_ours_and_theirs_come_in_together(self) -> None:
        """The server that was there is told of ours, the other of everybody (C-12)."""
        self.assertEqual(
            {"x": {"@n:hs"}, "y": {"@a:hs", "@b:hs", "@n:hs"}},
            self.introduced("@n:hs", "@e:y"),
        )

    def test_with_the_first_of_ours_all_servers_come_in(self) -> None:
        """Whoever was in the room before: nobody was in it with us (C-12)."""
        cache, handler = self.rig.cache, self.rig.handler
        handler.restore_room("!theirs", ["@c:x", "@e:y"])
        for joiner, comes_in in (("@a:hs", True), ("@b:hs", False)):
            handler.joined("!theirs", joiner)
            joins = [(cache.rooms.intern("!theirs"), cache.users.intern(joiner))]
            ((servers, users, comes),) = interest.introduced(cache, joins, NOW)
            self.assertEqual({"x", "y"}, self.rig.names(servers))
            self.assertEqual(({joiner}, comes_in), (self.rig.ids(users), comes))

    def test_a_server_that_was_away_comes_in_anew(self) -> None:
        """What it heard long ago may be out of date (C-12)."""
        self.rig.do("leave", ROOMS[0], "@c:x")
        self.assertEqual({"x": {"@a:hs", "@b:hs"}}, self.introduced("@c:x"))

    def test_only_who_is_worth_telling_is_told(self) -> None:
        """Who is long gone without a word is not, but who hides is (C-12)."""
        cache, index = self.rig.cache, self.rig.index
        cache.present.clear()
        gone, lately, hidden, quiet = index("@1:hs", "@2:hs", "@3:hs", "@4:hs")
        cache.users.status_msg[gone] = "On holiday"
        for user in (lately, hidden):
            cache.users.last_active_ts[user] = NOW - 3_600_000
        cache.users.hide(hidden)
        cache.users.last_active_ts[quiet] = NOW - 30 * 86_400_000
        told = interest.worth_telling(cache, BitMap([gone, lately, hidden, quiet]), NOW)
        self.assertEqual(BitMap([gone, lately, hidden]), told)
