"""Presence lists of one server."""

from __future__ import annotations

from matrix_presence.errors import NotStored
from matrix_presence.interfaces import ListRow, Profile
from matrix_presence.testing import MemoryPoll
from matrix_presence.wire.lists import ListUpdate
from tests.core.rig import ALICE, BOB, CAROL, UNLIMITED, CoreTestCase

DAVE = "@dave:hs"


class ListsTestCase(CoreTestCase):
    """Carol and Dave, who share no room with anybody."""

    OPTIONS = UNLIMITED | {"presence_list_policy": "never"}

    def begin(self, **options: object) -> None:
        """A server that has all four of them."""
        super().begin(**options)
        for user_id in (ALICE, BOB, CAROL, DAVE):
            self.server.homeserver.add_user(user_id)
        for user_id in (CAROL, DAVE):
            self.read(user_id)

    def change(self, user_id: str, **changes: str) -> None:
        """Change a list; it is on disk when this returns."""
        lists = self.server.handler.lists
        assert lists is not None
        keys = {
            key: (changes[key],) if key in changes else () for key in ListUpdate._fields
        }
        self.successResultOf(lists.update(user_id, ListUpdate(**keys)))

    def carol_observes_dave(self) -> None:
        """The whole of it."""
        self.change(CAROL, invite=DAVE)
        self.change(DAVE, accept=CAROL)
        self.pass_time(0.1)

    def may_see(self, viewer: str, observed: str) -> bool:
        """Whether a GET of the status answers anything."""
        return self.server.view.status(viewer, observed) is not None


