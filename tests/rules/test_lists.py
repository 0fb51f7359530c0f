"""What comes of an invite to a presence list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix_presence.rules.lists import POLICIES, Entry, Reply, reply_to_invite
from tests.base import TestCase

booleans = st.booleans()
policies = st.sets(st.sampled_from(POLICIES), min_size=1)


def reply(
    *policies: str,
    entry: Entry = Entry.NONE,
    exists: bool = True,
    is_ignored: bool = False,
    back: bool = False,
    room: bool = False,
    more: bool = True,
) -> Reply:
    """The reply under these policies."""
    return reply_to_invite(
        entry,
        policies or ("never",),
        exists=exists,
        is_ignored=is_ignored,
        is_observed_back=back,
        share_a_room=room,
        has_room_for_more=more,
    )


class ReplyTests(TestCase):
    """The decision alone."""

    def test_each_policy_accepts_its_own(self) -> None:
        """Always accepts anybody, reverse and shared_room theirs, never nobody
        (A-69)."""
        accepted = {
            (policy, back, room)
            for policy in POLICIES
            for back in (True, False)
            for room in (True, False)
            if reply(policy, back=back, room=room) is Reply.ACCEPT
        }
        expected = {("always", back, room) for back in (1, 0) for room in (1, 0)}
        expected |= {("reverse", True, room) for room in (1, 0)}
        expected |= {("shared_room", back, True) for back in (1, 0)}
        self.assertEqual(accepted, expected)

    def test_policies_add_up(self) -> None:
        """One that accepts is enough (A-69)."""
        both = ("reverse", "shared_room")
        self.assertIs(reply(*both, back=True), Reply.ACCEPT)
        self.assertIs(reply(*both, room=True), Reply.ACCEPT)
        self.assertIs(reply(*both), Reply.ASK)

    @given(policies, booleans, booleans, booleans)
    def test_who_is_not_there_accepts_nothing(self, some, ignored, back, room) -> None:
        """An invite to an account that is not there waits, without anybody being
        asked (C-25, A-67)."""
        given = reply(*some, exists=False, is_ignored=ignored, back=back, room=room)
        self.assertIs(given, Reply.KEEP_QUIET)

    @given(policies, booleans, booleans)
    def test_the_ignored_are_not_heard(self, some, back, room) -> None:
        """No policy accepts somebody who is ignored, and nobody is asked (A-69)."""
        given = reply(*some, is_ignored=True, back=back, room=room)
        self.assertIs(given, Reply.KEEP_QUIET)

    @given(booleans, booleans, booleans)
    def test_the_limit_holds_for_whoever_it_is(self, exists, ignored, more) -> None:
        """Whether an invite is kept says nothing about who exists (A-67)."""
        given = reply(exists=exists, is_ignored=ignored, more=more)
        self.assertEqual(given is Reply.DROP, not more)

    @given(policies, booleans, booleans)
    def test_accepted_stays_accepted(self, some, ignored, more) -> None:
        """An invite once more is accepted once more (C-27)."""
        for entry in (Entry.ACCEPTED, Entry.RESTING):
            given = reply(*some, entry=entry, is_ignored=ignored, more=more)
            self.assertIs(given, Reply.ACCEPT)

    def test_too_many_are_dropped(self) -> None:
        """Beyond the limit nobody is asked, except who was asked before (C-30)."""
        self.assertIs(reply(more=False), Reply.DROP)
        self.assertIs(reply(more=False, entry=Entry.PENDING), Reply.ASK)
        self.assertIs(reply("always", more=False), Reply.ACCEPT)
