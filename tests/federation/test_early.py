"""What other servers say of users before it is known that anybody here may see them."""

from __future__ import annotations

from typing import Any

from matrix_presence.federation.early import Early
from matrix_presence.wire.edu import Update
from tests.base import TestCase
from tests.federation.rig import (
    ALICE,
    REMOTE,
    ROOM,
    FederationTestCase,
    said,
)

OTHER = "!other:hs"


class JoinTests(FederationTestCase):
    """The word about a user comes before the word of their join."""

    options: dict[str, Any] = {  # noqa: RUF012  # not changed
        "exclude_rooms_from_presence": [OTHER],
        "rc_presence": {"per_origin": {"per_second": 1, "burst_count": 3}},
    }

    def setUp(self) -> None:
        """Alice is in a room that nobody of another server is known to be in."""
        super().setUp()
        self.server.room(ROOM, ALICE)
        self.pass_time(1)

    def join(self, room_id: str = ROOM, user_id: str = REMOTE) -> None:
        """It becomes known that they are in the room."""
        self.server.handler.joined(room_id, user_id)

    def test_it_counts_from_the_join_on(self) -> None:
        """As it was said, and since when (C-7, C-12)."""
        self.receive(said(status_msg="hi", last_active_ago=5000, currently_active=True))
        self.pass_time(60)
        self.assertIsNone(self.server.view.status(ALICE, REMOTE))
        self.join()
        expected = {
            "presence": "online",
            "status_msg": "hi",
            "last_active_ago": 65_000,
            "currently_active": True,
        }
        self.assertEqual(expected, self.seen())
        self.assertEqual(expected, self.server.seen(ALICE)[REMOTE])

    def test_who_waits_is_told_once(self) -> None:
        """The join and what was said before it are one piece of news (A-88)."""
        self.receive(said(last_active_ago=0, currently_active=True))
        poll = self.server.poll(ALICE, self.server.view.position())
        self.join()
        self.pass_time(1)
        shown, position = poll.close()
        self.assertEqual("online", shown[REMOTE]["presence"])
        poll = self.server.poll(ALICE, position)
        self.pass_time(10)
        self.assertFalse(poll.woken)
        poll.close()

    def test_newest_word_counts(self) -> None:
        """Also where it is that they are offline (C-4)."""
        self.receive(said("online"), said("unavailable"))
        self.receive(said("offline", status_msg="gone"))
        self.join()
        self.assertEqual(("offline", "gone"), tuple(self.seen().values())[:2])

    def test_it_holds_as_long_as_any_word(self) -> None:
        """From when it was heard, not from the join (C-9)."""
        other = "@other:there"
        self.receive(said())
        self.pass_time(60)
        self.receive(said(user_id=other))
        self.pass_time(29 * 60, 5)
        self.join()
        self.join(user_id=other)
        self.assertEqual("offline", self.seen()["presence"])
        self.assertEqual("online", self.seen(other)["presence"])
        self.pass_time(61)
        self.assertEqual("offline", self.seen(other)["presence"])

    def test_room_that_carries_no_presence_shows_nothing(self) -> None:
        """It counts when they join another one (D-31)."""
        self.server.room(OTHER, ALICE)
        self.receive(said())
        self.join(OTHER)
        users = self.server.handler.cache.users
        self.assertEqual(0, users.presence(users.index[REMOTE]))
        self.join()
        self.assertEqual("online", self.seen()["presence"])

    def test_what_was_said_since_counts_more(self) -> None:
        """What is taken at once makes older words void."""
        self.receive(said("unavailable"))
        self.server.handler.restore_room(ROOM, [ALICE, REMOTE])
        self.receive(said("online"))
        self.server.handler.left(ROOM, REMOTE)
        self.join()
        self.assertEqual("online", self.seen()["presence"])

    def test_unknown_servers_have_limits_too(self) -> None:
        """What exceeds them is not even read (C-43)."""
        users = [f"@{number}:there" for number in range(5)]
        for user_id in users:
            self.receive(said(user_id=user_id))
            self.pass_time(0.1)
        for user_id in users:
            self.join(user_id=user_id)
        seen = [self.seen(user_id)["presence"] for user_id in users]
        self.assertEqual(["online"] * 3 + ["offline"] * 2, seen)

    def test_nothing_is_taken_while_the_door_is_closed(self) -> None:
        """Neither what was heard before nor what comes."""
        self.receive(said())
        self.server.service.receiver.is_open = False
        self.join()
        self.assertEqual("offline", self.seen()["presence"])


class KeepingTests(TestCase):
    """How much is kept, and for how long."""

    def setUp(self) -> None:
        """Room for four, two of each server, for a second."""
        self.early = Early(1000, most=4, share=2)

    def keep(self, *user_ids: str, now: int = 0, text: str | None = None) -> None:
        """These are said to be online."""
        for user_id in user_ids:
            self.early.keep(Update(user_id, 1, text, None, False, {}), now)

    def kept(self, *user_ids: str, now: int = 0) -> list[str]:
        """Of whom of these there is something, which is taken."""
        return [one for one in user_ids if self.early.take(one, now) is not None]

    def test_server_has_its_share(self) -> None:
        """What exceeds it is dropped; a newer word of the same user is none more."""
        self.keep("@a:x", "@b:x", "@a:x", "@c:x")
        self.assertEqual(["@a:x", "@b:x"], self.kept("@a:x", "@b:x", "@c:x"))
        self.keep("@c:x", "@d:x", "@e:x")
        self.assertEqual(["@c:x", "@d:x"], self.kept("@c:x", "@d:x", "@e:x"))

    def test_oldest_goes_first(self) -> None:
        """When there are many servers."""
        users = ["@a:x", "@b:x", "@c:y", "@d:y", "@e:z"]
        self.keep(*users)
        self.assertEqual(users[1:], self.kept(*users))
        self.assertEqual([], self.kept(*users))

    def test_long_text_takes_more_room(self) -> None:
        """So that the memory is bounded, whatever is said."""
        self.keep("@a:x", text="x" * 2000)
        self.keep("@b:x", text="x" * 1000)
        self.assertEqual(["@b:x"], self.kept("@a:x", "@b:x"))

    def test_what_is_too_old_goes(self) -> None:
        """As soon as anything else comes."""
        self.keep("@a:x", "@b:y")
        self.keep("@c:z", now=999)
        self.assertIn("@a:x", self.early)
        self.keep("@d:z", now=1000)
        self.assertNotIn("@a:x", self.early)
        self.assertNotIn("@b:y", self.early)
        self.assertEqual(["@c:z", "@d:z"], self.kept("@a:x", "@c:z", "@d:z", now=1998))
