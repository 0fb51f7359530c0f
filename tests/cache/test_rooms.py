"""Memberships, against two dicts of sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.cache.indexset import as_bitmap
from matrix_presence.cache.rooms import Rooms
from tests.base import TestCase

USERS = 6
ROOMS = ("!a", "!b", "!c", "!excluded")
steps = st.lists(
    st.tuples(
        st.sampled_from(("join", "join", "leave", "restore")),
        st.sampled_from(ROOMS),
        st.integers(0, USERS - 1),
    ),
    max_size=50,
)


class Naive:
    """The same in the plainest way."""

    def __init__(self, max_members: int) -> None:
        self.max_members = max_members
        self.members: dict[str, set[int]] = {room: set() for room in ROOMS}

    def carries(self, room: str) -> bool:
        """Whether presence goes through this room."""
        if room == "!excluded":
            return False
        return not self.max_members or len(self.members[room]) <= self.max_members

    def seen_by(self, user: int) -> set[int]:
        """Everybody in the rooms of a user that carry presence."""
        shared = [
            members
            for room, members in self.members.items()
            if self.carries(room) and user in members
        ]
        return set().union(*shared)


class RoomsTests(TestCase):
    """Who is joined to what, and who sees whom."""

    @given(steps, st.integers(0, 3))
    def test_it_answers_what_a_dict_of_sets_would(
        self, ops: list[tuple[str, str, int]], max_members: int
    ) -> None:
        """Memberships and sight follow the last join or leave (D-20 to D-22, D-31)."""
        rooms, naive = Rooms(["!excluded"], max_members), Naive(max_members)
        for kind, room_id, user in ops:
            room, members = rooms.intern(room_id), naive.members[room_id]
            if kind == "join":
                self.assertEqual(user not in members, rooms.join(room, user))
                members.add(user)
            elif kind == "leave":
                self.assertEqual(user in members, rooms.leave(room, user))
                members.discard(user)
            else:
                rooms.restore(room_id, [user, 0])
                members |= {user, 0}
        self.check(naive, rooms)

    def check(self, naive: Naive, rooms: Rooms) -> None:
        """Both give the same answers to every question."""
        index = rooms.index
        for room_id, room in index.items():
            self.assertEqual(naive.members[room_id], set(rooms.members_of((room,))))
            carrying = naive.carries(room_id)
            self.assertEqual(carrying, room in rooms.carrying_among((room,)))
        for user in range(USERS):
            joined = {r for r in index if user in naive.members[r]}
            self.assertEqual(
                {index[r] for r in joined}, set(as_bitmap(rooms.rooms_of(user)))
            )
            self.assertEqual(
                {index[r] for r in joined if naive.carries(r)},
                set(rooms.carrying((user,))),
            )
            self.assertEqual(naive.seen_by(user), set(rooms.seen_by(user)))
            for other in range(USERS):
                self.assertEqual(other in naive.seen_by(user), rooms.share(user, other))

    @given(st.integers(100, 300), st.integers(0, 299))
    def test_large_rooms_work_as_small_ones_do(self, many: int, leaver: int) -> None:
        """A room with more members than are packed is left and seen alike."""
        rooms = Rooms()
        room = rooms.intern("!large")
        for user in range(many):
            rooms.join(room, user)
        rooms.leave(room, leaver)
        everybody = set(range(many)) - {leaver}
        self.assertEqual(everybody, set(rooms.seen_by(min(everybody))))
        self.assertEqual(set(), set(rooms.seen_by(leaver)))

    def test_a_room_has_one_index(self) -> None:
        """A room is known from the first time it is named."""
        rooms = Rooms()
        self.assertEqual(rooms.intern("!a"), rooms.intern("!a"))
        self.assertNotEqual(rooms.intern("!a"), rooms.intern("!b"))
        self.assertEqual(2, len(rooms))
