"""What servers remember about presence lists and each other when they come back."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from matrix_presence.interfaces import ListRow
from matrix_presence.testing import MemoryFederation, MemoryPresence
from matrix_presence.wire.lists import list_edu, poll_edu
from tests.federation.rig import PLAIN, advance
from tests.federation.test_lists import (
    ACCEPT,
    ALICE,
    AMY,
    BOB,
    DENY,
    HOUR,
    INVITE,
    PeerTestCase,
)

OPTIONS: dict[str, Any] = PLAIN | {"presence_list_policy": "never"}


class UntoldTests(PeerTestCase):
    """What another server has yet to be told."""

    down = frozenset({"there"})

    def crash(self, *, down: frozenset[str] = frozenset()) -> None:
        """Kill the server; the next life finds what is on disk, and who is up by then.

        Args:
            down: which others are not.
        """
        self.down = down
        self.server.store.crash()
        clock = Clock()
        clock.advance(self.server.clock.seconds())
        self.begin(store=self.server.store, clock=clock)

    def arrives(self, seconds: float = 12) -> list[dict[str, Any]]:
        """What the other server is sent in this time."""
        advance(self.server.clock, seconds)
        return [edu for _, edu in self.sent()]

    def test_an_invite_survives_a_crash(self) -> None:
        """It was on disk when the request was answered, and goes out now (C-24)."""
        self.change_at_once(ALICE, invite=[BOB])
        self.crash()
        self.assertEqual(self.arrives(), [list_edu(INVITE, ALICE, BOB)])

    def test_what_was_answered_survives_a_crash(self) -> None:
        """Consent and its end are sent after all, as they are by then (C-24, C-28)."""
        for answer, edu_type in (("accept", ACCEPT), ("deny", DENY)):
            self.receive(list_edu(INVITE, BOB, ALICE))
            self.change_at_once(ALICE, **{answer: [BOB]})
            self.crash()
            self.assertIn(list_edu(edu_type, BOB, ALICE), self.arrives())
            self.down = frozenset({"there"})
            self.begin()

    def test_the_end_of_an_entry_survives_a_crash(self) -> None:
        """Nothing is left of the entry but that it has to be told (A-65, C-28)."""
        self.federation.down.clear()
        self.change(ALICE, invite=[BOB])
        self.receive(list_edu(ACCEPT, ALICE, BOB))
        self.federation.down.add("there")
        self.change_at_once(ALICE, drop=[BOB])
        self.crash()
        rows = list(self.server.store.lists.values())
        self.assertEqual(rows, [ListRow(ALICE, BOB, None, untold=True)])
        self.assertEqual(self.arrives(), [poll_edu("unpoll", [BOB])])
        advance(self.server.clock, 12)
        self.assertEqual(self.server.store.lists, {})

    def test_what_was_told_is_not_told_again(self) -> None:
        """A restart repeats nothing that arrived (C-29)."""
        self.federation.down.clear()
        self.change(ALICE, invite=[BOB])
        self.receive(list_edu(INVITE, "@x:there", AMY))
        self.change(AMY, accept=["@x:there"])
        advance(self.server.clock, 12)
        self.assertNotEqual(self.sent(), [])
        self.crash()
        told = [edu for edu in self.arrives() if edu["edu_type"] != "m.presence"]
        self.assertEqual(told, [])

    def test_a_server_that_stays_down_is_told_in_the_end(self) -> None:
        """The retries go on, life after life (C-29)."""
        self.change(ALICE, invite=[BOB])
        for _ in range(2):
            self.crash(down=self.down)
            self.assertEqual(self.arrives(HOUR / 4), [])
        self.federation.down.clear()
        self.assertEqual(self.arrives(HOUR), [list_edu(INVITE, ALICE, BOB)])

    def test_without_federation_nothing_waits(self) -> None:
        """A server that speaks to no others keeps nothing for them."""
        alone = MemoryPresence("here", **OPTIONS)
        alone.homeserver.add_user(ALICE)
        self.server, self.federation = alone, MemoryFederation()
        self.change(ALICE, invite=[BOB])
        row = ListRow(ALICE, BOB, False)
        self.assertEqual(alone.store.lists, {(ALICE, BOB): row})


class OldServerTests(PeerTestCase):
    """Who knows lists and free for chat (X-9)."""

    def told_of_alice(self) -> dict[str, str]:
        """By server: what it is told when Alice is free for chat."""
        self.server.room("!r:here", ALICE, BOB, "@x:modern")
        self.successResultOf(self.server.set_status(ALICE, "offline"))
        advance(self.server.clock, 12)
        self.sent()
        self.successResultOf(self.server.set_status(ALICE, "free_for_chat"))
        advance(self.server.clock, 12)
        return {
            name: push[0]["presence"]
            for name, edu in self.sent()
            if (push := edu["content"].get("push"))
        }

    EXPECTED = {"there": "free_for_chat", "modern": "online"}  # noqa: RUF012  # fixed

    def test_they_are_remembered(self) -> None:
        """One that has spoken of lists once is known as old in the next life (X-9)."""
        self.receive(list_edu(INVITE, BOB, AMY))
        self.live_again()
        self.assertEqual(self.told_of_alice(), self.EXPECTED)

    def test_they_can_be_named(self) -> None:
        """Those that are configured need not say anything first (X-9)."""
        self.begin(presence_list_servers=["there"])
        self.assertEqual(self.told_of_alice(), self.EXPECTED)

    def test_others_are_told_what_the_specification_has(self) -> None:
        """Nobody is old by a letter that another server has signed (C-26, X-9)."""
        self.receive(list_edu(INVITE, BOB, AMY), origin="elsewhere")
        told = self.told_of_alice()
        self.assertEqual(told, dict.fromkeys(self.EXPECTED, "online"))


class PollTests(PeerTestCase):
    """When others are asked what their users are (C-23)."""

    def begin(self, **options: Any) -> None:
        """Alice and Amy observe Bob, and nobody is online."""
        super().begin(**options)
        for user_id in (ALICE, AMY):
            self.change(user_id, invite=[BOB])
            self.receive(list_edu(ACCEPT, user_id, BOB))
        self.sent()

    def put(self, user_id: str, presence: str) -> list[tuple[str, dict[str, Any]]]:
        """What is sent when a user of ours sets this state."""
        self.successResultOf(self.server.set_status(user_id, presence))
        advance(self.server.clock, 12)
        return self.sent()

    def test_the_first_observer_who_comes_online_polls(self) -> None:
        """One poll for each observed user, none for the second observer (C-23)."""
        poll = [("there", poll_edu("poll", [BOB]))]
        self.assertEqual(self.put(ALICE, "online"), poll)
        self.assertEqual(self.put(AMY, "online"), [])
        self.assertEqual(self.put(ALICE, "unavailable"), [])

    def test_it_polls_again_when_all_were_gone(self) -> None:
        """Not while one of them is there; and nobody unpolls, which would tell who is
        here (C-23)."""
        poll = [("there", poll_edu("poll", [BOB]))]
        self.put(ALICE, "online")
        self.put(AMY, "online")
        self.assertEqual(self.put(ALICE, "offline"), [])
        self.assertEqual(self.put(ALICE, "online"), [])
        for user_id in (ALICE, AMY):
            self.assertEqual(self.put(user_id, "offline"), [])
        self.assertEqual(self.put(AMY, "free_for_chat"), poll)

    def test_a_new_life_polls_too(self) -> None:
        """Whoever has forgotten us in the meantime is reminded (C-23)."""
        self.put(ALICE, "online")
        clock = self.server.clock
        self.successResultOf(self.server.stop())
        super().begin(store=self.server.store, clock=clock)
        advance(clock, 12)
        self.sent()
        poll = [("there", poll_edu("poll", [BOB]))]
        self.assertEqual(self.put(AMY, "online"), poll)

    def test_who_is_dropped_is_not_polled(self) -> None:
        """Nor is a user who has not answered (C-23)."""
        for user_id in (ALICE, AMY):
            self.change(user_id, drop=[BOB])
        self.change(ALICE, invite=["@x:there"])
        self.sent()
        self.assertEqual(self.put(ALICE, "online"), [])