class FlowTests(ListsTestCase):
    """Invite, accept, deny, drop, revoke."""

    def test_an_invite_shows_nothing(self) -> None:
        """Until it is accepted the observer sees nothing (A-62, A-64)."""
        self.change(CAROL, invite=DAVE)
        self.assertFalse(self.may_see(CAROL, DAVE))

    def test_the_state_comes_with_the_acceptance(self) -> None:
        """Once the observed user accepts, the observer's poll is woken and has the
        present state; the other direction stays dark (A-68, A-70, D-21)."""
        self.put("unavailable", "here", DAVE)
        self.change(CAROL, invite=DAVE)
        self.pass_time(1)
        poll = self.server.poll(CAROL, self.server.view.position())
        self.change(DAVE, accept=CAROL)
        self.pass_time(1)
        self.assertTrue(poll.woken)
        seen, _ = poll.close()
        self.assertEqual(seen[DAVE]["presence"], "unavailable")
        self.assertTrue(self.may_see(CAROL, DAVE))
        self.assertFalse(self.may_see(DAVE, CAROL))

    def test_changes_wake_the_observer(self) -> None:
        """A change of the observed user wakes the observer, and not the other way
        round (A-70, D-20)."""
        self.carol_observes_dave()
        self.pass_time(2)
        position = self.server.view.position()
        carol, dave = (self.server.poll(one, position) for one in (CAROL, DAVE))
        self.pass_time(2)
        position = self.server.view.position()
        for poll in (carol, dave):
            poll.close()
        carol, dave = (self.server.poll(one, position) for one in (CAROL, DAVE))
        self.put("online", "news", DAVE)
        self.pass_time(2)
        self.assertTrue(carol.woken)
        seen, _ = carol.close()
        self.assertEqual(seen[DAVE]["status_msg"], "news")
        dave.close()

    def test_nobody_accepts_for_another(self) -> None:
        """Only the invited user's answer counts, and only to who has invited (A-68)."""
        self.change(CAROL, invite=DAVE)
        self.change(BOB, accept=CAROL)
        self.change(CAROL, accept=CAROL)
        self.change(CAROL, accept=DAVE)
        self.change(DAVE, accept=BOB)
        row = self.server.store.lists[CAROL, DAVE]
        self.assertEqual((row.accepted, len(self.server.store.lists)), (False, 1))
        self.assertFalse(self.may_see(CAROL, DAVE))

    def test_invites_come_before_drops(self) -> None:
        """Who is in both is dropped in the end (A-66)."""
        lists = self.server.handler.lists
        assert lists is not None
        both = ListUpdate((DAVE, BOB), (DAVE,), (), ())
        self.successResultOf(lists.update(CAROL, both))
        self.assertEqual(list(self.server.store.lists), [(CAROL, BOB)])

    def test_a_change_of_name_reaches_the_observer(self) -> None:
        """With both keys and the presence, without a room (D-1, D-4, D-7)."""
        self.carol_observes_dave()
        self.read(CAROL)
        self.read(BOB)
        profile = Profile("Dave D.", "mxc://hs/dave")
        self.server.handler.profile_changed(DAVE, profile)
        news = self.news(CAROL, DAVE)
        assert news is not None
        self.assertEqual(news["presence"], "offline")
        self.assertEqual(news["displayname"], "Dave D.")
        self.assertEqual(news["avatar_url"], "mxc://hs/dave")
        self.assertIsNone(self.news(BOB, DAVE))

    def test_a_room_mate_is_listed_too(self) -> None:
        """A first sync and a later one have listed users beside room mates (A-70)."""
        self.put("online", user_id=DAVE)
        self.change(ALICE, invite=DAVE)
        self.change(DAVE, accept=ALICE)
        self.pass_time(1)
        self.assertIn(DAVE, self.server.seen(ALICE))
        self.assertNotIn(DAVE, self.server.seen(BOB))

    def polls(self) -> tuple[MemoryPoll, MemoryPoll, int]:
        """An old client and a modern one of Dave's wait, from this position on."""
        self.pass_time(1)
        poll = self.server.poll(DAVE, self.server.view.position())
        self.pass_time(2)
        position = poll.close()[1]
        old = self.server.poll(DAVE, position, version="r0")
        return old, self.server.poll(DAVE, position, device_id="OTHER"), position

    def invites(self, since: int | None, version: str = "r0") -> tuple[int, int]:
        """How many invites a sync of Dave's has, and the position."""
        era = self.server.sync.era(version)
        events, position = self.server.sync.part(DAVE, since, era=era)
        types = [event["type"] for event in events]
        return types.count("m.presence_invite"), position

    def test_the_invited_user_is_woken(self) -> None:
        """The invite wakes the poll of the invited user's old client, once (A-69)."""
        old, modern, position = self.polls()
        self.change(CAROL, invite=DAVE)
        self.pass_time(1)
        self.assertTrue(old.woken)
        count, position = self.invites(position)
        self.assertEqual(count, 1)
        self.assertEqual(self.invites(position)[0], 0)
        old.close()
        modern.close()

    def test_modern_clients_hear_of_no_invites(self) -> None:
        """One that knows no lists is neither woken nor told, and sees what is accepted
        as it sees all else (A-69, X-3)."""
        self.change(CAROL, invite=ALICE)
        old, modern, position = self.polls()
        self.change(CAROL, invite=DAVE)
        self.pass_time(1)
        self.assertFalse(modern.woken)
        self.assertEqual(self.invites(position, "v3")[0], 0)
        self.assertEqual(self.invites(None, "v3")[0], 0)
        old.close()
        modern.close()

    def test_a_drop_ends_it(self) -> None:
        """The observer sees nothing any more; dropping again changes nothing
        (A-65)."""
        self.carol_observes_dave()
        for _ in range(2):
            self.change(CAROL, drop=DAVE)
            self.assertFalse(self.may_see(CAROL, DAVE))
        self.assertEqual(self.server.store.lists, {})

    def test_a_refusal_ends_the_invite(self) -> None:
        """The entry is gone, and accepting it then makes none (A-71, C-27)."""
        self.change(CAROL, invite=DAVE)
        self.change(DAVE, deny=CAROL)
        self.change(DAVE, accept=CAROL)
        self.assertEqual(self.server.store.lists, {})

    def test_a_revocation_is_told_once(self) -> None:
        """The observer gets a bare offline, and sees nothing from then on
        (A-69, A-71)."""
        self.carol_observes_dave()
        self.put("online", "secret", DAVE)
        self.pass_time(1)
        self.read(CAROL)
        self.change(DAVE, deny=CAROL)
        self.assertEqual(self.news(CAROL, DAVE), {"presence": "offline"})
        self.assertIsNone(self.news(CAROL, DAVE))
        self.assertFalse(self.may_see(CAROL, DAVE))

    def test_a_revoked_room_mate_stays_in_sight(self) -> None:
        """Who shares a room is seen all the same (X-2)."""
        self.change(ALICE, invite=BOB)
        self.change(BOB, accept=ALICE)
        self.put("online", user_id=BOB)
        self.change(BOB, deny=ALICE)
        self.pass_time(1)
        self.assertTrue(self.may_see(ALICE, BOB))
        self.assertEqual(self.read(ALICE)[BOB]["presence"], "online")

    def test_oneself_is_accepted_at_once(self) -> None:
        """One may list oneself; it changes nothing (A-67)."""
        self.change(CAROL, invite=CAROL)
        row = ListRow(CAROL, CAROL, True)
        self.assertEqual(self.server.store.lists, {(CAROL, CAROL): row})

    def test_invites_for_one_user_are_limited(self) -> None:
        """What exceeds the limit is dropped without a word, whoever it is for
        (A-67, C-30)."""
        self.begin(presence_list_max_pending=1)
        for observed in (DAVE, "@nobody:hs"):
            for observer in (ALICE, CAROL):
                self.change(observer, invite=observed)
        self.assertEqual(
            sorted(self.server.store.lists), [(ALICE, DAVE), (ALICE, "@nobody:hs")]
        )

    def test_what_nobody_answers_is_denied_in_the_end(self) -> None:
        """The entry is removed, at the same time whether the user is not there, does
        not answer or ignores the observer, and the observer is told the same (A-67,
        A-71, C-25)."""
        self.begin(presence_list_invite_lifetime="1h")
        self.server.handler.ignores(BOB, [CAROL])
        others = [BOB, DAVE, "@nobody:hs"]
        for observed in others:
            self.change(CAROL, invite=observed)
        self.pass_time(1800)
        # Once more is not longer.
        self.change(CAROL, invite="@nobody:hs")
        self.pass_time(1790)
        self.read(CAROL)
        self.assertEqual(len(self.server.store.lists), 3)
        self.pass_time(15)
        self.assertEqual(self.server.store.lists, {})
        self.assertEqual(
            self.read(CAROL), {other: {"presence": "offline"} for other in others}
        )

    def test_the_wait_goes_on_over_a_restart(self) -> None:
        """What was asked before it is denied when its time has come (A-67, A-72)."""
        self.begin(presence_list_invite_lifetime="1h")
        self.options = {**self.options, "presence_list_invite_lifetime": "1h"}
        self.change(CAROL, invite=DAVE)
        self.restart(crash=True, away=3000)
        self.pass_time(500)
        self.assertEqual(len(self.server.store.lists), 1)
        self.pass_time(110)
        self.assertEqual(self.server.store.lists, {})

    def test_always_does_not_accept_for_nobody(self) -> None:
        """Who is not there does not agree, whatever the policy (A-67)."""
        self.begin(presence_list_policy="always")
        self.change(CAROL, invite="@nobody:hs")
        self.change(CAROL, invite=DAVE)
        accepted = [
            row.observed for row in self.server.store.lists.values() if row.accepted
        ]
        self.assertEqual(accepted, [DAVE])

    def test_a_deactivated_account_leaves_no_entries(self) -> None:
        """Neither its own nor those of others (D-40)."""
        self.carol_observes_dave()
        self.change(DAVE, invite=ALICE)
        self.server.handler.deactivated(DAVE)
        self.pass_time(1)
        self.assertEqual(self.server.store.lists, {})
        self.assertFalse(self.may_see(CAROL, DAVE))


class DurabilityTests(ListsTestCase):
    """Entries outlive the process."""

    def test_a_killed_process_keeps_what_it_acknowledged(self) -> None:
        """Pending and accepted entries are there again after a crash (A-72)."""
        self.carol_observes_dave()
        self.change(ALICE, invite=DAVE)
        self.restart(crash=True)
        self.assertTrue(self.may_see(CAROL, DAVE))
        self.assertFalse(self.may_see(ALICE, DAVE))
        pending = self.server.view.pending(DAVE, inwards=True, outwards=False)
        self.assertEqual([entry["user_id"] for entry in pending], [ALICE])
        era = self.server.sync.era("r0")
        events, _ = self.server.sync.part(DAVE, 1, era=era)
        self.assertIn("m.presence_invite", [event["type"] for event in events])

    def test_a_request_waits_for_the_store(self) -> None:
        """It is not answered before its entries are stored (A-72)."""
        lists = self.server.handler.lists
        assert lists is not None
        self.server.store.hold()
        done = lists.update(CAROL, ListUpdate((DAVE,), (), (), ()))
        self.assertNoResult(done)
        self.server.store.release()
        self.successResultOf(done)
        self.assertIn((CAROL, DAVE), self.server.store.lists)

    def test_a_request_is_one_transaction(self) -> None:
        """All of its entries are stored together, whatever the store is doing (A-66,
        A-72)."""
        lists = self.server.handler.lists
        assert lists is not None
        for observer in (DAVE, BOB):
            self.change(observer, invite=CAROL)
        self.server.store.hold()
        # It is busy with something else.
        status = self.server.set_status(ALICE, "online")
        before = len(self.server.store.committed)
        done = lists.update(CAROL, ListUpdate((DAVE, ALICE), (), (DAVE,), (BOB,)))
        self.server.store.release()
        self.successResultOf(status)
        self.successResultOf(done)
        batches = self.server.store.committed[before:]
        stored = [len(batch.lists) for batch in batches if batch.lists]
        self.assertEqual(stored, [4])

    def test_a_store_that_fails_is_told_and_tried_again(self) -> None:
        """The request fails, and the entry is stored by and by (A-72)."""
        lists = self.server.handler.lists
        assert lists is not None
        self.server.store.fail_next(OSError("no space"))
        done = lists.update(CAROL, ListUpdate((DAVE,), (), (), ()))
        self.failureResultOf(done, NotStored)
        self.logged_errors()
        self.pass_time(21)
        self.assertIn((CAROL, DAVE), self.server.store.lists)
